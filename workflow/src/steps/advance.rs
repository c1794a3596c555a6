//! What a record's phase asks for, done under its lease until nothing more can be done now.

use futures::future::BoxFuture;

use super::begin::judge_published;
use super::carry_out::{self, CarriedOut};
use super::look::{self, Looked};
use super::report::says_published;
use super::start::{self, Started, frozen};
use super::work::Work;
use crate::clock::Deadline;
use crate::contract::ErrorName;
use crate::errors::Disposition;
use crate::gate::{Gate, StepError};
use crate::ledger::{Outcome, Phase, Record, Stored};

/// An invocation that has less time left than this starts nothing new.
const LEFT_MS_MIN: i64 = 500;

/// How far a record came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Somebody else works on it, or it is gone.
    Busy,
    /// No slot is free, or the service is at a limit.
    Waiting,
    /// Its job runs.
    Open,
    /// Its task was answered, or waits for a token.
    Settled,
    /// Time ran out between two phases.
    Interrupted,
}

/// Takes the lease and does what the phase asks for.
///
/// Boxed: the phases' state is large, and every caller's future would hold it.
pub(crate) fn advance(
    gate: &Gate,
    deadline: Deadline,
    stored: Stored<Record>,
) -> BoxFuture<'_, Result<Progress, StepError>> {
    Box::pin(async move {
        match Work::take(gate, deadline, stored).await? {
            Some(work) => work_on(work).await,
            None => Ok(Progress::Busy),
        }
    })
}

/// As [`advance`], with the lease already held.
pub(crate) fn advance_held(work: Work<'_>) -> BoxFuture<'_, Result<Progress, StepError>> {
    Box::pin(work_on(work))
}

async fn work_on(mut work: Work<'_>) -> Result<Progress, StepError> {
    match phases(&mut work).await {
        Ok(progress) => {
            // Neither waiting nor a job that still runs was a try of anything.
            let idle = matches!(progress, Progress::Waiting | Progress::Open);
            work.finish(&mut |record| {
                if idle {
                    record.attempts = record.attempts.saturating_sub(1);
                }
            })
            .await?;
            Ok(progress)
        }
        // The new holder goes on.
        Err(error @ StepError::LeaseLost { .. }) => Err(error),
        Err(error) => {
            if error
                .call()
                .is_some_and(|call| call.disposition == Disposition::Throttled)
            {
                metrics::counter!("Throttles").increment(1);
            }
            work.fail(&error).await?;
            Err(error)
        }
    }
}

async fn phases(work: &mut Work<'_>) -> Result<Progress, StepError> {
    loop {
        take_up_redrive(work).await?;
        give_up_after_too_many(work).await?;
        if work.left_ms() < LEFT_MS_MIN {
            return Ok(Progress::Interrupted);
        }
        match work.record().phase {
            Phase::Queued => {
                if let Some(progress) = start(work).await? {
                    return Ok(progress);
                }
            }
            Phase::Judged | Phase::Sent if keeps_slot_from_next_task(work.record()) => {
                if let Some(progress) = start(work).await? {
                    return Ok(progress);
                }
            }
            Phase::Running => match look::look(work).await? {
                Looked::Open => return Ok(Progress::Open),
                Looked::Advanced => {}
            },
            Phase::Judged => match carry_out::carry_out(work).await? {
                CarriedOut::Settled => return Ok(Progress::Settled),
                CarriedOut::Changed => {}
            },
            // A token that came after the task was answered: another try of the state waits, and gets the same answer.
            Phase::Sent if work.record().token.is_some() => {
                work.write(&mut |record| record.phase = Phase::Judged)
                    .await?;
            }
            Phase::Sent => return Ok(Progress::Settled),
        }
    }
}

/// Starts the job, or repeats its start. None if there is more to do at once.
async fn start(work: &mut Work<'_>) -> Result<Option<Progress>, StepError> {
    Ok(match start::start(work).await? {
        // A completion message came before the job's id was recorded: look now, no other message will come.
        Started::Running if work.record().notified => None,
        Started::Running => Some(Progress::Open),
        Started::Waiting => Some(Progress::Waiting),
        Started::Advanced => None,
    })
}

/// A task was given up while its start had no answer. The next one, of a retry if the task was over before it could be told, else of a
/// redrive, is polled for with a free slot. So that start is repeated until its answer frees this one; the verdict stands.
fn keeps_slot_from_next_task(record: &Record) -> bool {
    matches!(record.phase, Phase::Judged | Phase::Sent)
        && record.token.is_none()
        && record.slot.is_some()
}

/// A token of a later drive has attached: decides, under the lease, what that drive takes over from the one before.
async fn take_up_redrive(work: &mut Work<'_>) -> Result<(), StepError> {
    let record = work.record();
    let Some(redrive_count) = record.token.as_ref().map(|token| token.rank.redrive_count) else {
        return Ok(());
    };
    if redrive_count <= record.redrive_count {
        return Ok(());
    }
    if record.is_published() {
        // Published is published: the verdict's effects run again from their start, and the task succeeds.
        return work
            .write(&mut |record| {
                record.begin_drive(redrive_count);
                record.phase = Phase::Judged;
            })
            .await;
    }
    if record.phase == Phase::Running || start::job_may_have_started(work).await? {
        // A job may be open: its result is taken, or the same start repeated until it answers.
        return work
            .write(&mut |record| {
                record.begin_drive(redrive_count);
                record.judged = None;
                record.phase = if record.job_id().is_some() {
                    Phase::Running
                } else {
                    Phase::Queued
                };
            })
            .await;
    }
    // This record may have come to be after another one published, and was dropped: by a worker that was held up, or by a request of its
    // that was on its way. A slot that it names is not its own any longer, or was never bound.
    if says_published(work.gate, &record.execution).await? {
        work.give_slot_back().await?;
        let now_ms = work.gate.now_ms();
        return work
            .write(&mut |record| {
                record.begin_drive(redrive_count);
                judge_published(record, now_ms);
            })
            .await;
    }
    let min_confidence_percent = work.gate.policy().await?.min_confidence_percent();
    let analysis = frozen(work.gate, redrive_count, min_confidence_percent);
    work.scan = None;
    work.write(&mut |record| {
        record.begin_drive(redrive_count);
        record.queue(analysis.clone());
    })
    .await
}

/// Past the limit the task fails with a named operational error, so that a poison video blocks nobody. Its slot is free then
/// unless a job may be open, whose end is waited for after the task.
async fn give_up_after_too_many(work: &mut Work<'_>) -> Result<(), StepError> {
    let record = work.record();
    let (phase, tries) = (record.phase, record.attempts.saturating_sub(1));
    if tries < work.gate.config.max_attempts || phase == Phase::Sent {
        return Ok(());
    }
    // What is published is finished, however long it takes; and a failure is not given up for another.
    let failing =
        matches!(&record.judged, Some(judged) if matches!(judged.outcome, Outcome::Failed(_)));
    if record.is_published() || failing {
        return Ok(());
    }
    let record = work.record();
    let last = record.last_error.clone();
    let name = if last.as_ref().is_some_and(|last| last.denied) {
        ErrorName::AccessDenied
    } else {
        ErrorName::AttemptsExhausted
    };
    let cause = format!(
        "gave up after {tries} tries; the last one failed with: {}",
        last.map_or_else(
            || "no error, it was cut off (see the function's log)".to_owned(),
            |last| last.message
        )
    );
    if phase == Phase::Queued && !start::job_may_have_started(work).await? {
        work.give_slot_back().await?;
    }
    let now_ms = work.gate.now_ms();
    work.write(&mut |record| record.judge(Outcome::Failed(name), cause.clone(), None, now_ms))
        .await
}
