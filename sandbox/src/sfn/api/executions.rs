//! Executions: start, stop, redrive, and what became of them.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::Core;
use super::super::execution::{MAX_DATA_BYTES, spawn};
use super::super::history::{self, Detail, Reason, seconds};
use super::super::state::{
    End, Execution, ExecutionId, ExecutionStatus, ListingKey, Now, Revision, Seen, State,
};
use super::activities::reason;
use super::input::{Input, invalid, json_problem};
use super::{machines, pages};
use crate::clock::Clock;
use crate::wire::ApiError;

const DAY: Duration = Duration::from_hours(24);

/// A name is free again this long after its execution closed (API reference, StartExecution).
const NAME_KEPT: Duration = DAY.saturating_mul(90);

pub(super) fn start(core: &Arc<Core>, mut input: Input) -> Result<Value, ApiError> {
    let machine_arn = input.arn("stateMachineArn", "stateMachine")?;
    let name = input.name("name")?;
    let text = input.sensitive("input", MAX_DATA_BYTES)?;
    let trace_header = input.text("traceHeader")?;
    input.finish()?;
    let text = text.unwrap_or_else(|| "{}".to_owned());
    let problem = match text.trim() {
        "" => Some("Invalid execution input.".to_owned()),
        text => json_problem(text),
    };
    if let Some(problem) = problem {
        let message = format!("Invalid State Machine Execution Input: '{problem}'");
        return Err(ApiError::client("InvalidExecutionInput", message));
    }
    let name = name.unwrap_or_else(|| core.rng.uuid());
    core.with(|state, now| {
        let machine = state
            .machines
            .get(&machine_arn)
            .ok_or_else(|| machines::does_not_exist(&machine_arn))?;
        if machine.deleting {
            return Err(machines::deleting(&machine_arn));
        }
        let revision = Arc::clone(&machine.revision);
        let arn: Arc<str> = core
            .account
            .arn(
                "states",
                &format!("execution:{}:{name}", revision.machine_name),
            )
            .into();
        if let Some(&id) = state.by_arn.get(&arn)
            && let Some(answer) = started_before(state, id, &text, &core.clock, now)
        {
            return answer;
        }
        let execution = Execution::new(arn, name, revision, text.into(), trace_header, now);
        let started = execution.start_answer();
        let id = state.insert(execution);
        spawn(core, state, id);
        Ok(started)
    })
}

/// The answer when there is an execution of that name: itself if it runs with the same input, an error if it runs with
/// another or is closed; none when its name is free again.
///
/// Whether AWS compares inputs as bytes or as JSON is not documented; here it is bytes, the stricter.
fn started_before(
    state: &mut State,
    id: ExecutionId,
    input: &str,
    clock: &Clock,
    now: Now,
) -> Option<Result<Value, ApiError>> {
    let execution = &state.executions[id];
    match execution.stopped {
        None if *execution.input == *input => Some(Ok(execution.start_answer())),
        Some(stopped) if now.at - stopped.at >= clock.scaled(NAME_KEPT) => {
            let key = execution.listing_key(id);
            if let Some(machine) = state.machines.get_mut(&execution.revision.machine_arn) {
                machine.listing.take(execution.status, &key);
            }
            None
        }
        _ => {
            let message = format!("Execution Already Exists: '{}'", execution.arn);
            Some(Err(ApiError::client("ExecutionAlreadyExists", message)))
        }
    }
}

impl Execution {
    pub(in crate::sfn) fn new(
        arn: Arc<str>,
        name: String,
        revision: Arc<Revision>,
        input: Arc<str>,
        trace_header: Option<String>,
        started: Now,
    ) -> Self {
        let detail = Detail::ExecutionStarted {
            input: Arc::clone(&input),
            role_arn: Arc::clone(&revision.role_arn),
        };
        let mut history = Vec::new();
        history::append(&mut history, started.ms, detail);
        Self {
            arn,
            name,
            revision,
            input,
            trace_header,
            status: ExecutionStatus::Running,
            started,
            stopped: None,
            redriven_ms: None,
            redrive_count: 0,
            redrives: VecDeque::new(),
            output: None,
            reason: Reason::default(),
            history,
            position: None,
            task: None,
            driver: None,
            past: None,
        }
    }

    fn start_answer(&self) -> Value {
        json!({"executionArn": *self.arn, "startDate": seconds(self.started.ms)})
    }

    fn describe(&self, seen: &Seen, clock: &Clock, now: Now) -> Value {
        let mut members = seen.reason.members();
        let mut set = |name: &str, value: Value| {
            members.insert(name.to_owned(), value);
        };
        set("executionArn", json!(*self.arn));
        set("stateMachineArn", json!(self.revision.machine_arn));
        set("name", json!(self.name));
        set("status", json!(seen.status.as_str()));
        set("startDate", seconds(self.started.ms));
        set("input", json!(*self.input));
        set("inputDetails", json!({"included": true}));
        set("redriveCount", json!(seen.redrive_count));
        if let Some(stopped) = seen.stopped {
            set("stopDate", seconds(stopped.ms));
        }
        if let Some(output) = &seen.output {
            set("output", json!(**output));
            set("outputDetails", json!({"included": true}));
        }
        if let Some(header) = &self.trace_header {
            set("traceHeader", json!(header));
        }
        if let Some(ms) = seen.redriven_ms {
            set("redriveDate", seconds(ms));
        }
        match self.not_redrivable(clock, now) {
            None => set("redriveStatus", json!("REDRIVABLE")),
            Some(reason) => {
                set("redriveStatus", json!("NOT_REDRIVABLE"));
                set("redriveStatusReason", json!(reason));
            }
        }
        members.into()
    }

    fn item(&self, seen: &Seen) -> Value {
        let mut item = json!({
            "executionArn": *self.arn,
            "stateMachineArn": self.revision.machine_arn,
            "name": self.name,
            "status": seen.status.as_str(),
            "startDate": seconds(self.started.ms),
            "redriveCount": seen.redrive_count,
        });
        if let Some(stopped) = seen.stopped {
            item["stopDate"] = seconds(stopped.ms);
        }
        if let Some(ms) = seen.redriven_ms {
            item["redriveDate"] = seconds(ms);
        }
        item
    }
}

impl State {
    /// Adds an execution that starts now.
    pub(in crate::sfn) fn insert(&mut self, execution: Execution) -> ExecutionId {
        let id = self.executions.len();
        self.by_arn.insert(Arc::clone(&execution.arn), id);
        self.recent.push_back((execution.started.at, id));
        self.executions.push(execution);
        self.set_status(id, ExecutionStatus::Running);
        id
    }

    /// What a listing lists that lags behind by that much.
    fn listed(
        &self,
        machine_arn: &str,
        filter: Option<ExecutionStatus>,
        lag: Duration,
        now: Now,
    ) -> Result<Cow<'_, BTreeSet<ListingKey>>, ApiError> {
        let machine = self
            .machines
            .get(machine_arn)
            .ok_or_else(|| machines::does_not_exist(machine_arn))?;
        let Some(status) = filter else {
            return Ok(Cow::Borrowed(&machine.listing.all));
        };
        let mut keys = match machine.listing.by_status.get(&status) {
            Some(keys) => Cow::Borrowed(keys),
            None => Cow::Owned(BTreeSet::new()),
        };
        for &(_, id) in self.recent.iter().filter(|(at, _)| now.at - *at < lag) {
            let execution = &self.executions[id];
            let key = execution.listing_key(id);
            if execution.revision.machine_arn != machine_arn {
                continue;
            }
            let is_new = now.at - execution.started.at < lag;
            if !is_new && execution.seen_by(lag, now).status == status {
                keys.to_mut().insert(key);
            } else {
                keys.to_mut().remove(&key);
            }
        }
        Ok(keys)
    }

    pub(super) fn execution(&self, arn: &str) -> Result<ExecutionId, ApiError> {
        self.by_arn.get(arn).copied().ok_or_else(|| {
            let message = format!("Execution Does Not Exist: '{arn}'");
            ApiError::client("ExecutionDoesNotExist", message)
        })
    }
}

/// How far one read lags behind.
fn lag(core: &Core, lag_max: Duration) -> Duration {
    if lag_max.is_zero() {
        lag_max
    } else {
        lag_max.mul_f64(core.rng.fraction())
    }
}

/// Stopping a closed execution changes nothing and answers when it stopped.
pub(super) fn stop(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let arn = input.arn("executionArn", "execution")?;
    let reason = reason(&mut input)?;
    input.finish()?;
    core.with(|state, now| {
        let id = state.execution(&arn)?;
        if state.executions[id].status == ExecutionStatus::Running {
            state.close(id, now, End::Aborted(reason));
        }
        let stopped = state.executions[id].stopped.unwrap_or(now);
        Ok(json!({"stopDate": seconds(stopped.ms)}))
    })
}

pub(super) fn describe(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let arn = input.arn("executionArn", "execution")?;
    input.finish()?;
    core.with(|state, now| {
        let id = state.execution(&arn)?;
        let lag = lag(core, state.faults.describe_lag_max);
        let execution = &state.executions[id];
        Ok(execution.describe(&execution.seen_by(lag, now), &core.clock, now))
    })
}

/// Newest first. A page goes on after the last key of the one before, so executions that start or close between two
/// pages neither repeat nor hide others.
pub(super) fn list(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let machine_arn = input.arn("stateMachineArn", "stateMachine")?;
    let filter = input
        .text("statusFilter")?
        .as_deref()
        .map(status)
        .transpose()?;
    let max_results = input.max_results()?;
    let next_token = input.text("nextToken")?;
    input.finish()?;
    let of = format!(
        "{machine_arn} {}",
        filter.map_or("", ExecutionStatus::as_str)
    );
    let before: Option<ListingKey> = next_token
        .map(|token| pages::after(&core.clock, &of, &token))
        .transpose()?;
    core.with(|state, now| {
        let lag = lag(core, state.faults.list_lag_max);
        let keys = state.listed(&machine_arn, filter, lag, now)?;
        let mut keys = keys
            .range(..before.unwrap_or((i64::MAX, ExecutionId::MAX)))
            .rev();
        let page: Vec<ListingKey> = keys.by_ref().take(max_results).copied().collect();
        let next_token = page
            .last()
            .filter(|_| keys.next().is_some())
            .map(|last| pages::token(&core.clock, &of, last));
        let page = page.iter().map(|&(_, id)| {
            let execution = &state.executions[id];
            execution.item(&execution.seen_by(lag, now))
        });
        Ok(super::listing("executions", page.collect(), next_token))
    })
}

fn status(text: &str) -> Result<ExecutionStatus, ApiError> {
    Ok(match text {
        "RUNNING" => ExecutionStatus::Running,
        "SUCCEEDED" => ExecutionStatus::Succeeded,
        "FAILED" => ExecutionStatus::Failed,
        "TIMED_OUT" => ExecutionStatus::TimedOut,
        "ABORTED" => ExecutionStatus::Aborted,
        // Only with a Map Run's ARN: "If you provide a stateMachineArn and a PENDING_REDRIVE statusFilter, the API
        // returns a validation exception."
        other => {
            let constraint = "Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, FAILED, ABORTED, RUNNING]";
            return Err(invalid(&format!("'{other}'"), "statusFilter", constraint));
        }
    })
}

pub(super) fn history(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let arn = input.arn("executionArn", "execution")?;
    let max_results = input.max_results()?;
    let reverse = input.flag("reverseOrder")?.unwrap_or(false);
    let include_data = input.flag("includeExecutionData")?.unwrap_or(true);
    let next_token = input.text("nextToken")?;
    input.finish()?;
    let of = format!("{arn} {reverse}");
    let after: Option<usize> = next_token
        .map(|token| pages::after(&core.clock, &of, &token))
        .transpose()?;
    core.with(|state, _| {
        let events = &state.executions[state.execution(&arn)?].history;
        let ids: Vec<usize> = if reverse {
            let last = after.map_or(events.len(), |id| id - 1);
            (1..=last).rev().take(max_results).collect()
        } else {
            (after.unwrap_or(0) + 1..=events.len())
                .take(max_results)
                .collect()
        };
        let end = if reverse { 1 } else { events.len() };
        let next_token = ids
            .last()
            .filter(|&&id| id != end)
            .map(|id| pages::token(&core.clock, &of, id));
        let page = ids
            .iter()
            .map(|&id| events[id - 1].to_json(id, include_data));
        Ok(super::listing("events", page.collect(), next_token))
    })
}
