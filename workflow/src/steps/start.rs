//! Phase `queued`: a look at the task, slot, pre-flight, the day's minutes, bind, StartContentModeration.

use aws_sdk_rekognition::config::retry::RetryConfig;
use aws_sdk_rekognition::types::{NotificationChannel, S3Object, Video};

use super::budget;
use super::heartbeat::is_awaited;
use super::only_throttles::OnlyThrottles;
use super::preflight::{self, Inspected, Inspection};
use super::work::Work;
use crate::errors::{CallError, Disposition, Operation, Rescan};
use crate::gate::StepError;
use crate::ledger::{Analysis, Binding, Outcome, Phase, Unknown, free_numbers};
use crate::names;
use crate::report::AnalysisReason;

/// Rekognition could not read the object (API reference, StartContentModeration).
const UNREADABLE: &str = "InvalidS3ObjectException";

/// Tries of a start that is throttled, after up to 1, 2, 4 and 8 s: jobs that end together are followed by starts that come together, and
/// the service takes a few a second. One that is throttled still waits a minute for the next tick.
const TRIES_MAX: u32 = 5;

/// What became of a queued record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Started {
    /// The job runs.
    Running,
    /// No slot, no minutes left of the day, no task that waits, or the service is at a limit: no attempt, the record goes first next time.
    Waiting,
    /// Something changed without a job: a verdict on the file, another analysis, the task.
    Advanced,
}

pub(crate) async fn start(work: &mut Work<'_>) -> Result<Started, StepError> {
    if let Some(started) = leave_what_nobody_awaits(work).await? {
        return Ok(started);
    }
    if work.record().slot.is_none() && !claim(work).await? {
        return Ok(Started::Waiting);
    }
    if work.record().media.is_none() {
        let Inspection { found, uploaded_ms } = preflight::inspect(work).await?;
        match found {
            Inspected::Acceptable(media) => {
                work.write(&mut |record| {
                    record.media = Some(media.clone());
                    record.times.uploaded_ms = uploaded_ms;
                })
                .await?;
            }
            Inspected::Unsupported(cause) => {
                work.write(&mut |record| record.times.uploaded_ms = uploaded_ms)
                    .await?;
                fix_unsupported(work, &cause).await?;
                return Ok(Started::Advanced);
            }
        }
    }
    let Some(claim) = work.record().slot.clone() else {
        return Ok(Started::Waiting);
    };
    if !budget::count(work, &claim).await? {
        work.give_slot_back().await?;
        return Ok(Started::Waiting);
    }
    let execution = work.record().execution.clone();
    let binding = work.gate.ledger.bind_slot(&claim, &execution).await?;
    if binding == Binding::Gone {
        // Taken for stale and given to another: nothing was started with it.
        work.write(&mut |record| record.slot = None).await?;
        return Ok(Started::Waiting);
    }
    send(work, binding == Binding::New).await
}

/// Nothing is begun for a task that is over. Its execution may have been stopped while it waited; or its record came to be late, from a
/// worker that had been held up since its poll, after a redrive was settled and that record dropped: then the scan would be of what is
/// published. Any later task attaches to this record, so a token that is alive now is enough. With a bound slot a start may have been sent
/// before, and its job is still to be learned of.
async fn leave_what_nobody_awaits(work: &mut Work<'_>) -> Result<Option<Started>, StepError> {
    if let Some(held) = work.record().token.clone() {
        if is_awaited(work.gate, &held.secret).await? {
            return Ok(None);
        }
        work.write(&mut |record| {
            record.detach(&held.secret);
        })
        .await?;
        if work.record().token.is_some() {
            return Ok(Some(Started::Advanced));
        }
    }
    if job_may_have_started(work).await? {
        return Ok(None);
    }
    work.give_slot_back().await?;
    Ok(Some(Started::Waiting))
}

/// Whether a start may have been sent: its slot is bound before.
pub(crate) async fn job_may_have_started(work: &Work<'_>) -> Result<bool, StepError> {
    match &work.record().slot {
        Some(claim) => Ok(work.gate.ledger.is_slot_bound(claim).await?),
        None => Ok(false),
    }
}

/// Claims a slot and names it in the record, before it is bound.
async fn claim(work: &mut Work<'_>) -> Result<bool, StepError> {
    let gate = work.gate;
    let mut free = free_numbers(&gate.ledger.held_slots().await?, gate.config.max_jobs);
    let stale_ms = work.deadline.at_ms + gate.config.lease_margin_ms;
    let Some(claim) = gate.ledger.claim_slot(&mut free, stale_ms).await? else {
        return Ok(false);
    };
    let named = work
        .write(&mut |record| record.slot = Some(claim.clone()))
        .await;
    if let Err(error @ StepError::LeaseLost { .. }) = named {
        gate.ledger.release_slot(&claim).await?;
        return Err(error);
    }
    named.map(|()| true)
}

/// Sends the start. `first` says that none was sent with this slot before: only then does a refusal say that no job is open.
async fn send(work: &mut Work<'_>, first: bool) -> Result<Started, StepError> {
    let Some(analysis) = work.record().analysis().cloned() else {
        return Ok(Started::Waiting);
    };
    // A refusal after a try without an answer would look like the answer to both, and the slot of a job that is open be given back.
    let retries = aws_sdk_rekognition::Config::builder()
        .retry_config(RetryConfig::standard().with_max_attempts(TRIES_MAX))
        .retry_classifier(OnlyThrottles);
    let answer = request(work, &analysis)
        .customize()
        .config_override(retries)
        .send()
        .await;
    let error = match answer {
        Ok(output) => {
            let job_id = output.job_id.ok_or(StepError::Incomplete {
                operation: Operation::StartContentModeration,
                field: "JobId",
            })?;
            return running(work, job_id).await;
        }
        Err(error) => CallError::new(Operation::StartContentModeration, &error),
    };
    match error.disposition {
        Disposition::Throttled => {
            metrics::counter!("Throttles").increment(1);
            if first {
                work.give_slot_back().await?;
            }
            Ok(Started::Waiting)
        }
        Disposition::Unsupported => {
            fix_unsupported(
                work,
                &format!("Rekognition cannot take the video: {}", error.message),
            )
            .await?;
            Ok(Started::Advanced)
        }
        Disposition::NewAnalysis(Rescan::ParameterMismatch) => {
            // A start was sent with this token and other parameters: no job of ours can be had under it.
            rescan(work, AnalysisReason::ParameterMismatch, &error.to_string()).await?;
            Ok(Started::Advanced)
        }
        // A definite refusal: no job was started, so the slot need not wait for one. Of permissions only before anything was sent;
        // but a file that cannot be read is looked at after the request token, by which a job of an earlier try is found
        // (derived: a repeated start "returns the same JobId", Rekognition developer guide, "Calling Amazon Rekognition Video").
        Disposition::Denied if first || error.code.as_deref() == Some(UNREADABLE) => {
            work.give_slot_back().await?;
            // Rekognition does not say what it could not read: the next try looks itself, since the version may be gone by now.
            work.write(&mut |record| record.media = None).await?;
            Err(error.into())
        }
        // No definite answer: a job may be open, so the slot is kept until the same start, repeated, answers.
        _ => Err(error.into()),
    }
}

fn request(
    work: &Work<'_>,
    analysis: &Analysis,
) -> aws_sdk_rekognition::operation::start_content_moderation::builders::StartContentModerationFluentBuilder{
    let (record, config) = (work.record(), &work.gate.config);
    let object = S3Object::builder()
        .bucket(&record.video.bucket)
        .name(&record.video.key)
        .version(&record.video.version_id)
        .build();
    let token = names::client_request_token(
        &config.stack_name,
        &record.execution,
        analysis.redrive_count,
        analysis.number,
    );
    let channel = NotificationChannel::builder()
        .sns_topic_arn(&analysis.results_topic_arn)
        .role_arn(&analysis.results_role_arn)
        .build();
    work.gate
        .rekognition
        .start_content_moderation()
        .video(Video::builder().s3_object(object).build())
        .min_confidence(analysis.min_confidence_percent)
        .client_request_token(token)
        .job_tag(&record.execution)
        .set_notification_channel(channel.ok())
}

async fn running(work: &mut Work<'_>, job_id: String) -> Result<Started, StepError> {
    let now_ms = work.gate.now_ms();
    work.write(&mut |record| {
        record.phase = Phase::Running;
        record.attempts = 0;
        record.last_error = None;
        if let Some(analysis) = record.analysis_mut() {
            analysis.job_id = Some(job_id.clone());
            analysis.started_ms = Some(now_ms);
        }
    })
    .await?;
    metrics::counter!("VideoMinutes").increment(u64::from(budget::minutes(work.record())));
    tracing::info!(
        execution_arn = work.record().execution_arn,
        job_id,
        "moderation started"
    );
    Ok(Started::Running)
}

/// The file is not what Rekognition moderates: no job, and the verdict says why.
async fn fix_unsupported(work: &mut Work<'_>, cause: &str) -> Result<(), StepError> {
    work.give_slot_back().await?;
    let now_ms = work.gate.now_ms();
    work.write(&mut |record| record.judge(Outcome::Unsupported, cause.to_owned(), None, now_ms))
        .await
}

/// Asks for another scan, or fixes the failure when there were as many as the operator allows. The slot of the scan before is
/// given back: bound as it is, it would say that the new scan's start may have been sent.
pub(crate) async fn rescan(
    work: &mut Work<'_>,
    reason: AnalysisReason,
    why: &str,
) -> Result<(), StepError> {
    work.give_slot_back().await?;
    let max_analyses = work.gate.config.max_analyses;
    let number = u32::try_from(work.record().analyses_in_drive()).unwrap_or(u32::MAX);
    if number >= max_analyses {
        let now_ms = work.gate.now_ms();
        let cause = format!("{why} (scan {number} of at most {max_analyses})");
        let outcome = Outcome::Failed(crate::contract::ErrorName::ModerationFailed);
        return work
            .write(&mut |record| record.judge(outcome, cause.clone(), None, now_ms))
            .await;
    }
    let min_confidence_percent = work.gate.policy().await?.min_confidence_percent();
    let redrive_count = work.record().redrive_count;
    let analysis = Analysis {
        number: number + 1,
        reason,
        ..frozen(work.gate, redrive_count, min_confidence_percent)
    };
    work.write(&mut |record| record.queue(analysis.clone()))
        .await
}

/// The first scan of a drive, with its parameters frozen as they are now.
pub(crate) fn frozen(
    gate: &crate::gate::Gate,
    redrive_count: u32,
    min_confidence_percent: f32,
) -> Analysis {
    Analysis {
        number: 1,
        redrive_count,
        reason: if redrive_count == 0 {
            AnalysisReason::First
        } else {
            AnalysisReason::Redrive
        },
        min_confidence_percent,
        results_topic_arn: gate.config.results_topic_arn.clone(),
        results_role_arn: gate.config.results_role_arn.clone(),
        counted: None,
        job_id: None,
        started_ms: None,
        ended_ms: None,
        status_message: None,
        unknown: Unknown::new(),
    }
}
