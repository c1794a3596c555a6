//! Phase `running`: look at the job, and judge what it found.

use aws_sdk_rekognition::operation::get_content_moderation::GetContentModerationOutput;
use aws_sdk_rekognition::types::{
    ContentModerationAggregateBy, ContentModerationDetection, ContentModerationSortBy,
    ModerationLabel, VideoJobStatus,
};

use super::budget;
use super::start::rescan;
use super::work::Work;
use crate::errors::{CallError, Disposition, Operation, Rescan};
use crate::gate::{Gate, StepError};
use crate::ledger::{Outcome, Phase};
use crate::policy::Verdict;
use crate::report::AnalysisReason;
use crate::scan::{Detection, Scan};

/// Most rows that one page holds (Rekognition API reference, GetContentModeration).
const PAGE_ROWS: i32 = 1000;

/// How often expired page tokens may send one back to the first page.
const RESTARTS_MAX: u32 = 3;

/// What became of a running record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looked {
    /// The job is still open.
    Open,
    /// The job has ended and the phase changed.
    Advanced,
}

/// Whether a job is known to have ended.
#[derive(Debug)]
pub(crate) enum JobState {
    /// It still runs.
    Open,
    /// It failed, in Rekognition's words.
    Failed(String),
    /// It succeeded: the first page of its results.
    Succeeded(Box<GetContentModerationOutput>),
    /// It is not known (any more): its results were kept for seven days.
    Expired,
}

pub(crate) async fn look(work: &mut Work<'_>) -> Result<Looked, StepError> {
    let Some(job_id) = work.record().job_id().map(str::to_owned) else {
        return Err(StepError::Incomplete {
            operation: Operation::StartContentModeration,
            field: "JobId",
        });
    };
    let state = job_state(work.gate, &job_id).await?;
    if work.record().judged.is_some() && !matches!(state, JobState::Open) {
        // The task was given up while its start had no answer. That verdict stands: the job's end frees the slot, and no more.
        work.give_slot_back().await?;
        work.write(&mut |record| record.phase = Phase::Judged)
            .await?;
        return Ok(Looked::Advanced);
    }
    let now_ms = work.gate.now_ms();
    match state {
        JobState::Open => Ok(Looked::Open),
        JobState::Failed(message) => {
            work.write(&mut |record| {
                if let Some(analysis) = record.analysis_mut() {
                    analysis.ended_ms = Some(now_ms);
                    analysis.status_message = Some(message.clone());
                }
            })
            .await?;
            rescan(
                work,
                AnalysisReason::JobFailed,
                &format!("Rekognition failed on the video: {message}"),
            )
            .await?;
            Ok(Looked::Advanced)
        }
        JobState::Expired => {
            rescan(
                work,
                AnalysisReason::ResultsExpired,
                "the job's results are no longer kept",
            )
            .await?;
            Ok(Looked::Advanced)
        }
        JobState::Succeeded(first) => {
            let Some(scan) = read_pages(work.gate, &job_id, *first, min_confidence(work)).await?
            else {
                return expired_between_pages(work).await;
            };
            budget::correct(work, scan.duration_ms).await?;
            work.scan = Some(scan);
            work.give_slot_back().await?;
            judge(work).await?;
            Ok(Looked::Advanced)
        }
    }
}

async fn expired_between_pages(work: &mut Work<'_>) -> Result<Looked, StepError> {
    rescan(
        work,
        AnalysisReason::ResultsExpired,
        "the job's results expired while they were read",
    )
    .await?;
    Ok(Looked::Advanced)
}

fn min_confidence(work: &Work<'_>) -> f32 {
    work.record()
        .analysis()
        .map_or(0.0, |analysis| analysis.min_confidence_percent)
}

/// Applies the operator's policy of this moment, and fixes its verdict in the record before any effect.
async fn judge(work: &mut Work<'_>) -> Result<(), StepError> {
    let Some(scan) = &work.scan else {
        return Ok(());
    };
    let policy = work.gate.policy().await?;
    if policy.is_stricter_than(scan) {
        let why = "the policy became stricter than the scan";
        work.scan = None;
        return rescan(work, AnalysisReason::PolicyStricter, why).await;
    }
    let judgement = policy.judge(scan);
    let outcome = match judgement.verdict {
        Verdict::Approve => Outcome::Approved,
        Verdict::Reject => Outcome::Rejected,
    };
    let cause = judgement.cause();
    let now_ms = work.gate.now_ms();
    let hash = policy.hash().to_owned();
    work.write(&mut |record| {
        if let Some(analysis) = record.analysis_mut() {
            analysis.ended_ms = Some(now_ms);
        }
        record.judge(outcome, cause.clone(), Some(hash.clone()), now_ms);
    })
    .await?;
    let record = work.record();
    tracing::info!(execution_arn = record.execution_arn, verdict = ?outcome, policy_hash = hash, "judged");
    Ok(())
}

/// What a job finds, read again for a report whose writer did not read it before; None if it is no longer kept.
pub(crate) async fn read_scan(
    gate: &Gate,
    job_id: &str,
    min_confidence_percent: f32,
) -> Result<Option<Scan>, StepError> {
    match job_state(gate, job_id).await? {
        JobState::Succeeded(first) => {
            read_pages(gate, job_id, *first, min_confidence_percent).await
        }
        JobState::Open | JobState::Failed(_) | JobState::Expired => Ok(None),
    }
}

/// Asks for a job's status and the first page of its results.
pub(crate) async fn job_state(gate: &Gate, job_id: &str) -> Result<JobState, StepError> {
    let output = match page(gate, job_id, None).await {
        Ok(output) => output,
        Err(error) if error.disposition == Disposition::NewAnalysis(Rescan::ResultsExpired) => {
            return Ok(JobState::Expired);
        }
        Err(error) => return Err(error.into()),
    };
    match &output.job_status {
        Some(VideoJobStatus::Succeeded) => Ok(JobState::Succeeded(Box::new(output))),
        Some(VideoJobStatus::Failed) => {
            Ok(JobState::Failed(output.status_message.unwrap_or_default()))
        }
        // An unknown status is not an end.
        Some(_) => Ok(JobState::Open),
        None => Err(StepError::Incomplete {
            operation: Operation::GetContentModeration,
            field: "JobStatus",
        }),
    }
}

async fn page(
    gate: &Gate,
    job_id: &str,
    token: Option<String>,
) -> Result<GetContentModerationOutput, CallError> {
    gate.rekognition
        .get_content_moderation()
        .job_id(job_id)
        .max_results(PAGE_ROWS)
        .sort_by(ContentModerationSortBy::Timestamp)
        .aggregate_by(ContentModerationAggregateBy::Segments)
        .set_next_token(token)
        .send()
        .await
        .map_err(|error| CallError::new(Operation::GetContentModeration, &error))
}

/// Reads all pages, starting over when a page token expired. None if the results expired on the way.
async fn read_pages(
    gate: &Gate,
    job_id: &str,
    first: GetContentModerationOutput,
    min_confidence_percent: f32,
) -> Result<Option<Scan>, StepError> {
    let mut restarts = 0;
    let mut output = first;
    let mut scan = new_scan(&output, min_confidence_percent);
    loop {
        for row in output.moderation_labels.take().unwrap_or_default() {
            push_row(&mut scan, &row);
        }
        let Some(token) = output.next_token.take() else {
            return Ok(Some(scan));
        };
        output = match page(gate, job_id, Some(token)).await {
            Ok(output) => output,
            Err(error) => match error.disposition {
                Disposition::RestartPages if restarts < RESTARTS_MAX => {
                    restarts += 1;
                    match job_state(gate, job_id).await? {
                        JobState::Succeeded(first) => {
                            scan = new_scan(&first, min_confidence_percent);
                            *first
                        }
                        _ => return Ok(None),
                    }
                }
                Disposition::NewAnalysis(Rescan::ResultsExpired) => return Ok(None),
                _ => return Err(error.into()),
            },
        };
    }
}

fn new_scan(first: &GetContentModerationOutput, min_confidence_percent: f32) -> Scan {
    let duration = first
        .video_metadata
        .as_ref()
        .and_then(|metadata| metadata.duration_millis);
    Scan::new(
        first.moderation_model_version.clone().unwrap_or_default(),
        min_confidence_percent,
        duration.and_then(|ms| u64::try_from(ms).ok()),
    )
}

/// Adds one row of a page. What Rekognition leaves out is read so that the video is rejected rather than approved.
fn push_row(scan: &mut Scan, row: &ContentModerationDetection) {
    let label = row.moderation_label();
    let start_ms = row.start_timestamp_millis().unwrap_or(row.timestamp());
    let content_types: Vec<(&str, f32)> = row
        .content_types()
        .iter()
        .filter_map(|kind| Some((kind.name()?, kind.confidence()?)))
        .collect();
    scan.push(Detection {
        name: label.and_then(ModerationLabel::name).unwrap_or_default(),
        parent_name: label
            .and_then(ModerationLabel::parent_name)
            .unwrap_or_default(),
        taxonomy_level: label.and_then(ModerationLabel::taxonomy_level),
        confidence_percent: label.and_then(ModerationLabel::confidence),
        start_ms,
        end_ms: row.end_timestamp_millis().unwrap_or(start_ms),
        content_types: &content_types,
    });
}
