//! What Step Functions remembers: state machines, activities, executions and the tasks in flight.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::activity::{Activity, LiveTask};
use super::asl::Definition;
use super::history::{self, Detail, Event, MAX_EVENTS, Reason};
use super::token::{Mint, TaskId};

/// Place of an execution in [`State::executions`]; later ones are greater.
pub(super) type ExecutionId = usize;

/// What became of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExecutionStatus {
    /// Not closed.
    Running,
    /// Closed by a Succeed state or an End.
    Succeeded,
    /// Closed by a Fail state or an error that nothing caught.
    Failed,
    /// Closed by the state machine's TimeoutSeconds.
    TimedOut,
    /// Closed by StopExecution.
    Aborted,
}

impl ExecutionStatus {
    /// As the API names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }
}

/// The time of one change: as stamped, and as measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) ms: i64,
    pub(super) at: Instant,
}

pub(super) struct State {
    pub(super) mint: Mint,
    pub(super) machines: BTreeMap<String, Machine>,
    pub(super) activities: BTreeMap<Arc<str>, Activity>,
    pub(super) executions: Vec<Execution>,
    pub(super) by_arn: BTreeMap<Arc<str>, ExecutionId>,
    pub(super) tasks: BTreeMap<TaskId, LiveTask>,
    pub(super) next_task: TaskId,
    pub(super) next_poller: u64,
    /// States entered, and retries.
    pub(super) transitions: u64,
    /// Status changes to be put on the event bus once the state is unlocked: execution, status and event detail.
    pub(super) outbox: Vec<(Arc<str>, ExecutionStatus, Value)>,
    pub(super) faults: Faults,
    /// The last changes of status, oldest first, for listings that lag behind them.
    pub(super) recent: VecDeque<(Instant, ExecutionId)>,
}

/// How far reads lag behind: "eventually consistent. The results are best effort and may not reflect very recent updates
/// and changes" (Step Functions API reference, DescribeExecution, ListExecutions).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Each DescribeExecution by up to this.
    pub describe_lag_max: Duration,
    /// Each ListExecutions by up to this.
    pub list_lag_max: Duration,
}

pub(super) struct Machine {
    /// What executions that start now will run.
    pub(super) revision: Arc<Revision>,
    /// None until the first update.
    pub(super) revision_id: Option<String>,
    pub(super) created_ms: i64,
    /// Deleted, but executions are still running.
    pub(super) deleting: bool,
    pub(super) listing: Listing,
}

/// A state machine as one update left it. Executions keep theirs, redrives included.
pub(super) struct Revision {
    pub(super) machine_arn: String,
    pub(super) machine_name: String,
    pub(super) role_arn: Arc<str>,
    pub(super) text: String,
    pub(super) definition: Definition,
}

/// Executions of a machine by time of start or redrive, all and by status: a listing touches no other execution.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) all: BTreeSet<ListingKey>,
    pub(super) by_status: BTreeMap<ExecutionStatus, BTreeSet<ListingKey>>,
}

pub(super) type ListingKey = (i64, ExecutionId);

pub(super) struct Execution {
    pub(super) arn: Arc<str>,
    pub(super) name: String,
    pub(super) revision: Arc<Revision>,
    pub(super) input: Arc<str>,
    pub(super) trace_header: Option<String>,
    pub(super) status: ExecutionStatus,
    pub(super) started: Now,
    pub(super) stopped: Option<Now>,
    pub(super) redriven_ms: Option<i64>,
    pub(super) redrive_count: u32,
    /// Client tokens of the last redrives, and when each was.
    pub(super) redrives: VecDeque<(String, Now)>,
    pub(super) output: Option<Arc<str>>,
    pub(super) reason: Reason,
    pub(super) history: Vec<Event>,
    /// Where it is, or was when it closed: a redrive goes on from here. None before the first state.
    pub(super) position: Option<Position>,
    pub(super) task: Option<TaskId>,
    pub(super) driver: Option<AbortHandle>,
    /// What reads told before the last change of status, and when that was.
    pub(super) past: Option<(Instant, Seen)>,
}

/// What reads tell of an execution that changes with its status.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) status: ExecutionStatus,
    pub(super) stopped: Option<Now>,
    pub(super) redriven_ms: Option<i64>,
    pub(super) redrive_count: u32,
    pub(super) output: Option<Arc<str>>,
    pub(super) reason: Reason,
}

/// The visit of a state.
#[derive(Clone)]
pub(super) struct Position {
    pub(super) state: Arc<str>,
    pub(super) input: Arc<str>,
    pub(super) entered_ms: i64,
    /// Id of the event that records it.
    pub(super) entered_event: usize,
}

/// The execution is closed, so whoever drove it stops.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended;

/// How an execution closes.
pub(super) enum End {
    Succeeded(Arc<str>),
    Failed(Reason),
    TimedOut,
    Aborted(Reason),
}

impl State {
    pub(super) fn new(mint: Mint) -> Self {
        Self {
            mint,
            machines: BTreeMap::new(),
            activities: BTreeMap::new(),
            executions: Vec::new(),
            by_arn: BTreeMap::new(),
            tasks: BTreeMap::new(),
            next_task: 1,
            next_poller: 1,
            transitions: 0,
            outbox: Vec::new(),
            faults: Faults::default(),
            recent: VecDeque::new(),
        }
    }

    /// Records an event of a running execution. When only the last event has room, the execution fails instead: "The
    /// execution reached the maximum number of history events (25000)." is the cause that AWS gives.
    pub(super) fn record(
        &mut self,
        id: ExecutionId,
        now: Now,
        detail: Detail,
    ) -> Result<usize, Ended> {
        let execution = &mut self.executions[id];
        if execution.status != ExecutionStatus::Running {
            return Err(Ended);
        }
        if execution.history.len() + 1 < MAX_EVENTS {
            return Ok(history::append(&mut execution.history, now.ms, detail));
        }
        let cause = "The execution reached the maximum number of history events (25000).";
        let reason = Reason {
            error: Some("States.Runtime".into()),
            cause: Some(cause.into()),
        };
        self.close(id, now, End::Failed(reason));
        Err(Ended)
    }

    /// Closes a running execution: its task and its driver end with it.
    pub(super) fn close(&mut self, id: ExecutionId, now: Now, end: End) {
        self.remember(id, now);
        let execution = &mut self.executions[id];
        let (status, detail) = match end {
            End::Succeeded(output) => {
                execution.output = Some(Arc::clone(&output));
                (
                    ExecutionStatus::Succeeded,
                    Detail::ExecutionSucceeded { output },
                )
            }
            End::Failed(reason) => {
                execution.reason = reason.clone();
                (ExecutionStatus::Failed, Detail::ExecutionFailed(reason))
            }
            End::TimedOut => (ExecutionStatus::TimedOut, Detail::ExecutionTimedOut),
            End::Aborted(reason) => {
                execution.reason = reason.clone();
                (ExecutionStatus::Aborted, Detail::ExecutionAborted(reason))
            }
        };
        history::append(&mut execution.history, now.ms, detail);
        execution.stopped = Some(now);
        if let Some(driver) = execution.driver.take() {
            driver.abort();
        }
        if let Some(task) = execution.task.take() {
            self.tasks.remove(&task);
        }
        self.set_status(id, status);
        let machine_arn = self.executions[id].revision.machine_arn.clone();
        let gone = |machine: &Machine| {
            machine.deleting && machine.listing.count(ExecutionStatus::Running) == 0
        };
        if self.machines.get(&machine_arn).is_some_and(gone) {
            self.machines.remove(&machine_arn);
        }
    }

    /// Keeps what reads told so far of an execution whose status is about to change.
    pub(super) fn remember(&mut self, id: ExecutionId, now: Now) {
        let execution = &mut self.executions[id];
        execution.past = Some((now.at, execution.seen()));
        self.recent.push_back((now.at, id));
        let lag_max = self.faults.list_lag_max;
        while self
            .recent
            .pop_front_if(|(at, _)| now.at - *at > lag_max)
            .is_some()
        {}
    }

    /// Changes the status, keeps the listing in step and announces the change.
    pub(super) fn set_status(&mut self, id: ExecutionId, status: ExecutionStatus) {
        let execution = &mut self.executions[id];
        let key = execution.listing_key(id);
        if let Some(machine) = self.machines.get_mut(&execution.revision.machine_arn) {
            machine.listing.take(execution.status, &key);
            machine.listing.put(status, key);
        }
        execution.status = status;
        let announcement = (Arc::clone(&execution.arn), status, execution.event_detail());
        self.outbox.push(announcement);
    }
}

impl Listing {
    pub(super) fn put(&mut self, status: ExecutionStatus, key: ListingKey) {
        self.all.insert(key);
        self.by_status.entry(status).or_default().insert(key);
    }

    pub(super) fn take(&mut self, status: ExecutionStatus, key: &ListingKey) {
        self.all.remove(key);
        if let Some(keys) = self.by_status.get_mut(&status) {
            keys.remove(key);
        }
    }

    pub(super) fn count(&self, status: ExecutionStatus) -> usize {
        self.by_status.get(&status).map_or(0, BTreeSet::len)
    }
}

impl Execution {
    /// Listings are sorted by the start, or by the last redrive.
    pub(super) fn listing_key(&self, id: ExecutionId) -> ListingKey {
        (self.redriven_ms.unwrap_or(self.started.ms), id)
    }

    /// What reads tell of it now.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            status: self.status,
            stopped: self.stopped,
            redriven_ms: self.redriven_ms,
            redrive_count: self.redrive_count,
            output: self.output.clone(),
            reason: self.reason.clone(),
        }
    }

    /// What a read tells that lags behind by that much.
    pub(super) fn seen_by(&self, lag: Duration, now: Now) -> Seen {
        match &self.past {
            Some((changed, past)) if now.at - *changed < lag => past.clone(),
            _ => self.seen(),
        }
    }

    /// Detail of "Step Functions Execution Status Change" (Developer Guide, "Automating event delivery with
    /// EventBridge"): times are milliseconds since 1970, and input and output are left out when their escaped texts
    /// together exceed 248 KiB.
    fn event_detail(&self) -> Value {
        let escaped = |text: &str| json!(text).to_string().len();
        let data = escaped(&self.input) + self.output.as_deref().map_or(0, escaped);
        let included = data <= 248 << 10;
        let details = json!({"included": included});
        let output = self.output.as_deref().filter(|_| included);
        json!({
            "executionArn": *self.arn,
            "stateMachineArn": self.revision.machine_arn,
            "stateMachineVersionArn": null,
            "stateMachineAliasArn": null,
            "name": self.name,
            "status": self.status.as_str(),
            "startDate": self.started.ms,
            "stopDate": self.stopped.map(|now| now.ms),
            "input": Some(&*self.input).filter(|_| included),
            "inputDetails": details,
            "output": output,
            "outputDetails": self.output.as_ref().map(|_| details.clone()),
            "error": self.reason.error.as_deref(),
            "cause": self.reason.cause.as_deref(),
            "redriveCount": self.redrive_count,
            "redriveDate": self.redriven_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SharedRng;

    fn running(input: &str) -> State {
        let text = r#"{"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}"#;
        let revision = Arc::new(Revision {
            machine_arn: "machine-arn".to_owned(),
            machine_name: "machine".to_owned(),
            role_arn: "role-arn".into(),
            text: text.to_owned(),
            definition: Definition::parse(text).unwrap(),
        });
        let mut state = State::new(Mint::new(SharedRng::seeded(0)));
        let (arn, input) = ("execution-arn".into(), input.into());
        let execution = Execution::new(arn, "run".to_owned(), revision, input, None, at(1_000));
        state.insert(execution);
        state
    }

    fn at(ms: i64) -> Now {
        let at = Instant::now();
        Now { ms, at }
    }

    /// Names, nulls and times in milliseconds: Developer Guide, "Step Functions Execution Status Change".
    #[test]
    fn status_changes_are_announced_as_eventbridge_shows_them() {
        let mut state = running("{}");
        let reason = Reason {
            error: Some("E".into()),
            cause: Some("C".into()),
        };
        state.close(0, at(2_500), End::Failed(reason));
        let details: Vec<Value> = state
            .outbox
            .drain(..)
            .map(|(_, _, detail)| detail)
            .collect();
        let mut expect = json!({
            "executionArn": "execution-arn", "stateMachineArn": "machine-arn", "name": "run", "status": "RUNNING",
            "startDate": 1000, "stopDate": null, "input": "{}", "inputDetails": {"included": true},
            "output": null, "outputDetails": null, "error": null, "cause": null, "redriveCount": 0, "redriveDate": null,
            "stateMachineVersionArn": null, "stateMachineAliasArn": null,
        });
        assert_eq!(details[0], expect);
        expect["status"] = json!("FAILED");
        expect["stopDate"] = json!(2500);
        expect["error"] = json!("E");
        expect["cause"] = json!("C");
        assert_eq!(details[1], expect);
    }

    /// "If the combined escaped size of input and output exceeds 248 KB, the input is excluded" (Developer Guide).
    #[test]
    fn announcements_leave_out_what_is_too_large() {
        let mut state = running(&json!("x".repeat(200_000)).to_string());
        state.close(
            0,
            at(2_000),
            End::Succeeded(json!("y".repeat(100_000)).to_string().into()),
        );
        let [(_, _, first), (_, _, second)] = &state.outbox[..] else {
            panic!("two status changes");
        };
        assert_eq!(first["inputDetails"], json!({"included": true}));
        assert_eq!(
            (&second["input"], &second["output"]),
            (&json!(null), &json!(null))
        );
        assert_eq!(second["inputDetails"], json!({"included": false}));
        assert_eq!(second["outputDetails"], json!({"included": false}));
    }
}
