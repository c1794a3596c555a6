//! Invariants that are checked at every call.

use aws_smithy_types::body::SdkBody;
use workflow::steps::SOURCE_VERSION_ENTRY;

use super::stage::Stage;
use crate::aws::Aws;
use crate::faults::{Call, Fault, Refusal};

/// Checks what must hold after a service acted on a call.
pub(super) fn acted(stage: &Stage, aws: &Aws, call: &Call, path: &str) {
    let operation = call.operation.trim_end();
    let copied = operation.starts_with("PUT ") && operation.ends_with("-approved  copy");
    let completed = operation.starts_with("POST ") && operation.ends_with("-approved uploadId");
    if copied || completed {
        published(stage, aws, path);
    }
}

/// Only bytes that were scanned, and that some policy approved since, are ever in the approved bucket (promise 1).
fn published(stage: &Stage, aws: &Aws, path: &str) {
    let Some((bucket, key)) = path.trim_start_matches('/').split_once('/') else {
        return;
    };
    let key = percent_encoding::percent_decode_str(key)
        .decode_utf8_lossy()
        .into_owned();
    // A copy that was answered 200 with an error in it left nothing: whatever is there was checked when it came.
    let Ok(info) = aws.s3.head(bucket, &key, None) else {
        return;
    };
    let Ok(digest) = aws.s3.digest(bucket, &key, None) else {
        return;
    };
    if let Err(problem) = check_published(stage, &key, &info.metadata, &digest) {
        stage.broken(format!("{key} in the approved bucket {problem}"));
    }
}

fn check_published(
    stage: &Stage,
    key: &str,
    metadata: &std::collections::BTreeMap<String, String>,
    digest: &str,
) -> Result<(), String> {
    let now_ms = stage.now_ms();
    let source = metadata
        .get(SOURCE_VERSION_ENTRY)
        .ok_or("does not say of which version it is a copy")?;
    let mut inner = stage.lock();
    let elapsed = format_args!("{key} is published as a copy of {source}").to_string();
    let elapsed_ms = stage.elapsed_ms();
    inner.history.note(elapsed_ms, format_args!("{elapsed}"));
    let version = inner
        .truth
        .version(source)
        .ok_or_else(|| format!("is a copy of an unknown version, {source}"))?;
    if version.key != key {
        return Err(format!("is a copy of {}, another key", version.key));
    }
    if version.digest != digest {
        return Err(format!("has other bytes than version {source}"));
    }
    let scanned_ms = version
        .scanned_ms()
        .ok_or_else(|| format!("was published without a scan of version {source}"))?;
    let confidence = version.file.footage.confidence_percent();
    if !inner.truth.approvable(scanned_ms, now_ms, confidence) {
        return Err(format!(
            "is version {source}, which no policy approved since it was scanned"
        ));
    }
    if let Some(version) = inner.truth.version_mut(source) {
        version.copied_ms.push(now_ms);
    }
    Ok(())
}

/// What a request is about: the path of an object, or the first telling member of a JSON document.
pub(super) fn subject(request: &http::Request<SdkBody>) -> String {
    if !request.headers().contains_key("x-amz-target") {
        return request.uri().path().to_owned();
    }
    [
        "executionArn",
        "name",
        "statusFilter",
        "JobId",
        "JobTag",
        "error",
    ]
    .iter()
    .find_map(|name| member(request, name))
    .map(|value| super::stage::last(&value).to_owned())
    .unwrap_or_default()
}

/// A text member of a request's JSON document, as far as it needs no unescaping.
pub(super) fn member(request: &http::Request<SdkBody>, name: &str) -> Option<String> {
    let body = std::str::from_utf8(request.body().bytes()?).ok()?;
    let (_, rest) = body.split_once(&format!("\"{name}\":\""))?;
    rest.split('"').next().map(str::to_owned)
}

/// What a fault is called in summaries.
pub(super) fn kind(fault: Fault) -> &'static str {
    match fault {
        Fault::CrashBefore => "crash before a call",
        Fault::CrashAfter => "crash after a call",
        Fault::CrashDuring(_) => "crash during a call",
        Fault::Silent { .. } => "call without an answer",
        Fault::AnswerLost(Refusal::ErrorInSuccess) => "copy done, answered 200 with an error",
        Fault::AnswerLost(_) => "answer lost",
        Fault::Refused(refusal) => match refusal {
            Refusal::Throttled | Refusal::SlowDown => "throttled call",
            Refusal::Internal => "failed call",
            Refusal::Reset => "connection reset",
            Refusal::Conflict => "conflicting write",
            Refusal::ErrorInSuccess => "copy not done, answered 200 with an error",
            Refusal::PageExpired => "page token expired",
            Refusal::ParameterMismatch => "request token used by others",
            Refusal::Denied => "call denied",
        },
    }
}
