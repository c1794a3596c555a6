//! Settle: a completion message of Rekognition says which record to look at, and nothing else about it is believed.

use futures::future::BoxFuture;

use super::advance::{Progress, advance};
use crate::clock::Deadline;
use crate::errors::Disposition;
use crate::gate::{Gate, StepError};
use crate::ledger::{Edit, Phase, Record};
use crate::names;

/// What a completion message led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// There is no such record: a job of somebody else's, or one that was settled long ago.
    Unknown,
    /// Somebody else works on the record, which now says that its job was notified of.
    Noted,
    /// The record went as far as it goes now.
    Advanced,
}

/// Settles the job of an execution, named by the job's tag.
///
/// # Errors
/// [`StepError`]: the Lambda service tries again, and the reconciler after that.
#[must_use = "a step does nothing until it is awaited"]
pub fn settle<'a>(
    gate: &'a Gate,
    deadline: Deadline,
    job_tag: &'a str,
) -> BoxFuture<'a, Result<Settled, StepError>> {
    Box::pin(settle_job(gate, deadline, job_tag))
}

async fn settle_job(gate: &Gate, deadline: Deadline, job_tag: &str) -> Result<Settled, StepError> {
    if !names::is_execution_name(job_tag) {
        return Ok(Settled::Unknown);
    }
    let Some(stored) = gate
        .ledger
        .get::<Record>(&names::record_key(job_tag))
        .await?
    else {
        return Ok(Settled::Unknown);
    };
    if stored.value.phase == Phase::Running && !stored.value.is_leased(gate.now_ms()) {
        let progress = advance(gate, deadline, stored.clone()).await;
        match progress {
            Ok(Progress::Busy) => {}
            // The message came before the job's status shows its end, or the service is busy: the note makes the
            // reconciler look at its next tick.
            Ok(Progress::Open) => {}
            Ok(_) => return Ok(Settled::Advanced),
            Err(error)
                if error
                    .call()
                    .is_some_and(|call| call.disposition == Disposition::Throttled) => {}
            Err(error) => return Err(error),
        }
    }
    // The worker has not recorded the job yet, or a holder is at work: leave a note that no other message will come.
    let noted = gate
        .ledger
        .edit(stored, &mut |record| {
            if record.notified || !matches!(record.phase, Phase::Queued | Phase::Running) {
                return Edit::Leave;
            }
            record.notified = true;
            Edit::Write
        })
        .await?;
    Ok(noted.map_or(Settled::Unknown, |_| Settled::Noted))
}
