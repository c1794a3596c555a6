//! The events of an execution, as GetExecutionHistory answers them.
//!
//! Types and details: Step Functions API reference, HistoryEvent. Orders and ids: histories that LocalStack's tests
//! recorded on AWS (test_activities, test_timeouts, test_sfn_api, test_sns_task_service snapshots).

use std::sync::Arc;

use serde_json::{Map, Value, json};

/// An execution has at most this many events; the last is the one that closes it
/// (Step Functions Developer Guide, "Avoid reaching the history quota").
pub(super) const MAX_EVENTS: usize = 25_000;

#[derive(Debug)]
pub(super) struct Event {
    pub(super) at_ms: i64,
    /// Id of the event that led to this one, 0 for none. An event's own id is its place in the history, from 1.
    previous: usize,
    pub(super) detail: Detail,
}

/// What happened. Texts are shared: an input that passes through many states is kept once.
#[derive(Debug, Clone)]
pub(super) enum Detail {
    ExecutionStarted {
        input: Arc<str>,
        role_arn: Arc<str>,
    },
    ExecutionSucceeded {
        output: Arc<str>,
    },
    ExecutionFailed(Reason),
    ExecutionAborted(Reason),
    ExecutionTimedOut,
    ExecutionRedriven {
        count: u32,
    },
    StateEntered {
        kind: &'static str,
        name: Arc<str>,
        input: Arc<str>,
    },
    StateExited {
        kind: &'static str,
        name: Arc<str>,
        output: Arc<str>,
    },
    ActivityScheduled {
        resource: Arc<str>,
        input: Arc<str>,
        timeout_s: Option<u64>,
        heartbeat_s: Option<u64>,
    },
    ActivityStarted {
        worker_name: Option<String>,
    },
    ActivitySucceeded {
        output: Arc<str>,
    },
    ActivityFailed(Reason),
    ActivityTimedOut,
    PublishScheduled {
        parameters: Arc<str>,
        region: Arc<str>,
        timeout_s: Option<u64>,
        heartbeat_s: Option<u64>,
    },
    PublishStarted,
    PublishSucceeded {
        output: Arc<str>,
    },
    PublishFailed(Reason),
}

/// The error and cause of a failure, where given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) error: Option<Arc<str>>,
    pub(super) cause: Option<Arc<str>>,
}

/// Appends an event and returns its id.
pub(super) fn append(history: &mut Vec<Event>, at_ms: i64, detail: Detail) -> usize {
    let last = history.len();
    let previous = match &detail {
        // Nothing in the workflow led to these.
        Detail::ExecutionStarted { .. }
        | Detail::ExecutionAborted(_)
        | Detail::ExecutionTimedOut => 0,
        // On AWS the first state does not follow ExecutionStarted but nothing.
        Detail::StateEntered { .. } if last == 1 => 0,
        _ => last,
    };
    history.push(Event {
        at_ms,
        previous,
        detail,
    });
    last + 1
}

/// A time as AWS JSON has it: seconds since 1970, to the millisecond.
pub(super) fn seconds(ms: i64) -> Value {
    #[allow(clippy::cast_precision_loss)] // exact for the next 285,000 years
    let seconds = ms as f64 / 1000.0;
    json!(seconds)
}

impl Event {
    /// The event on the wire. Without data, inputs and outputs are left out.
    pub(super) fn to_json(&self, id: usize, include_data: bool) -> Value {
        let (kind, key, mut details) = self.detail.describe();
        if !include_data {
            for name in [
                "input",
                "output",
                "parameters",
                "inputDetails",
                "outputDetails",
            ] {
                details.remove(name);
            }
        }
        let mut event = json!({
            "id": id,
            "previousEventId": self.previous,
            "timestamp": seconds(self.at_ms),
            "type": kind,
        });
        if let (Some(key), Some(map)) = (key, event.as_object_mut()) {
            map.insert(key.to_owned(), details.into());
        }
        event
    }
}

impl Detail {
    /// The event's type, the name of its member with details if it has one, and the details.
    fn describe(&self) -> (String, Option<&'static str>, Map<String, Value>) {
        let mut details = Map::new();
        let mut set = |name: &str, value: Value| details.insert(name.to_owned(), value);
        let (kind, key) = match self {
            Self::ExecutionStarted { input, role_arn } => {
                set("input", text(input));
                set("inputDetails", not_truncated());
                set("roleArn", text(role_arn));
                ("ExecutionStarted", "executionStartedEventDetails")
            }
            Self::ExecutionSucceeded { output } => {
                set("output", text(output));
                set("outputDetails", not_truncated());
                ("ExecutionSucceeded", "executionSucceededEventDetails")
            }
            Self::ExecutionFailed(reason) => {
                details = reason.members();
                ("ExecutionFailed", "executionFailedEventDetails")
            }
            Self::ExecutionAborted(reason) => {
                details = reason.members();
                ("ExecutionAborted", "executionAbortedEventDetails")
            }
            Self::ExecutionTimedOut => ("ExecutionTimedOut", "executionTimedOutEventDetails"),
            Self::ExecutionRedriven { count } => {
                set("redriveCount", json!(count));
                ("ExecutionRedriven", "executionRedrivenEventDetails")
            }
            Self::StateEntered { kind, name, input } => {
                set("name", text(name));
                set("input", text(input));
                set("inputDetails", not_truncated());
                let kind = format!("{kind}StateEntered");
                return (kind, Some("stateEnteredEventDetails"), details);
            }
            Self::StateExited { kind, name, output } => {
                set("name", text(name));
                set("output", text(output));
                set("outputDetails", not_truncated());
                let kind = format!("{kind}StateExited");
                return (kind, Some("stateExitedEventDetails"), details);
            }
            _ => return self.describe_task(),
        };
        (kind.to_owned(), Some(key), details)
    }

    fn describe_task(&self) -> (String, Option<&'static str>, Map<String, Value>) {
        let mut details = Map::new();
        let mut set = |name: &str, value: Value| details.insert(name.to_owned(), value);
        let mut limits = |timeout_s: &Option<u64>, heartbeat_s: &Option<u64>| {
            timeout_s.map(|s| set("timeoutInSeconds", json!(s)));
            heartbeat_s.map(|s| set("heartbeatInSeconds", json!(s)));
        };
        let (kind, key) = match self {
            Self::ActivityScheduled {
                resource,
                input,
                timeout_s,
                heartbeat_s,
            } => {
                limits(timeout_s, heartbeat_s);
                set("resource", text(resource));
                set("input", text(input));
                set("inputDetails", not_truncated());
                ("ActivityScheduled", "activityScheduledEventDetails")
            }
            Self::ActivityStarted { worker_name } => {
                worker_name
                    .as_ref()
                    .map(|name| set("workerName", json!(name)));
                ("ActivityStarted", "activityStartedEventDetails")
            }
            Self::ActivitySucceeded { output } => {
                set("output", text(output));
                set("outputDetails", not_truncated());
                ("ActivitySucceeded", "activitySucceededEventDetails")
            }
            Self::ActivityFailed(reason) => {
                details = reason.members();
                ("ActivityFailed", "activityFailedEventDetails")
            }
            Self::ActivityTimedOut => {
                set("error", json!("States.Timeout"));
                ("ActivityTimedOut", "activityTimedOutEventDetails")
            }
            Self::PublishScheduled {
                parameters,
                region,
                timeout_s,
                heartbeat_s,
            } => {
                limits(timeout_s, heartbeat_s);
                set("parameters", text(parameters));
                set("region", text(region));
                ("TaskScheduled", "taskScheduledEventDetails")
            }
            Self::PublishSucceeded { output } => {
                set("output", text(output));
                set("outputDetails", not_truncated());
                ("TaskSucceeded", "taskSucceededEventDetails")
            }
            Self::PublishFailed(reason) => {
                details = reason.members();
                ("TaskFailed", "taskFailedEventDetails")
            }
            _ => ("TaskStarted", "taskStartedEventDetails"),
        };
        if kind.starts_with("Task") {
            details.insert("resource".to_owned(), json!("publish"));
            details.insert("resourceType".to_owned(), json!("sns"));
        }
        (kind.to_owned(), Some(key), details)
    }
}

impl Reason {
    pub(super) fn members(&self) -> Map<String, Value> {
        let member = |name: &str, value: &Option<Arc<str>>| {
            value.as_ref().map(|value| (name.to_owned(), text(value)))
        };
        member("error", &self.error)
            .into_iter()
            .chain(member("cause", &self.cause))
            .collect()
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn not_truncated() -> Value {
    json!({"truncated": false})
}
