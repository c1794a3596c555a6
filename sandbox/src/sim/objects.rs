//! What is left in the buckets and queues once all is quiet: tags that agree with the verdicts, and no task token.

use workflow::steps::{SOURCE_VERSION_ENTRY, TAG_PREFIX};

use super::checks::{Checks, keys};
use super::truth::Version;
use crate::s3::ObjectInfo;
use crate::sfn::{ExecutionStatus, TOKEN_CANARY};

/// Looks at every object, and at every message.
pub(super) async fn check(checks: &Checks<'_>, versions: &[Version]) -> anyhow::Result<()> {
    for version in versions {
        if let Some(problem) = raw_tags(checks, version) {
            let (key, id) = (&version.key, &version.id);
            checks.stage.broken(format!("{key:?} ({id}): {problem}"));
        }
    }
    let stack = &checks.people.stack;
    for bucket in [
        &stack.raw_bucket,
        &stack.approved_bucket,
        &stack.ledger_bucket,
    ] {
        for key in keys(&checks.people.s3, bucket).await? {
            look_at(checks, versions, bucket, &key);
        }
    }
    for queue in [
        &stack.ingest_failures_queue_arn,
        &stack.callback_failures_queue_arn,
        &stack.undelivered_results_queue_arn,
        &checks.people.decisions_queue_arn,
    ] {
        let bodies = checks.aws.sqs.bodies(queue);
        if bodies.iter().any(|body| body.contains(TOKEN_CANARY)) {
            checks.stage.broken(format!("{queue} holds a task token"));
        }
    }
    Ok(())
}

/// Promise 7 for one object, and for an approved one what it carries from its source.
fn look_at(checks: &Checks<'_>, versions: &[Version], bucket: &str, key: &str) {
    let stack = &checks.people.stack;
    let Ok(info) = checks.aws.s3.head(bucket, key, None) else {
        return;
    };
    // Only the ledger's documents are the gate's own; what is in the other buckets are the user's bytes.
    let content = (*bucket == stack.ledger_bucket).then(|| checks.read(key));
    let told = format!("{info:?} {content:?}");
    if told.contains(TOKEN_CANARY) {
        checks
            .stage
            .broken(format!("{bucket}/{key} tells a task token"));
    }
    if *bucket == stack.approved_bucket
        && let Some(problem) = approved_tags(versions, &info)
    {
        checks
            .stage
            .broken(format!("{key:?} in the approved bucket {problem}"));
    }
}

/// The user's tags come along, and ours says that the version is approved.
fn approved_tags(versions: &[Version], info: &ObjectInfo) -> Option<&'static str> {
    let source = info.metadata.get(SOURCE_VERSION_ENTRY)?;
    let version = versions.iter().find(|version| version.id == *source)?;
    let mut expected = version.user_tags();
    expected.insert(verdict_tag(), "approved".to_owned());
    (info.tags != expected).then_some("has other tags than its source, and ours")
}

/// A raw version keeps the user's tags, and has our own only if that was its verdict: best effort, but never a wrong one.
fn raw_tags(checks: &Checks<'_>, version: &Version) -> Option<String> {
    let bucket = &checks.people.stack.raw_bucket;
    let info = checks
        .aws
        .s3
        .head(bucket, &version.key, Some(&version.id))
        .ok()?;
    let mut tags = info.tags;
    let verdict = tags.remove(&verdict_tag());
    if tags != version.user_tags() {
        return Some(format!("the user's tags are {tags:?}"));
    }
    let verdict = verdict?;
    let inner = checks.stage.lock();
    let (from_ms, to_ms) = (version.scanned_ms(), checks.stage.now_ms());
    let confidence = version.file.footage.confidence_percent();
    let possible = from_ms.is_some_and(|from_ms| match verdict.as_str() {
        "approved" => inner.truth.approvable(from_ms, to_ms, confidence),
        "rejected" => inner.truth.rejectable(from_ms, to_ms, confidence),
        _ => false,
    });
    let contradicted =
        version.status() == Some(ExecutionStatus::Succeeded) && verdict != "approved";
    (!possible || contradicted).then(|| format!("is tagged as {verdict}"))
}

fn verdict_tag() -> String {
    format!("{TAG_PREFIX}verdict")
}
