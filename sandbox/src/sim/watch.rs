//! Invariants that are checked at every call.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aws_smithy_types::body::SdkBody;
use http::Method;
use workflow::contract::ErrorName;
use workflow::ledger::{Outcome, Phase};
use workflow::steps::SOURCE_VERSION_ENTRY;

use super::ledger::Written;
use super::stage::{Inner, Stage};
use crate::aws::Aws;
use crate::faults::{Call, Fault, Refusal};
use crate::sfn::TOKEN_CANARY;
use crate::stack::Function;

/// What is known of the invocations.
#[derive(Debug, Default)]
pub(super) struct Invocations {
    began_ms: BTreeMap<u64, i64>,
    /// Tokens whose heartbeat is still to be sent by a tick that read the records.
    unbeaten: BTreeMap<u64, BTreeSet<String>>,
}

/// An invocation begins.
pub(super) fn began(stage: &Stage, invocation: u64) {
    let now_ms = stage.now_ms();
    stage.lock().invocations.began_ms.insert(invocation, now_ms);
}

/// Checks what must hold when a function sends a request, whatever becomes of it.
pub(super) fn sent(stage: &Stage, call: &Call, request: &http::Request<SdkBody>) {
    let now_ms = stage.now_ms();
    let mut inner = stage.lock();
    let problems = [
        may_carry(call, request),
        is_conditional(call, request),
        has_slot(&mut inner, call),
        has_lease(&inner, call, request, now_ms),
    ];
    if call.operation == "SendTaskHeartbeat"
        && let Some(token) = member(request, "taskToken")
        && let Some(unbeaten) = inner.invocations.unbeaten.get_mut(&call.invocation)
    {
        unbeaten.remove(&token);
    }
    drop(inner);
    for problem in problems.into_iter().flatten() {
        stage.broken(problem);
    }
}

/// Checks what must hold after a service acted on a call.
pub(super) fn acted(stage: &Stage, aws: &Aws, call: &Call, request: &http::Request<SdkBody>) {
    let path = request.uri().path();
    let parts: Vec<&str> = call.operation.split_whitespace().collect();
    match *parts.as_slice() {
        ["PUT", bucket, "copy"] | ["POST", bucket, "uploadId"] if bucket.ends_with("-approved") => {
            published(stage, aws, call, path);
        }
        ["PUT" | "DELETE", bucket, _] if bucket.ends_with("-ledger") => {
            written(stage, aws, call, path);
        }
        ["GET", bucket, "list-type"]
            if bucket.ends_with("-ledger")
                && call.function == Function::Reconciler
                && lists_records(request) =>
        {
            let mut inner = stage.lock();
            let attached = inner.ledger.attached().map(str::to_owned).collect();
            // The first time it lists them: another request of it may arrive when nobody waits for that any longer.
            let unbeaten = &mut inner.invocations.unbeaten;
            unbeaten.entry(call.invocation).or_insert(attached);
        }
        ["SendTaskSuccess"] => answered(stage, request, None),
        ["SendTaskFailure"] => answered(stage, request, member(request, "error").as_deref()),
        _ => {}
    }
}

fn lists_records(request: &http::Request<SdkBody>) -> bool {
    let query = request.uri().query();
    query.is_some_and(|query| query.contains("prefix=jobs"))
}

/// An invocation has ended. One that read the records and came to its end sent the heartbeat of each task (promise 2).
pub(super) fn ended(stage: &Stage, invocation: u64, how: &str) {
    let mut inner = stage.lock();
    let unbeaten = inner.invocations.unbeaten.remove(&invocation);
    let attached: BTreeSet<&str> = inner.ledger.attached().collect();
    let skipped = unbeaten
        .into_iter()
        .flatten()
        .filter(|token| attached.contains(token.as_str()))
        .count();
    drop(inner);
    if how == "ok" && skipped > 0 {
        stage.broken(format!(
            "#{invocation} read the records and sent no heartbeat of {skipped} of them"
        ));
    }
}

/// Promise 7: a task token is sent to Step Functions and written into records, and goes nowhere else.
fn may_carry(call: &Call, request: &http::Request<SdkBody>) -> Option<String> {
    let body = request.body().bytes().unwrap_or_default();
    let is_answer = call.operation.starts_with("SendTask");
    let allowed = usize::from(is_answer);
    let is_record = call.operation.starts_with("PUT ") && call.operation.ends_with("-ledger jobs");
    let headers = request.headers().values().map(http::HeaderValue::as_bytes);
    let carried = headers
        .chain([body, request.uri().to_string().as_bytes()])
        .map(|text| count(text, TOKEN_CANARY.as_bytes()))
        .sum::<usize>();
    (carried > allowed && !is_record).then(|| {
        format!(
            "a task token is in a request where none belongs: {}",
            call.operation
        )
    })
}

fn count(text: &[u8], word: &[u8]) -> usize {
    let starts = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == word[0]);
    starts
        .filter(|(at, _)| text[*at..].starts_with(word))
        .count()
}

/// Every change of a document of the ledger is a compare-and-swap.
fn is_conditional(call: &Call, request: &http::Request<SdkBody>) -> Option<String> {
    let parts: Vec<&str> = call.operation.split_whitespace().collect();
    let ["PUT" | "DELETE", bucket, kind] = *parts.as_slice() else {
        return None;
    };
    let (_, key) = object(request.uri().path())?;
    // What players read beside a report is no document.
    let is_track = Path::new(&key).extension().is_some_and(|end| end == "vtt");
    if !bucket.ends_with("-ledger") || is_track {
        return None;
    }
    let headers = request.headers();
    let has = |name: &str| headers.contains_key(name);
    let conditional = has("if-match") || (request.method() == Method::PUT && has("if-none-match"));
    (!conditional).then(|| format!("{} of {kind} without a condition", request.method()))
}

/// Promise 5: a slot is claimed before each poll.
fn has_slot(inner: &mut Inner, call: &Call) -> Option<String> {
    if call.operation != "GetActivityTask" {
        return None;
    }
    inner.ledger.poll(call.invocation)
}

/// StartContentModeration, copies and answers are sent under the lease only.
fn has_lease(
    inner: &Inner,
    call: &Call,
    request: &http::Request<SdkBody>,
    now_ms: i64,
) -> Option<String> {
    let ledger = &inner.ledger;
    let holds = |execution: &str| ledger.is_held_by(execution, call.invocation, now_ms);
    let held = match call.operation.trim_end() {
        "StartContentModeration" => holds(&member(request, "JobTag")?),
        "SendTaskSuccess" | "SendTaskFailure" => holds(
            &ledger
                .record_of_token(&member(request, "taskToken")?)?
                .execution,
        ),
        operation if operation.ends_with("-approved  copy") => {
            let (_, key) = object(request.uri().path())?;
            let mut records = ledger.records_of_key(&key);
            records.any(|record| holds(&record.execution))
        }
        _ => return None,
    };
    (!held).then(|| {
        let (name, invocation) = (call.function.name(), call.invocation);
        format!(
            "{name} #{invocation} sends {} without the lease",
            call.operation.trim_end()
        )
    })
}

/// Bucket and key of a path.
pub(super) fn object(path: &str) -> Option<(&str, String)> {
    let (bucket, key) = path.trim_start_matches('/').split_once('/')?;
    let key = percent_encoding::percent_decode_str(key).decode_utf8_lossy();
    Some((bucket, key.into_owned()))
}

/// A document of the ledger was written or deleted.
fn written(stage: &Stage, aws: &Aws, call: &Call, path: &str) {
    let Some((bucket, key)) = object(path) else {
        return;
    };
    let bytes = aws.s3.read(bucket, &key, None, 0, usize::MAX).ok();
    let now_ms = stage.now_ms();
    let mut inner = stage.lock();
    let began_ms = inner.invocations.began_ms.get(&call.invocation);
    let written = Written {
        key: &key,
        bytes: bytes.as_deref(),
        invocation: call.invocation,
        began_ms: began_ms.copied().unwrap_or(now_ms),
        now_ms,
    };
    let Inner { ledger, truth, .. } = &mut *inner;
    let is_live = |token: &str| aws.sfn.activity_of(token).is_some();
    let problems = ledger.follow(truth, &written, is_live);
    drop(inner);
    for problem in problems {
        stage.broken(problem);
    }
}

/// A task was answered, with an error or as a success: the verdict stands in the record before (promise 2), and the record still
/// holds the token.
fn answered(stage: &Stage, request: &http::Request<SdkBody>, error: Option<&str>) {
    let Some(token) = member(request, "taskToken") else {
        return;
    };
    let inner = stage.lock();
    let problem = match inner.ledger.record_of_token(&token) {
        // Whatever was started by hand with nonsense is refused without one.
        None if error == Some("InvalidTaskInput") && !inner.truth.by_hand.is_empty() => None,
        None => Some("a task was answered of which there is no record".to_owned()),
        Some(record) => {
            let judged = record.judged.as_ref().filter(|judged| {
                let own_drive = record
                    .token
                    .as_ref()
                    .is_some_and(|token| token.rank.redrive_count == judged.redrive_count);
                let says = judged.outcome.error_name().map(ErrorName::as_str);
                says == error && (own_drive || judged.outcome == Outcome::Approved)
            });
            let fixed = record.phase == Phase::Judged && judged.is_some();
            (!fixed).then(|| {
                let answer = error.unwrap_or("success");
                format!(
                    "{} was answered with {answer} before that was its verdict",
                    record.execution
                )
            })
        }
    };
    drop(inner);
    if let Some(problem) = problem {
        stage.broken(problem);
    }
}

/// Only bytes that were scanned, and that some policy approved since, are ever in the approved bucket (promise 1).
fn published(stage: &Stage, aws: &Aws, call: &Call, path: &str) {
    let Some((bucket, key)) = object(path) else {
        return;
    };
    // Not only the current one: a multipart copy that was begun before another came is older than that from the start. And a copy
    // that was answered 200 with an error in it may have left nothing.
    for id in aws.s3.version_ids(bucket, &key) {
        if !stage.lock().truth.approved_ids.insert(id.clone()) {
            continue;
        }
        let version = aws.s3.head(bucket, &key, Some(&id));
        let digest = aws.s3.digest(bucket, &key, Some(&id));
        let (Ok(info), Ok(digest)) = (version, digest) else {
            continue;
        };
        if let Err(problem) = check_published(stage, call, &key, &info.metadata, &digest) {
            stage.broken(format!("{key} in the approved bucket {problem}"));
        }
    }
}

fn check_published(
    stage: &Stage,
    call: &Call,
    key: &str,
    metadata: &BTreeMap<String, String>,
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
    let problem = decided(&inner, key, source).or_else(|| taken_down(&inner, call, key, source));
    if let Some(version) = inner.truth.version_mut(source) {
        version.copied_ms.push(now_ms);
    }
    problem.map_or(Ok(()), Err)
}

/// The verdict is fixed and the copy noted in the ledger before it is made: in the version's record, or by a head, old
/// or new, which a repair may take its time to copy.
fn decided(inner: &Inner, key: &str, source: &str) -> Option<String> {
    let version = inner.truth.version(source)?;
    let noted = inner
        .ledger
        .record(&version.execution)
        .is_some_and(|record| {
            let judged = record.judged.as_ref().map(|judged| judged.outcome);
            judged == Some(Outcome::Approved) && record.is_published()
        });
    let named = inner.ledger.head_named(key, source);
    (!noted && !named).then(|| format!("is version {source}, which nobody noted as approved"))
}

/// A takedown stays: whoever begins after it copies nothing that was published before it. (Unless something landed there
/// meanwhile, which was sent before: what is published then replaces it.)
fn taken_down(inner: &Inner, call: &Call, key: &str, source: &str) -> Option<String> {
    let truth = &inner.truth;
    let taken = truth.takedowns.iter().rev().find(|(taken, _)| taken == key);
    let (_, taken_ms) = taken?;
    let began_ms = inner.invocations.began_ms.get(&call.invocation)?;
    let head = inner.ledger.head_at(key, *taken_ms)?;
    let of_key = truth.versions.iter().filter(|version| version.key == key);
    let landed = of_key
        .flat_map(|version| &version.copied_ms)
        .any(|copied_ms| copied_ms >= taken_ms);
    let was_published = head == source || truth.is_newer(head, source);
    (began_ms > taken_ms && was_published && !landed)
        .then(|| format!("is version {source} again, which was taken down"))
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
        Fault::ResetDuring(_) => "connection reset during a call",
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
