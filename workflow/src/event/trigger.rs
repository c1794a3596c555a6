//! What EventBridge and the operator invoke the worker and the reconciler with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EventError, Fields, said, shown};
use crate::names::is_execution_name;

const REMEDY: &str = "invoke this function from the schedule, from the execution status rule, or with {\"sweep\":{}}";

/// Why a function was invoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The one-minute schedule (`Scheduled Event`).
    Tick,
    /// An execution was started or has ended.
    ExecutionStatus(ExecutionStatusEvent),
    /// Look for uploads whose event was lost: `{"sweep": {…}}`.
    Sweep(SweepCommand),
}

/// `Step Functions Execution Status Change` (Amazon EventBridge reference, "AWS Step Functions events"): delivered by
/// best effort, sometimes twice, so it only ever speeds things up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionStatusEvent {
    /// The execution.
    pub execution_arn: String,
    /// Its name, within `[A-Za-z0-9_-]{1,80}`.
    pub name: String,
    /// The state machine that it belongs to.
    pub state_machine_arn: String,
    /// Its new status.
    pub status: ExecutionStatus,
    /// When it started.
    pub start_ms: Option<i64>,
    /// When it ended.
    pub stop_ms: Option<i64>,
    /// `redriveCount`, which older events do not have.
    pub redrive_count: Option<u32>,
    /// The execution's input; left out by EventBridge when too large.
    pub input: Option<String>,
    /// The error it ended with.
    pub error: Option<String>,
    /// The cause it ended with.
    pub cause: Option<String>,
}

/// Status of an execution (AWS Step Functions API reference, DescribeExecution).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    /// Under way, started or redriven.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended in an error.
    Failed,
    /// Ended by the state machine's own TimeoutSeconds.
    TimedOut,
    /// Stopped by a person.
    Aborted,
}

impl ExecutionStatus {
    /// The status of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "RUNNING" => Self::Running,
            "SUCCEEDED" => Self::Succeeded,
            "FAILED" => Self::Failed,
            "TIMED_OUT" => Self::TimedOut,
            "ABORTED" => Self::Aborted,
            _ => return None,
        })
    }

    /// Whether the execution has ended.
    #[must_use]
    pub fn is_closed(self) -> bool {
        self != Self::Running
    }
}

/// Which object versions a sweep looks at, and where it goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SweepCommand {
    /// Start executions for versions of any age: the backfill of a bucket that was filled before the gate was there.
    pub backfill: bool,
    /// Versions younger than this, 1 to 80 days (names are free again after 90); `None` = the deployment's setting.
    pub window_days: Option<u32>,
    /// Only keys that begin with this.
    pub prefix: Option<String>,
    /// `KeyMarker` of ListObjectVersions to go on from.
    pub key_marker: Option<String>,
    /// `VersionIdMarker` of ListObjectVersions to go on from.
    pub version_id_marker: Option<String>,
}

/// AWS Step Functions API reference, StartExecution: a name is free again 90 days after its execution closed.
const WINDOW_DAYS_MAX: u32 = 80;

impl Trigger {
    /// Reads the event of an invocation.
    ///
    /// # Errors
    /// When it is none of the three, naming the field that does not fit.
    pub fn parse(event: &Value) -> Result<Self, EventError> {
        if let Some(sweep) = event.get("sweep") {
            return SweepCommand::parse(sweep).map(Self::Sweep);
        }
        let fields = Fields::new(event, "", REMEDY);
        let (source, detail_type) = (fields.required("source")?, fields.required("detail-type")?);
        match (source, detail_type) {
            ("aws.events" | "aws.scheduler", "Scheduled Event") => Ok(Self::Tick),
            ("aws.states", "Step Functions Execution Status Change") => {
                execution_status(&fields.object("detail")).map(Self::ExecutionStatus)
            }
            _ => Err(EventError::new(
                "detail-type",
                format!("is {} from {}", shown(detail_type), shown(source)),
                REMEDY,
            )),
        }
    }
}

impl SweepCommand {
    fn parse(sweep: &Value) -> Result<Self, EventError> {
        let remedy = "give backfill (true or false), window_days (1 to 80), prefix, or nothing";
        let command = Self::deserialize(sweep).map_err(|error| {
            EventError::new(
                "sweep",
                format!("is {} ({})", shown(&sweep.to_string()), said(&error)),
                remedy,
            )
        })?;
        match command.window_days {
            Some(days) if !(1..=WINDOW_DAYS_MAX).contains(&days) => Err(EventError::new(
                "sweep.window_days",
                format!("is {days}, not 1 to {WINDOW_DAYS_MAX}"),
                remedy,
            )),
            Some(_) if command.backfill => Err(EventError::new(
                "sweep.window_days",
                "stands beside backfill, which takes versions of any age",
                "give one of the two",
            )),
            _ => Ok(command),
        }
    }
}

fn execution_status(detail: &Fields<'_>) -> Result<ExecutionStatusEvent, EventError> {
    let name = detail.required("name")?;
    if !is_execution_name(name) {
        return Err(EventError::new(
            detail.path("name"),
            format!("is {}, not 1 to 80 of [A-Za-z0-9_-]", shown(name)),
            "start executions through the ingest trigger or the sweep",
        ));
    }
    let status = detail.required("status")?;
    // Free texts, bounded by Step Functions (256 KiB input, 32 KiB cause): not worth an error when absent or odd.
    let text = |name: &str| detail.value[name].as_str().map(str::to_owned);
    Ok(ExecutionStatusEvent {
        execution_arn: detail.required("executionArn")?.to_owned(),
        name: name.to_owned(),
        state_machine_arn: detail.required("stateMachineArn")?.to_owned(),
        status: ExecutionStatus::from_name(status).ok_or_else(|| {
            EventError::new(
                detail.path("status"),
                format!("is {}", shown(status)),
                "update this program to one that knows the new status",
            )
        })?,
        start_ms: detail.value["startDate"].as_i64(),
        stop_ms: detail.value["stopDate"].as_i64(),
        redrive_count: detail.value["redriveCount"]
            .as_u64()
            .and_then(|count| u32::try_from(count).ok()),
        input: text("input"),
        error: text("error"),
        cause: text("cause"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Shape of the Amazon EventBridge reference, "AWS Step Functions events".
    fn status_change() -> Value {
        json!({
            "version": "0",
            "id": "315c1398-40ff-a850-213b-158f73e60175",
            "detail-type": "Step Functions Execution Status Change",
            "source": "aws.states",
            "account": "123456789012",
            "time": "2019-02-26T19:42:21Z",
            "region": "us-east-1",
            "resources": ["arn:aws:states:us-east-1:123456789012:execution:gate:clip-1"],
            "detail": {
                "executionArn": "arn:aws:states:us-east-1:123456789012:execution:gate:clip-1",
                "stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:gate",
                "name": "clip-1",
                "status": "RUNNING",
                "startDate": 1_551_225_271_984_i64,
                "stopDate": null,
                "input": "{}",
                "inputDetails": {"included": true},
                "output": null,
                "outputDetails": null
            }
        })
    }

    #[test]
    fn the_schedule_is_a_tick() {
        let event = json!({"version": "0", "id": "53dc4d37", "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "123456789012", "time": "2015-10-08T16:53:06Z", "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:123456789012:rule/tick"], "detail": {}});
        assert_eq!(Trigger::parse(&event).unwrap(), Trigger::Tick);
    }

    #[test]
    fn a_status_change_is_read() {
        let Trigger::ExecutionStatus(event) = Trigger::parse(&status_change()).unwrap() else {
            panic!("not a status change");
        };
        assert_eq!(
            (event.name.as_str(), event.status),
            ("clip-1", ExecutionStatus::Running)
        );
        assert_eq!(
            (event.start_ms, event.stop_ms),
            (Some(1_551_225_271_984), None)
        );
        assert_eq!(event.redrive_count, None);
    }

    #[test]
    fn every_status_is_known_and_only_running_is_open() {
        for (name, closed) in [
            ("RUNNING", false),
            ("SUCCEEDED", true),
            ("FAILED", true),
            ("TIMED_OUT", true),
            ("ABORTED", true),
        ] {
            let status = ExecutionStatus::from_name(name).unwrap();
            assert_eq!(status.is_closed(), closed);
            assert_eq!(serde_json::to_value(status).unwrap(), name);
        }
        let mut event = status_change();
        event["detail"]["status"] = json!("PAUSED");
        assert!(
            Trigger::parse(&event)
                .unwrap_err()
                .to_string()
                .starts_with("detail.status is \"PAUSED\"")
        );
    }

    #[test]
    fn a_sweep_is_read_and_its_bounds_are_kept() {
        let parse = |sweep: Value| {
            Trigger::parse(&json!({ "sweep": sweep })).map_err(|error| error.to_string())
        };
        assert_eq!(
            parse(json!({})).unwrap(),
            Trigger::Sweep(SweepCommand::default())
        );
        assert_eq!(
            parse(json!({"backfill": true, "prefix": "films/"})).unwrap(),
            Trigger::Sweep(SweepCommand {
                backfill: true,
                prefix: Some("films/".into()),
                ..SweepCommand::default()
            })
        );
        assert!(
            parse(json!({"window_days": 81}))
                .unwrap_err()
                .starts_with("sweep.window_days is 81, not 1 to 80")
        );
        assert!(parse(json!({"window_days": 5, "backfill": true})).is_err());
        assert!(
            parse(json!({"days": 5}))
                .unwrap_err()
                .contains("unknown field `days`")
        );
        assert!(parse(json!(7)).is_err());
    }

    #[test]
    fn a_refused_sweep_is_told_in_one_short_line() {
        for sweep in [json!("x".repeat(5000)), json!({"a\nb": 1})] {
            let error = Trigger::parse(&json!({ "sweep": sweep })).unwrap_err();
            let text = error.to_string();
            assert!(text.len() < 1000 && !text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        assert_eq!(
            Trigger::parse(&json!({"Records": []})).unwrap_err().field,
            "source"
        );
        let event = json!({"source": "aws.s3", "detail-type": "Object Created"});
        assert!(
            Trigger::parse(&event)
                .unwrap_err()
                .problem
                .contains("Object Created")
        );
    }

    proptest! {
        #[test]
        fn no_field_of_any_kind_panics(path in 0usize..4, value in prop_oneof![Just(json!(null)), Just(json!(7)), Just(json!([])), Just(json!("x")), Just(json!({"a": 1}))]) {
            let mut event = status_change();
            match path {
                0 => event["detail"] = value,
                1 => event["detail"]["name"] = value,
                2 => event["sweep"] = value,
                _ => event = value,
            }
            let _ = Trigger::parse(&event);
        }
    }
}
