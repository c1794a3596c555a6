//! Dispatch: takes tasks from the activity, as many as there are free slots, and starts their jobs.
//!
//! An un-polled activity task is the backlog: nothing is polled for which no slot is free, or no minutes of the day are left.

use futures::future::{BoxFuture, join_all};

use super::advance::advance;
use super::backlog::{first_running, read_records, waiting, waits_for_slot};
use super::budget::Today;
use super::poll::poll;
use super::slots::{claim, give_back};
use crate::clock::Deadline;
use crate::event::Trigger;
use crate::gate::{Gate, StepError, chain};
use crate::ledger::{Record, Stored, free_numbers};

/// What an invocation of the worker did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dispatched {
    /// Polls made.
    pub polls: usize,
    /// Tasks received.
    pub tasks: usize,
    /// Tasks and queued records whose work failed; the ledger says why, and the next tick goes on.
    pub failed: usize,
}

/// Handles one tick or status event; a sweep is the reconciler's.
///
/// # Errors
/// [`StepError`] when the backlog cannot be seen. What fails for one execution is logged and left to the next tick.
#[must_use = "a step does nothing until it is awaited"]
pub fn dispatch<'a>(
    gate: &'a Gate,
    deadline: Deadline,
    trigger: &'a Trigger,
) -> BoxFuture<'a, Result<Dispatched, StepError>> {
    Box::pin(take_tasks(gate, deadline, trigger))
}

async fn take_tasks(
    gate: &Gate,
    deadline: Deadline,
    trigger: &Trigger,
) -> Result<Dispatched, StepError> {
    let running = match trigger {
        Trigger::Sweep(_) => return Ok(Dispatched::default()),
        // A RUNNING event says by itself that something waits.
        Trigger::ExecutionStatus(event) if !event.status.is_closed() => None,
        Trigger::Tick | Trigger::ExecutionStatus(_) => match first_running(gate).await? {
            Some(running) if !running.names.is_empty() => Some(running),
            _ => return Ok(Dispatched::default()),
        },
    };
    let mut free = free_numbers(&gate.ledger.held_slots().await?, gate.config.max_jobs);
    if free.is_empty() {
        return Ok(Dispatched::default());
    }
    let records = read_records(gate).await?;
    let today = Today::read(gate, &records.readable).await?;
    let queued: Vec<_> = records
        .readable
        .iter()
        .filter(|stored| waits_for_slot(gate, &stored.value) && !today.holds_back(&stored.value))
        .cloned()
        .collect();
    let mut done = Dispatched::default();
    done.failed += start_queued(gate, deadline, &queued, &mut free).await;
    // A poll takes up to a minute, and its task must be started before the function's time is up.
    if deadline.left_ms(&*gate.clock) < gate.config.poll_ms + gate.config.work_ms {
        return Ok(done);
    }
    let tasks = match running {
        None => 1,
        Some(running) => waiting(gate, running, &records, free.len()).await?,
    };
    let polls = today.polls(tasks, free.len(), &records.readable);
    // The policy is read before anything is taken from the backlog: with an unusable one, tasks wait where they are.
    let claims = claim(gate, deadline, &mut free, polls).await?;
    if claims.is_empty() {
        return Ok(done);
    }
    let policy = match gate.policy().await {
        Ok(policy) => policy,
        Err(error) => {
            give_back(gate, &claims).await;
            return Err(error);
        }
    };
    done.polls = claims.len();
    let min_confidence_percent = policy.min_confidence_percent();
    let polls = claims
        .into_iter()
        .map(|claim| poll(gate, deadline, claim, min_confidence_percent));
    for result in join_all(polls).await {
        match result {
            Ok(received) => done.tasks += usize::from(received),
            Err(error) => {
                tracing::error!(
                    error_name = error.name(),
                    error = chain(&error),
                    "task not started"
                );
                done.failed += 1;
            }
        }
    }
    Ok(done)
}

/// Records that wait for a slot go before any poll. Each claims its own; the numbers that they took are no longer free.
async fn start_queued(
    gate: &Gate,
    deadline: Deadline,
    queued: &[Stored<Record>],
    free: &mut Vec<u32>,
) -> usize {
    let ready = &queued[..queued.len().min(free.len())];
    let results = join_all(
        ready
            .iter()
            .map(|stored| advance(gate, deadline, stored.clone())),
    )
    .await;
    free.truncate(free.len() - ready.len());
    let mut failed = 0;
    for (stored, result) in ready.iter().zip(results) {
        if let Err(error) = result {
            let execution_arn = &stored.value.execution_arn;
            tracing::error!(
                execution_arn,
                error_name = error.name(),
                error = chain(&error),
                "queued task not started"
            );
            failed += 1;
        }
    }
    failed
}
