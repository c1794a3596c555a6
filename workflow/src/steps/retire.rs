//! The end of a record: its execution is closed, its job has ended, and no copy of it can land any more.

use super::carry_out;
use super::look::{JobState, job_state};
use super::publish;
use super::report;
use super::start::{self, Started};
use super::work::Work;
use crate::clock::Deadline;
use crate::errors::{CallError, Disposition, Operation};
use crate::gate::{Described, Gate, StepError};
use crate::ledger::{Outcome, Phase, Record, Stored, Swap};

/// No job lasts a day (Rekognition takes videos of at most six hours): a start that was never answered holds its slot no longer.
const JOB_MS_MAX: i64 = 86_400_000;

/// How long after a verdict a request of the drive before may land that tags the version.
const LATE_TAG_MS: i64 = 60_000;

/// Where operational ends are announced.
#[derive(Debug, Clone)]
pub struct Announcer {
    /// Client of the topic's region.
    pub sns: aws_sdk_sns::Client,
    /// The `decisions` topic.
    pub topic_arn: String,
}

/// Does what is left for a closed execution, and drops its record. False if something is still open.
pub(crate) async fn retire(
    gate: &Gate,
    announcer: &Announcer,
    deadline: Deadline,
    stored: Stored<Record>,
    described: &Described,
) -> Result<bool, StepError> {
    let plain = is_plain(&stored.value);
    if replaces_tag(&stored.value) {
        let judged_ms = stored.value.times.judged_ms.unwrap_or_default();
        if gate.now_ms() < judged_ms + LATE_TAG_MS {
            return Ok(false);
        }
    } else if plain {
        return Ok(matches!(
            gate.ledger.delete(&stored.key, &stored.etag).await?,
            Swap::Done(())
        ));
    }
    let Some(mut work) = Work::take(gate, deadline, stored).await? else {
        return Ok(false);
    };
    let closed = if plain {
        tag_again(&work).await.map(|()| true)
    } else {
        close(&mut work, announcer, described).await
    };
    match closed {
        Ok(true) if !is_redriven(work.record(), described) => work.delete().await,
        Ok(_) => {
            work.finish(&mut |record| record.attempts = record.attempts.saturating_sub(1))
                .await?;
            Ok(false)
        }
        Err(error @ StepError::LeaseLost { .. }) => Err(error),
        Err(error) => {
            work.fail(&error).await?;
            Err(error)
        }
    }
}

/// Whether the task of a later drive has attached meanwhile: the execution runs again, and the record is that drive's now.
fn is_redriven(record: &Record, described: &Described) -> bool {
    record
        .token
        .as_ref()
        .is_some_and(|token| token.rank.redrive_count > described.redrive_count)
}

/// Tags the version once more if it may carry another verdict. What passes is tried again, as long as there are tries.
async fn tag_again(work: &Work<'_>) -> Result<(), StepError> {
    let record = work.record();
    if !replaces_tag(record) {
        return Ok(());
    }
    let Err(error) = carry_out::tag_raw(work, "approved").await else {
        return Ok(());
    };
    let passes = matches!(
        error.disposition,
        Disposition::Unknown | Disposition::Throttled
    );
    if passes && record.attempts < work.gate.config.max_attempts {
        return Err(error.into());
    }
    let object_key = &record.video.key;
    tracing::warn!(object_key, %error, "raw version not tagged");
    Ok(())
}

/// Whether a drive before may have tagged the version with another verdict: tagging it with this one may have failed, or have been
/// overtaken by a request of that drive.
fn replaces_tag(record: &Record) -> bool {
    let approved = matches!(&record.judged, Some(judged) if judged.outcome == Outcome::Approved);
    record.redrive_count > 0 && approved
}

/// The usual end: the task was answered and reported, and nothing is left to do but to forget the record.
fn is_plain(record: &Record) -> bool {
    let operational =
        matches!(&record.judged, Some(judged) if matches!(judged.outcome, Outcome::Failed(_)));
    record.phase == Phase::Sent
        && record.token.is_none()
        && record.slot.is_none()
        && record.lease.is_none()
        && record.copying.pending_ms.is_none()
        && record.copying.unanswered_ms.is_none()
        && !operational
}

async fn close(
    work: &mut Work<'_>,
    announcer: &Announcer,
    described: &Described,
) -> Result<bool, StepError> {
    // What was described is over: before this lease was taken, somebody worked for a redrive, whose end is another.
    if work.record().redrive_count > described.redrive_count {
        return Ok(false);
    }
    if !job_has_ended(work).await? {
        return Ok(false);
    }
    // A noted copy counts as published: it is finished whatever became of the execution, and once more after the last moment at which
    // a copy that was never answered may land, be it of this version or of the head's.
    if work.record().is_published() || work.record().copying.unanswered_ms.is_some() {
        if !no_copy_can_land(work) {
            return Ok(false);
        }
        publish::finish(work).await?;
        if work.record().copying.pending_ms.is_some() && !no_copy_can_land(work) {
            return Ok(false);
        }
    }
    report::write(work, Some(described)).await?;
    if report::is_operational(described) && !work.record().announced {
        announce(announcer, work.record(), described).await?;
        if work.record().is_published() {
            metrics::counter!("StopsTooLate").increment(1);
        }
        work.write(&mut |record| record.announced = true).await?;
    }
    tag_again(work).await?;
    Ok(true)
}

/// Whether the last copy without an answer was sent so long ago that it landed or never will.
fn no_copy_can_land(work: &Work<'_>) -> bool {
    let copying = &work.record().copying;
    let gate = work.gate;
    copying
        .unanswered_ms
        .is_none_or(|sent_ms| sent_ms + gate.config.late_copy_ms <= gate.now_ms())
}

/// Gives the slot back once the job is known to have ended; repeats a start that was never answered, to learn of its job.
async fn job_has_ended(work: &mut Work<'_>) -> Result<bool, StepError> {
    let record = work.record();
    if record.slot.is_none() {
        return Ok(true);
    }
    if let Some(job_id) = record.job_id() {
        let open = matches!(job_state(work.gate, job_id).await?, JobState::Open);
        if !open {
            work.give_slot_back().await?;
        }
        return Ok(!open);
    }
    let started_long_ago = record.times.created_ms + JOB_MS_MAX < work.gate.now_ms();
    if started_long_ago || !start::job_may_have_started(work).await? {
        work.give_slot_back().await?;
        return Ok(true);
    }
    // Whatever phase the record was left in, the start's answer makes it `running`, and the job is waited for.
    Ok(start::start(work).await? == Started::Waiting && work.record().slot.is_none())
}

async fn announce(
    announcer: &Announcer,
    record: &Record,
    described: &Described,
) -> Result<(), CallError> {
    let message = serde_json::json!({
        "verdict": "Failed",
        "executionArn": record.execution_arn,
        "status": described.status.as_str(),
        "error": described.error,
        "cause": described.cause,
        "bucket": record.video.bucket,
        "key": record.video.key,
        "versionId": record.video.version_id,
    });
    let verdict = aws_sdk_sns::types::MessageAttributeValue::builder()
        .data_type("String")
        .string_value("Failed")
        .build()
        .map_err(|error| CallError {
            operation: Operation::Publish,
            disposition: Disposition::Unknown,
            code: None,
            message: error.to_string(),
        })?;
    announcer
        .sns
        .publish()
        .topic_arn(&announcer.topic_arn)
        .message(message.to_string())
        .message_attributes("verdict", verdict)
        .send()
        .await
        .map_err(|error| CallError::new(Operation::Publish, &error))?;
    metrics::counter!("FailedExecutions").increment(1);
    Ok(())
}
