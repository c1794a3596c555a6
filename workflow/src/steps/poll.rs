//! One poll of the activity: a task is received into a new record, or attached to the one that its execution has.
//!
//! A poll that is under way is never aborted and never retried, since the service may hand its task to a client that no longer
//! listens.

use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::config::timeout::TimeoutConfig;

use super::advance::{advance, advance_held};
use super::begin::begin;
use super::work::Work;
use crate::clock::Deadline;
use crate::contract::{ErrorName, TaskInput, TaskToken, cut_cause};
use crate::errors::{CallError, Operation};
use crate::gate::{Gate, StepError};
use crate::ledger::{
    Edit, LeaseTerm, LedgerError, Phase, Record, SlotClaim, Stored, Swap, Unknown,
};
use crate::names;

/// Polls once with a claimed slot. Returns whether a task came.
pub(crate) async fn poll(
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
        let found = match gate.ledger.get::<Record>(&key).await {
            Ok(found) => found,
            Err(error) => {
                gate.ledger.release_slot(&claim).await?;
                return Err(error.into());
            }
        };
        if let Some(stored) = found {
            gate.ledger.release_slot(&claim).await?;
            return attach(gate, deadline, stored, task, token).await;
        }
        let begun = begin(gate, task, Some(token.clone()), min_confidence_percent).await;
        let mut record = match begun {
            Ok(record) => record,
            Err(error) => {
                gate.ledger.release_slot(&claim).await?;
                return Err(error);
            }
        };
        let holder = gate.ledger.nonce();
        record.attempts = 1;
        record.lease_count = 1;
        record.lease = Some(LeaseTerm {
            holder: holder.clone(),
            until_ms: deadline.at_ms + gate.config.lease_margin_ms,
            unknown: Unknown::new(),
        });
        record.slot = (record.phase == Phase::Queued).then(|| claim.clone());
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
        .edit(stored, &mut |record| {
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
