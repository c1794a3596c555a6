//! Writes the report of an execution, and reads what an earlier one says.

use aws_sdk_sfn::types::ExecutionStatus;

use super::look::read_scan;
use super::work::Work;
use crate::contract::ErrorName;
use crate::event;
use crate::gate::{Described, Gate, StepError};
use crate::ledger::{self, Judged, LedgerError, Record, Swap};
use crate::names;
use crate::policy::{Judgement, Verdict};
use crate::report::{Analysis, Outcome, Report, ReportError, ReportHead, Timestamp, Timings};
use crate::scan::Scan;

/// Tries to write a report: somebody else may write one at the same moment.
const WRITES_MAX: usize = 2;

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
    Ok(match earlier(gate, execution).await? {
        Earlier::Read { head, .. } => head.published,
        Earlier::None | Earlier::Malformed { .. } | Earlier::Newer => false,
    })
}

/// Whether the end of this drive was reported.
pub(crate) async fn says_closed(
    gate: &Gate,
    execution: &str,
    redrive_count: u32,
) -> Result<bool, StepError> {
    Ok(match earlier(gate, execution).await? {
        Earlier::Read { head, .. } => head.redrive_count >= redrive_count,
        Earlier::None | Earlier::Malformed { .. } => false,
        // A later release is at work here too, and reports.
        Earlier::Newer => true,
    })
}

/// The report that is there already.
enum Earlier {
    None,
    /// Its rows are not kept: they may be many.
    Read {
        head: ReportHead,
        etag: String,
    },
    /// Not written by this program: it says nothing, and is replaced.
    Malformed {
        etag: String,
    },
    /// Written by a later release: it is left as it is.
    Newer,
}

async fn earlier(gate: &Gate, execution: &str) -> Result<Earlier, StepError> {
    let Some((bytes, etag)) = gate.ledger.get_bytes(&names::report_key(execution)).await? else {
        return Ok(Earlier::None);
    };
    Ok(match ReportHead::parse(&bytes) {
        Ok(head) => Earlier::Read { head, etag },
        Err(ReportError::Malformed(_)) => Earlier::Malformed { etag },
        Err(ReportError::Newer { .. }) => Earlier::Newer,
    })
}

/// Writes the report as the record is now. `closed` is how the execution ended, once that was seen.
///
/// A record without a verdict leaves the report of its drive alone: it is its own, or that of a record that settled this drive before. The
/// request that made that one may arrive once more when it is gone, since the SDK sends it again if the answer takes long.
pub(crate) async fn write(
    work: &mut Work<'_>,
    closed: Option<&Described>,
) -> Result<(), StepError> {
    let mut report = document(work, closed).await?;
    let (gate, record) = (work.gate, work.record());
    let json_key = names::report_key(&record.execution);
    for _ in 0..WRITES_MAX {
        let etag = match earlier(gate, &record.execution).await? {
            Earlier::None => None,
            Earlier::Malformed { etag } => Some(etag),
            Earlier::Read { head, .. }
                if head.outranks(report.redrive_count, report.revision)
                    || record.judged.is_none() && head.redrive_count == report.redrive_count =>
            {
                return Ok(());
            }
            Earlier::Read { head, etag } => {
                report.unknown = head.unknown;
                report.analyses = with_earlier(head.analyses, &record.analyses);
                Some(etag)
            }
            Earlier::Newer => {
                let execution_arn = &record.execution_arn;
                tracing::warn!(execution_arn, "report of a later release left as it is");
                return Ok(());
            }
        };
        let json = report.to_json().map_err(|error| LedgerError::Corrupt {
            key: json_key.clone(),
            reason: error.to_string(),
        })?;
        if let Swap::Done(()) = gate
            .ledger
            .put_bytes(&json_key, json, "application/json", etag.as_deref())
            .await?
        {
            let track = report.to_webvtt();
            // Its rows are many, and are not needed while the track is sent.
            drop(report);
            let track_key = names::webvtt_key(&record.execution);
            return Ok(gate
                .ledger
                .overwrite(&track_key, track.into_bytes(), "text/vtt")
                .await?);
        }
    }
    Err(LedgerError::Contended { key: json_key }.into())
}

async fn document(work: &mut Work<'_>, closed: Option<&Described>) -> Result<Report, StepError> {
    let scan = take_scan(work).await?;
    let judgement = match &scan {
        Some(scan) => rejection(work, scan).await?,
        None => None,
    };
    let record = work.record();
    let end = closed.filter(|described| !is_answer(record, described));
    let mut report = Report::new(
        &record.execution_arn,
        &record.video,
        outcome(record, end),
        record.revision,
    );
    // An execution that was started by hand may have another name than its video's.
    report.execution_name.clone_from(&record.execution);
    report.redrive_count = record.redrive_count;
    report.closed_status =
        closed.and_then(|described| event::ExecutionStatus::from_name(described.status.as_str()));
    report.error_name = match end {
        Some(described) => described.error.clone(),
        None => error_name(record).map(|name| name.as_str().to_owned()),
    };
    report.cause = cause(record.judged.as_ref(), end);
    report.published = record.is_published();
    report.stop_too_late = report.published && end.is_some();
    if let Some(media) = &record.media {
        report.video.content_type.clone_from(&media.content_type);
        report.video.duration_ms = media.duration_ms;
    }
    if let Some(judged) = &record.judged {
        set_verdict(&mut report, judged, judgement.as_ref());
    }
    match &scan {
        Some(scan) => report.set_scan(scan),
        None if report.verdict.is_some() => {
            report.segments_unavailable =
                Some("Rekognition no longer keeps the job's results".to_owned());
        }
        None => {}
    }
    report.analyses = record.analyses.iter().map(analysis).collect();
    report.attempts = record.lease_count;
    report.timings = timings(record);
    Ok(report)
}

/// The current scan, which is of no use after the report: as read in this invocation, else read again.
async fn take_scan(work: &mut Work<'_>) -> Result<Option<Scan>, StepError> {
    if let Some(scan) = work.scan.take() {
        return Ok(Some(scan));
    }
    let record = work.record();
    let judged_by_policy = record
        .judged
        .as_ref()
        .is_some_and(|judged| judged.policy_hash.is_some());
    match (record.analysis(), record.job_id()) {
        (Some(analysis), Some(job_id)) if judged_by_policy => {
            read_scan(work.gate, job_id, analysis.min_confidence_percent).await
        }
        _ => Ok(None),
    }
}

/// What a rejection rests on, under the policy that decided; None if that is no longer the operator's: then the verdict
/// stands as the record says, and its cause names the labels.
async fn rejection(work: &Work<'_>, scan: &Scan) -> Result<Option<Judgement>, StepError> {
    let Some(judged) = &work.record().judged else {
        return Ok(None);
    };
    if judged.outcome != ledger::Outcome::Rejected {
        return Ok(None);
    }
    match work.gate.policy().await {
        Ok(policy) if judged.policy_hash.as_deref() == Some(policy.hash()) => {
            Ok(Some(policy.judge(scan)))
        }
        Ok(_) | Err(StepError::Policy(_) | StepError::PolicyMissing) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The verdict and its rule, as the record has them fixed; findings only from a judgement under the same policy.
fn set_verdict(report: &mut Report, judged: &Judged, judgement: Option<&Judgement>) {
    let Some(hash) = &judged.policy_hash else {
        return;
    };
    if let Some(judgement) = judgement {
        report.set_judgement(judgement, hash);
        return;
    }
    report.policy_hash = Some(hash.clone());
    report.verdict = match judged.outcome {
        ledger::Outcome::Approved => Some(Verdict::Approve),
        ledger::Outcome::Rejected => Some(Verdict::Reject),
        ledger::Outcome::Unsupported | ledger::Outcome::Failed(_) => None,
    };
    report.rule = report.verdict.map(|_| judged.cause.clone());
}

/// Whether the execution ended with the answer that the verdict gives, and not in spite of it or without one.
fn is_answer(record: &Record, described: &Described) -> bool {
    let Some(judged) = &record.judged else {
        return false;
    };
    match judged.outcome.error_name() {
        None => described.status == ExecutionStatus::Succeeded,
        Some(name) => {
            described.status == ExecutionStatus::Failed
                && described.error.as_deref() == Some(name.as_str())
        }
    }
}

/// `end` is how the execution ended otherwise than with an answer to its task.
fn outcome(record: &Record, end: Option<&Described>) -> Outcome {
    match record.judged.as_ref().map(|judged| judged.outcome) {
        // What is in the approved bucket was approved, whatever became of the execution.
        Some(ledger::Outcome::Approved) if end.is_none() || record.is_published() => {
            Outcome::Approved
        }
        Some(ledger::Outcome::Rejected) if end.is_none() => Outcome::Rejected,
        Some(ledger::Outcome::Unsupported) if end.is_none() => Outcome::Unsupported,
        _ => Outcome::Failed,
    }
}

fn error_name(record: &Record) -> Option<ErrorName> {
    record.judged.as_ref()?.outcome.error_name()
}

fn cause(judged: Option<&Judged>, end: Option<&Described>) -> Option<String> {
    let judged = judged.map(|judged| judged.cause.as_str());
    let Some(end) = end else {
        return judged.map(str::to_owned);
    };
    let mut cause = format!("the execution ended {}", end.status.as_str());
    for (before, said) in [
        (", error ", end.error.as_deref()),
        (": ", end.cause.as_deref()),
        ("; judged before that: ", judged),
    ] {
        if let Some(said) = said {
            cause.push_str(before);
            cause.push_str(said);
        }
    }
    Some(cause)
}

/// Every analysis, in order: a record knows those of the drives since it was created, and the report others. Mostly earlier ones; but a
/// record may come to be late, from a worker that was held up, for a drive that was reported, and then knows nothing of its job.
fn with_earlier(earlier: Vec<Analysis>, current: &[ledger::Analysis]) -> Vec<Analysis> {
    let place = |of: &Analysis| (of.redrive_count, of.number);
    let mut analyses: Vec<Analysis> = current.iter().map(analysis).collect();
    for known in earlier {
        match analyses.iter_mut().find(|own| place(own) == place(&known)) {
            Some(own) if own.job_id.is_some() => {}
            Some(own) => *own = known,
            None => analyses.push(known),
        }
    }
    analyses.sort_by_key(place);
    analyses
}

fn analysis(analysis: &ledger::Analysis) -> Analysis {
    Analysis {
        number: analysis.number,
        redrive_count: analysis.redrive_count,
        job_id: analysis.job_id.clone(),
        reason: analysis.reason,
        started_at: analysis.started_ms.map(Timestamp::from_ms),
        ended_at: analysis.ended_ms.map(Timestamp::from_ms),
        status_message: analysis.status_message.clone(),
    }
}

fn timings(record: &Record) -> Timings {
    let times = &record.times;
    let at = |ms: Option<i64>| ms.map(Timestamp::from_ms);
    Timings {
        uploaded_at: at(times.uploaded_ms),
        taken_at: at(Some(times.created_ms)),
        judged_at: at(times.judged_ms),
        // The approved bucket may be as it should without a copy of this version: a newer one was there.
        published_at: at(times.published_ms.filter(|_| record.is_published())),
        sent_at: at(times.sent_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Unknown;
    use crate::report::AnalysisReason;

    fn scan(redrive_count: u32, number: u32, job_id: Option<&str>) -> ledger::Analysis {
        ledger::Analysis {
            number,
            redrive_count,
            reason: AnalysisReason::First,
            min_confidence_percent: 50.0,
            results_topic_arn: String::new(),
            results_role_arn: String::new(),
            counted: None,
            job_id: job_id.map(str::to_owned),
            started_ms: None,
            ended_ms: None,
            status_message: None,
            unknown: Unknown::new(),
        }
    }

    #[test]
    fn scans_are_in_order_and_none_is_forgotten_whichever_record_came_first() {
        let reported = [scan(0, 1, Some("a")), scan(1, 1, Some("b"))];
        let reported = reported.iter().map(analysis).collect();
        let late = [scan(0, 1, None), scan(0, 2, None), scan(2, 1, Some("c"))];
        let all = with_earlier(reported, &late);
        let places: Vec<_> = all
            .iter()
            .map(|one| (one.redrive_count, one.number, one.job_id.as_deref()))
            .collect();
        assert_eq!(
            places,
            [
                (0, 1, Some("a")),
                (0, 2, None),
                (1, 1, Some("b")),
                (2, 1, Some("c"))
            ]
        );
    }
}
