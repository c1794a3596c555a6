//! Heartbeats: a task whose heartbeat is late is lost, so each tick sends that of every attached record.

use std::collections::BTreeSet;

use futures::StreamExt as _;

use crate::contract::TaskToken;
use crate::errors::{CallError, Disposition, Operation};
use crate::gate::{Gate, StepError, chain};
use crate::ledger::{Edit, Phase, Record, Stored};

/// Heartbeats that are sent side by side.
const HEARTBEATS_AT_ONCE: usize = 16;

/// Sends the heartbeat of every attached record. Returns the executions whose task took it, and which therefore run.
pub(crate) async fn heartbeat_all(gate: &Gate, records: &[Stored<Record>]) -> BTreeSet<String> {
    let mut beats = Vec::new();
    for stored in records {
        let Some(token) = &stored.value.token else {
            continue;
        };
        if stored.value.phase == Phase::Sent {
            continue;
        }
        beats.push(async move {
            match heartbeat(gate, stored, &token.secret).await {
                Ok(accepted) => accepted.then(|| stored.value.execution.clone()),
                Err(error) => {
                    let execution_arn = &stored.value.execution_arn;
                    tracing::warn!(execution_arn, error = chain(&error), "heartbeat not sent");
                    None
                }
            }
        });
    }
    let alive: Vec<_> = futures::stream::iter(beats)
        .buffer_unordered(HEARTBEATS_AT_ONCE)
        .collect()
        .await;
    alive.into_iter().flatten().collect()
}

/// Sends one heartbeat. Returns whether the task took it; the token of one that is over is dropped.
async fn heartbeat(
    gate: &Gate,
    stored: &Stored<Record>,
    token: &TaskToken,
) -> Result<bool, StepError> {
    if is_awaited(gate, token).await? {
        return Ok(true);
    }
    // The task is over. Only the token that was refused is dropped: the retried task's may be there already.
    gate.ledger
        .edit(stored.clone(), &mut |record| {
            if record.detach(token) {
                Edit::Write
            } else {
                Edit::Leave
            }
        })
        .await?;
    Ok(false)
}

/// Whether a task still waits for its answer: it takes a heartbeat.
///
/// # Errors
/// [`CallError`], if that cannot be told.
pub(crate) async fn is_awaited(gate: &Gate, token: &TaskToken) -> Result<bool, CallError> {
    let answer = gate
        .sfn
        .send_task_heartbeat()
        .task_token(token.expose())
        .send()
        .await;
    let error = match answer {
        Ok(_) => return Ok(true),
        Err(error) => CallError::new(Operation::SendTaskHeartbeat, &error),
    };
    match error.disposition {
        Disposition::Detach => Ok(false),
        _ => Err(error),
    }
}
