//! Executions that ended without a verdict and without a record: stopped or timed out before a worker ever took them.

use aws_sdk_sfn::types::{ExecutionListItem, ExecutionStatus};

use super::begin::begin;
use super::reconcile::{Reconciler, crosses};
use super::report;
use super::retire::retire;
use crate::clock::Deadline;
use crate::contract::TaskInput;
use crate::event::ExecutionInput;
use crate::gate::{Described, Gate, StepError, chain};
use crate::ledger::Swap;
use crate::names;

/// How many leftover intervals back each look goes: an outage of the schedule of some hours leaves no end behind. Each
/// interval costs a request for each execution that failed, rejected videos among them.
const LOOKED_BACK: i64 = 8;

/// The same once in so many intervals, which at the default of an hour is a day: an outage of a day leaves none behind
/// either, whenever it began.
const LONG_LOOKS_EVERY: i64 = 24;
const LONG_LOOKED_BACK: i64 = 50;

/// Statuses of executions that ended without a verdict being announced by the state machine.
const OPERATIONAL_ENDS: [ExecutionStatus; 3] = [
    ExecutionStatus::Failed,
    ExecutionStatus::TimedOut,
    ExecutionStatus::Aborted,
];

/// Reports and announces the operational ends that nobody did. Returns how many. Of each status it looks at the thousand that
/// began last.
pub(crate) async fn close_unreported(
    reconciler: &Reconciler,
    deadline: Deadline,
) -> Result<usize, StepError> {
    let gate = &reconciler.gate;
    let (now_ms, tick_ms, leftovers_ms) =
        (gate.now_ms(), gate.config.tick_ms, gate.config.leftovers_ms);
    let looked_back = if crosses(now_ms, tick_ms, LONG_LOOKS_EVERY * leftovers_ms) {
        LONG_LOOKED_BACK
    } else {
        LOOKED_BACK
    };
    let since_ms = now_ms - looked_back * leftovers_ms;
    let mut closed = 0;
    for status in OPERATIONAL_ENDS {
        let output = gate.list_executions(Some(status), None).await?;
        let recent = output.executions.into_iter().filter(|execution| {
            let stopped_ms = execution.stop_date.and_then(|time| time.to_millis().ok());
            stopped_ms.is_some_and(|stopped_ms| stopped_ms >= since_ms)
        });
        for execution in recent {
            // The report first: nearly all have one, and a record is dropped after its report is written.
            if is_reported(gate, &execution).await?
                || gate
                    .ledger
                    .exists(&names::record_key(&execution.name))
                    .await?
            {
                continue;
            }
            let Some(described) = gate
                .describe(&execution.execution_arn)
                .await?
                .filter(|described| described.is_closed() && report::is_operational(described))
            else {
                continue;
            };
            match close(
                reconciler,
                deadline,
                &execution.execution_arn,
                &execution.name,
                &described,
            )
            .await
            {
                Ok(done) => closed += usize::from(done),
                Err(error) => {
                    let execution_arn = &execution.execution_arn;
                    tracing::error!(
                        execution_arn,
                        error_name = error.name(),
                        error = chain(&error),
                        "end not reported"
                    );
                }
            }
        }
    }
    Ok(closed)
}

/// Whether the end of an execution's last drive was reported, as far as the listing knows of that drive.
async fn is_reported(gate: &Gate, execution: &ExecutionListItem) -> Result<bool, StepError> {
    match execution.redrive_count {
        None | Some(0) => {
            let key = names::report_key(&execution.name);
            Ok(gate.ledger.exists(&key).await?)
        }
        Some(drive) => {
            let drive = u32::try_from(drive).unwrap_or(0);
            report::says_closed(gate, &execution.name, drive).await
        }
    }
}

/// Reports and announces the operational end of an execution that has no record, by way of one: so a crash in between leaves
/// something that is found again. False if it was reported before.
pub(crate) async fn close(
    reconciler: &Reconciler,
    deadline: Deadline,
    execution_arn: &str,
    name: &str,
    described: &Described,
) -> Result<bool, StepError> {
    let gate = &reconciler.gate;
    if report::says_closed(gate, name, described.redrive_count).await? {
        return Ok(false);
    }
    let input = described.input.as_deref().unwrap_or_default();
    let video = match ExecutionInput::parse(input) {
        Ok(video) => video,
        Err(error) => {
            // Started by hand with something that is no upload: there is no video to report on.
            tracing::warn!(execution_arn, %error, "closed execution's input is not an upload");
            return Ok(false);
        }
    };
    let task = TaskInput {
        video,
        execution_arn: execution_arn.to_owned(),
        execution_name: name.to_owned(),
        state_name: "Moderate".to_owned(),
        retry_count: 0,
        redrive_count: described.redrive_count,
    };
    // Should a redrive attach to this record after all, a scan that returns every label serves any policy.
    let record = begin(gate, &task, None, 0.0).await?;
    match gate.ledger.create(&names::record_key(name), record).await? {
        Swap::Done(stored) => {
            retire(gate, &reconciler.announcer, deadline, stored, described).await
        }
        Swap::Lost => Ok(false),
    }
}
