//! Writes the report of an execution, and reads what an earlier one says.

use std::collections::BTreeMap;

use aws_sdk_sfn::types::ExecutionStatus;

use super::look::read_scan;
use super::work::Work;
use crate::clock::rfc3339;
use crate::contract::ErrorName;
use crate::gate::{Described, Gate, StepError};
use crate::ledger::{Analysis, Outcome, Record, Swap};
use crate::names;
use crate::policy::{Finding, ModerationPolicy};
use crate::report::{self, LabelSegments, Report, ReportedAnalysis, SCHEMA_VERSION};

/// Whether an execution ended in a way that the state machine did not announce: failed uncaught, timed out or stopped.
pub(crate) fn is_operational(described: &Described) -> bool {
    match described.status {
        ExecutionStatus::TimedOut | ExecutionStatus::Aborted => true,
        ExecutionStatus::Failed => {
            let business = ErrorName::ALL.into_iter().filter(|name| name.is_business());
            !business
                .into_iter()
                .any(|name| described.error.as_deref() == Some(name.as_str()))
        }
        _ => false,
    }
}

/// Whether the report of an earlier drive says that the video was published.
pub(crate) async fn says_published(gate: &Gate, execution: &str) -> Result<bool, StepError> {
    Ok(read(gate, execution)
        .await?
        .is_some_and(|(report, _)| report.published))
}

/// Whether the end of this drive was reported.
pub(crate) async fn says_closed(
    gate: &Gate,
    execution: &str,
    redrive_count: u32,
) -> Result<bool, StepError> {
    let report = read(gate, execution).await?;
    Ok(report.is_some_and(|(report, _)| report.redrive_count >= redrive_count))
}

async fn read(gate: &Gate, execution: &str) -> Result<Option<(Report, String)>, StepError> {
    let Some((bytes, etag)) = gate.ledger.get_bytes(&names::report_key(execution)).await? else {
        return Ok(None);
    };
    // One that is not readable was not written by this program: it says nothing, and is replaced.
    Ok(serde_json::from_slice(&bytes)
        .ok()
        .map(|report| (report, etag)))
}

/// Writes the report as the record is now. `closed` is how the execution ended, if it did so without an answer to its task.
pub(crate) async fn write(
    work: &mut Work<'_>,
    closed: Option<&Described>,
) -> Result<(), StepError> {
    let (labels, unavailable) = labels(work).await?;
    let findings = findings(work).await?;
    let gate = work.gate;
    let record = work.record();
    let json_key = names::report_key(&record.execution);
    let vtt = report::webvtt(&labels);
    let report = document(record, closed, work, labels, unavailable, findings);
    for _ in 0..2 {
        let etag = match gate.ledger.get_bytes(&json_key).await? {
            Some((bytes, etag)) => {
                let newer = serde_json::from_slice::<Report>(&bytes)
                    .is_ok_and(|old| old.revision > report.revision);
                if newer {
                    return Ok(());
                }
                Some(etag)
            }
            None => None,
        };
        let bytes = serde_json::to_vec(&report).unwrap_or_default();
        if let Swap::Done(()) = gate
            .ledger
            .put_bytes(&json_key, bytes, "application/json", etag.as_deref())
            .await?
        {
            return Ok(gate
                .ledger
                .overwrite(
                    &names::vtt_key(&record.execution),
                    vtt.into_bytes(),
                    "text/vtt",
                )
                .await?);
        }
    }
    Err(StepError::Ledger(crate::ledger::LedgerError::Contended {
        key: json_key,
    }))
}

/// The labels of the current scan: as read in this invocation, else read again.
async fn labels(work: &mut Work<'_>) -> Result<(Vec<LabelSegments>, Option<String>), StepError> {
    let record = work.record();
    let judged_by_policy = record
        .judged
        .as_ref()
        .is_some_and(|judged| judged.policy_hash.is_some());
    if work.scan.is_none() && judged_by_policy {
        let min_confidence_percent = record
            .analysis()
            .map_or(0.0, |analysis| analysis.min_confidence_percent);
        if let Some(job_id) = record.job_id().map(str::to_owned) {
            work.scan = read_scan(work.gate, &job_id, min_confidence_percent).await?;
        }
    }
    Ok(match &work.scan {
        Some(scan) => (report::labels(scan), None),
        None if judged_by_policy => (
            Vec::new(),
            Some("Rekognition no longer keeps the job's results".to_owned()),
        ),
        None => (Vec::new(), None),
    })
}

/// What a rejection rests on, under the policy that decided; empty if that is no longer the operator's.
async fn findings(work: &Work<'_>) -> Result<Vec<Finding>, StepError> {
    let (Some(scan), Some(judged)) = (&work.scan, &work.record().judged) else {
        return Ok(Vec::new());
    };
    if judged.outcome != Outcome::Rejected {
        return Ok(Vec::new());
    }
    let policy: Result<ModerationPolicy, StepError> = work.gate.policy().await;
    Ok(match policy {
        Ok(policy) if judged.policy_hash.as_deref() == Some(policy.hash()) => {
            policy.judge(scan).findings
        }
        // The verdict stands as the record says, whatever the policy says by now; its cause names the labels.
        Ok(_) | Err(StepError::Policy(_) | StepError::PolicyMissing) => Vec::new(),
        Err(error) => return Err(error),
    })
}

fn document(
    record: &Record,
    closed: Option<&Described>,
    work: &Work<'_>,
    labels: Vec<LabelSegments>,
    labels_unavailable: Option<String>,
    findings: Vec<Finding>,
) -> Report {
    let judged = record.judged.as_ref();
    let outcome = match judged.map(|judged| judged.outcome) {
        Some(Outcome::Approved) => "approved",
        Some(Outcome::Rejected) => "rejected",
        Some(Outcome::Unsupported) => "unsupported",
        Some(Outcome::Failed(_)) => "failed",
        None => "ended",
    };
    let ended = closed.filter(|described| described.status != ExecutionStatus::Succeeded);
    let error_name = judged
        .and_then(|judged| judged.outcome.error_name())
        .map(|name| name.as_str().to_owned());
    let cause = judged.map(|judged| judged.cause.clone());
    Report {
        schema_version: SCHEMA_VERSION,
        revision: record.revision,
        execution_arn: record.execution_arn.clone(),
        redrive_count: record.redrive_count,
        outcome: outcome.to_owned(),
        error_name: error_name.or_else(|| ended.and_then(|described| described.error.clone())),
        cause: cause.or_else(|| ended.map(ended_cause)),
        published: record.is_published(),
        stopped_too_late: record.is_published() && ended.is_some(),
        closed_status: closed.map(|described| described.status.as_str().to_owned()),
        video: record.video.clone(),
        content_type: record
            .media
            .as_ref()
            .and_then(|media| media.content_type.clone()),
        duration_ms: record.media.as_ref().and_then(|media| media.duration_ms),
        policy_hash: judged.and_then(|judged| judged.policy_hash.clone()),
        model_version: work
            .scan
            .as_ref()
            .map(|scan| scan.model_version().to_owned()),
        scan_min_confidence_percent: record
            .analysis()
            .map(|analysis| analysis.min_confidence_percent),
        findings,
        labels,
        labels_unavailable,
        analyses: record.analyses.iter().map(reported).collect(),
        timings: timings(record),
        unknown: BTreeMap::new(),
    }
}

fn ended_cause(described: &Described) -> String {
    let cause = described.cause.as_deref().unwrap_or("no cause given");
    format!(
        "the execution ended {} before a verdict: {cause}",
        described.status.as_str()
    )
}

fn reported(analysis: &Analysis) -> ReportedAnalysis {
    let reason = serde_json::to_value(analysis.reason)
        .ok()
        .and_then(|reason| Some(reason.as_str()?.to_owned()));
    ReportedAnalysis {
        number: analysis.number,
        redrive_count: analysis.redrive_count,
        reason: reason.unwrap_or_default(),
        job_id: analysis.job_id.clone(),
        started: analysis.started_ms.map(rfc3339),
        ended: analysis.ended_ms.map(rfc3339),
        status_message: analysis.status_message.clone(),
    }
}

fn timings(record: &Record) -> BTreeMap<String, String> {
    let times = &record.times;
    let known = [
        ("taken", Some(times.created_ms)),
        ("judged", times.judged_ms),
        ("published", times.published_ms),
        ("answered", times.sent_ms),
    ];
    known
        .into_iter()
        .filter_map(|(name, ms)| Some((name.to_owned(), rfc3339(ms?))))
        .collect()
}
