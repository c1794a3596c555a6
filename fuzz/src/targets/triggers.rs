//! What the worker and the reconciler are invoked with: ticks, execution status events, sweeps.

use serde_json::json;
use workflow::event::{ExecutionStatusEvent, Trigger};
use workflow::names::is_execution_name;

use super::{Outcome, Target, check_error, check_same, event};

pub(super) const TARGET: Target = Target {
    name: "triggers",
    what: "schedule ticks, execution status events, sweep commands",
    folders: &["fuzz/corpus/triggers"],
    words: &[
        "Scheduled Event",
        "aws.scheduler",
        "aws.states",
        "ABORTED",
        "TIMED_OUT",
        "sweep",
        "backfill",
        "window_days",
        "detail",
        "redriveCount",
    ],
    check,
};

fn check(input: &[u8]) -> Outcome {
    let Some(event) = event(input) else {
        return Outcome::Refused;
    };
    let trigger = match Trigger::parse(&event) {
        Ok(trigger) => trigger,
        Err(error) => {
            check_error(&error);
            return Outcome::Refused;
        }
    };
    let written = match &trigger {
        Trigger::Tick => json!({"source": "aws.events", "detail-type": "Scheduled Event"}),
        Trigger::ExecutionStatus(status) => {
            assert!(is_execution_name(&status.name), "{status:?}");
            status_change(status)
        }
        Trigger::Sweep(command) => {
            let window = command.window_days.unwrap_or(1);
            assert!((1..=80).contains(&window), "{command:?}");
            assert!(!(command.backfill && command.window_days.is_some()));
            json!({"sweep": command})
        }
    };
    check_same(&Trigger::parse(&written), &Ok(trigger), "written again");
    Outcome::Accepted
}

fn status_change(event: &ExecutionStatusEvent) -> serde_json::Value {
    json!({
        "source": "aws.states", "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": event.execution_arn, "name": event.name, "stateMachineArn": event.state_machine_arn,
            "status": event.status, "startDate": event.start_ms, "stopDate": event.stop_ms,
            "redriveCount": event.redrive_count, "input": event.input, "error": event.error, "cause": event.cause,
        },
    })
}
