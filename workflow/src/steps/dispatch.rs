//! Dispatch: takes tasks from the activity, as many as there are free slots, and starts their jobs.
//!
//! An un-polled activity task is the backlog: nothing is polled for which no slot is free. A poll that is under way is never
//! aborted and never retried, since the service may hand its task to a client that no longer listens.

use std::collections::BTreeSet;

use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::config::timeout::TimeoutConfig;
use aws_sdk_sfn::types::ExecutionStatus;
use futures::StreamExt as _;
use futures::future::join_all;

use super::advance::{advance, advance_held};
use super::start::frozen;
use super::work::Work;
use crate::clock::Deadline;
use crate::contract::{ErrorName, TaskInput, TaskToken, cut_cause};
use crate::errors::{CallError, Operation};
use crate::event::Trigger;
use crate::gate::{Gate, StepError, chain};
use crate::ledger::{
    Edit, LeaseTerm, LedgerError, Outcome, Phase, Record, SlotClaim, Stored, Swap, free_numbers,
};
use crate::names;
use crate::report::AnalysisReason;

/// Records that are read side by side.
const READS_AT_ONCE: usize = 16;

/// Executions a page of ListExecutions (API reference: at most 1000).
const EXECUTIONS_PAGE: i32 = 1000;

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
pub async fn dispatch(
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
    let queued: Vec<_> = records
        .iter()
        .filter(|stored| waits_for_slot(gate, &stored.value))
        .cloned()
        .collect();
    let mut done = Dispatched::default();
    done.failed += start_queued(gate, deadline, &queued, &mut free).await;
    // A poll takes up to a minute, and its task must be started before the function's time is up.
    if deadline.left_ms(&*gate.clock) < gate.config.poll_ms + gate.config.work_ms {
        return Ok(done);
    }
    let polls = match running {
        None => 1,
        Some(running) => waiting(gate, running, &records, free.len()).await?,
    };
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

/// Executions that run, as far as the pages read so far tell.
pub(crate) struct Running {
    pub(crate) names: BTreeSet<String>,
    next_token: Option<String>,
}

/// The first page of running executions; None if the listing is throttled, which the next tick makes up for.
async fn first_running(gate: &Gate) -> Result<Option<Running>, StepError> {
    match running_page(gate, None).await {
        Ok(running) => Ok(Some(running)),
        Err(error) if error.is_throttled() => {
            metrics::counter!("Throttles").increment(1);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn running_page(gate: &Gate, token: Option<String>) -> Result<Running, CallError> {
    let output = gate
        .sfn
        .list_executions()
        .state_machine_arn(&gate.config.ingest.state_machine_arn)
        .status_filter(ExecutionStatus::Running)
        .max_results(EXECUTIONS_PAGE)
        .set_next_token(token)
        .send()
        .await
        .map_err(|error| CallError::new(Operation::ListExecutions, &error))?;
    Ok(Running {
        names: output
            .executions
            .into_iter()
            .map(|execution| execution.name)
            .collect(),
        next_token: output.next_token,
    })
}

/// How many executions wait for a poll, counted up to `enough`: those that run and have no record, or a detached one.
async fn waiting(
    gate: &Gate,
    first: Running,
    records: &[Stored<Record>],
    enough: usize,
) -> Result<usize, StepError> {
    let attached: BTreeSet<&str> = records
        .iter()
        .filter(|stored| !stored.value.is_detached())
        .map(|stored| stored.value.execution.as_str())
        .collect();
    let mut page = first;
    let mut count = 0;
    loop {
        count += page
            .names
            .iter()
            .filter(|name| !attached.contains(name.as_str()))
            .count();
        let Some(token) = page.next_token.take() else {
            return Ok(count.min(enough));
        };
        if count >= enough {
            return Ok(enough);
        }
        page = match running_page(gate, Some(token)).await {
            Ok(page) => page,
            Err(error) if error.is_throttled() => return Ok(count.min(enough)),
            Err(error) => return Err(error.into()),
        };
    }
}

/// Reads all records. One that is not readable is logged and left alone; the rest goes on.
pub(crate) async fn read_records(gate: &Gate) -> Result<Vec<Stored<Record>>, StepError> {
    let keys = gate.ledger.list(names::RECORDS_PREFIX).await?;
    let reads: Vec<_> = keys
        .iter()
        .map(|key| gate.ledger.get::<Record>(key))
        .collect();
    let results: Vec<_> = futures::stream::iter(reads)
        .buffered(READS_AT_ONCE)
        .collect()
        .await;
    let mut records = Vec::new();
    for result in results {
        match result {
            Ok(stored) => records.extend(stored),
            Err(error @ (LedgerError::Corrupt { .. } | LedgerError::Newer { .. })) => {
                tracing::error!(error = chain(&error), "record left alone");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(records)
}

fn waits_for_slot(gate: &Gate, record: &Record) -> bool {
    record.phase == Phase::Queued
        && record.slot.is_none()
        && record.token.is_some()
        && !record.is_leased(gate.now_ms())
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

async fn claim(
    gate: &Gate,
    deadline: Deadline,
    free: &mut Vec<u32>,
    count: usize,
) -> Result<Vec<SlotClaim>, StepError> {
    let stale_ms = deadline.at_ms + gate.config.lease_margin_ms;
    let mut claims = Vec::new();
    while claims.len() < count {
        match gate.ledger.claim_slot(free, stale_ms).await {
            Ok(Some(claim)) => claims.push(claim),
            Ok(None) => break,
            Err(error) => {
                give_back(gate, &claims).await;
                return Err(error.into());
            }
        }
    }
    Ok(claims)
}

/// Gives claims back. One that cannot be given back now goes stale and is collected by the reconciler.
async fn give_back(gate: &Gate, claims: &[SlotClaim]) {
    for claim in claims {
        if let Err(error) = gate.ledger.release_slot(claim).await {
            tracing::warn!(
                slot = claim.number,
                error = chain(&error),
                "slot not given back"
            );
        }
    }
}

/// Polls once with a claimed slot. Returns whether a task came.
async fn poll(
    gate: &Gate,
    deadline: Deadline,
    claim: SlotClaim,
    min_confidence_percent: f32,
) -> Result<bool, StepError> {
    let polled = get_activity_task(gate).await;
    let (token, input) = match polled {
        Ok(Some(task)) => task,
        Ok(None) => {
            gate.ledger.release_slot(&claim).await?;
            return Ok(false);
        }
        Err(error) => {
            gate.ledger.release_slot(&claim).await?;
            return if error.is_throttled() {
                Ok(false)
            } else {
                Err(error.into())
            };
        }
    };
    let task = match read_task(&input) {
        Ok(task) => task,
        Err(problem) => {
            gate.ledger.release_slot(&claim).await?;
            refuse(gate, &token, &problem).await?;
            return Ok(true);
        }
    };
    receive(gate, deadline, claim, token, &task, min_confidence_percent).await?;
    Ok(true)
}

/// One long poll. No retry and no time-out of the SDK's: either would leave a poll behind that takes a task to nobody.
async fn get_activity_task(gate: &Gate) -> Result<Option<(TaskToken, String)>, CallError> {
    let patient = aws_sdk_sfn::Config::builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled());
    let output = gate
        .sfn
        .get_activity_task()
        .activity_arn(&gate.config.activity_arn)
        .worker_name("reelgate")
        .customize()
        .config_override(patient)
        .send()
        .await
        .map_err(|error| CallError::new(Operation::GetActivityTask, &error))?;
    // No task is an absent token, a null or an empty one (Step Functions API reference, GetActivityTask).
    Ok(output
        .task_token
        .filter(|token| !token.is_empty())
        .map(|token| (TaskToken::new(token), output.input.unwrap_or_default())))
}

/// A task's input, or what is wrong with it.
fn read_task(input: &str) -> Result<TaskInput, String> {
    let task: TaskInput = serde_json::from_str(input).map_err(|error| error.to_string())?;
    task.video.check().map_err(|error| error.to_string())?;
    Ok(task)
}

/// The execution was started by hand with something that is no upload: say so, since nobody else will.
async fn refuse(gate: &Gate, token: &TaskToken, problem: &str) -> Result<(), StepError> {
    let cause = format!(
        "the execution's input is not an upload: {problem}; start executions by uploading, or through the reconciler's sweep"
    );
    let sent = gate
        .sfn
        .send_task_failure()
        .task_token(token.expose())
        .error(ErrorName::InvalidTaskInput.as_str())
        .cause(cut_cause(cause))
        .send()
        .await;
    sent.map(|_| ())
        .map_err(|error| CallError::new(Operation::SendTaskFailure, &error).into())
}

async fn receive(
    gate: &Gate,
    deadline: Deadline,
    claim: SlotClaim,
    token: TaskToken,
    task: &TaskInput,
    min_confidence_percent: f32,
) -> Result<(), StepError> {
    let key = names::record_key(&task.execution_name);
    for _ in 0..2 {
        if let Some(stored) = gate.ledger.get::<Record>(&key).await? {
            gate.ledger.release_slot(&claim).await?;
            return attach(gate, deadline, stored, task, token).await;
        }
        let holder = gate.ledger.nonce();
        let record = new_record(
            gate,
            deadline,
            task,
            &token,
            &claim,
            &holder,
            min_confidence_percent,
        )
        .await?;
        let takes_slot = record.slot.is_some();
        if let Swap::Done(stored) = gate.ledger.create(&key, record).await? {
            if !takes_slot {
                gate.ledger.release_slot(&claim).await?;
            }
            advance_held(Work::holding(gate, deadline, stored, holder)).await?;
            return Ok(());
        }
        // Somebody created it between our look and our write: attach to it.
    }
    gate.ledger.release_slot(&claim).await?;
    Err(LedgerError::Contended { key }.into())
}

async fn new_record(
    gate: &Gate,
    deadline: Deadline,
    task: &TaskInput,
    token: &TaskToken,
    claim: &SlotClaim,
    holder: &str,
    min_confidence_percent: f32,
) -> Result<Record, StepError> {
    let now_ms = gate.now_ms();
    let reason = if task.redrive_count == 0 {
        AnalysisReason::First
    } else {
        AnalysisReason::Redrive
    };
    let analysis = frozen(gate, task.redrive_count, reason, min_confidence_percent);
    let mut record = Record::new(task, Some(token.clone()), analysis, now_ms);
    record.attempts = 1;
    record.lease_count = 1;
    record.lease = Some(LeaseTerm {
        holder: holder.to_owned(),
        until_ms: deadline.at_ms + gate.config.lease_margin_ms,
    });
    let published =
        task.redrive_count > 0 && super::report::says_published(gate, &task.execution_name).await?;
    if published {
        // Published before the redrive, whose record is gone: the task succeeds, and nothing is scanned again.
        record.copying.own_noted_ms = Some(now_ms);
        record.analyses.clear();
        record.judge(
            Outcome::Approved,
            "published before the execution was redriven".to_owned(),
            None,
            now_ms,
        );
    } else {
        record.slot = Some(claim.clone());
    }
    Ok(record)
}

/// A task for an execution that has a record: its token replaces one of lower rank, and what the phase asks for is done.
async fn attach(
    gate: &Gate,
    deadline: Deadline,
    stored: Stored<Record>,
    task: &TaskInput,
    token: TaskToken,
) -> Result<(), StepError> {
    let attached = gate
        .ledger
        .edit(stored, |record| {
            if record.attach(task.rank(), token.clone()) {
                Edit::Write
            } else {
                Edit::Leave
            }
        })
        .await?;
    // Gone between look and write: its execution had been closed, so this task is over too, or Retry brings another.
    if let Some(stored) = attached {
        advance(gate, deadline, stored).await?;
    }
    Ok(())
}
