//! RedriveExecution: an execution that did not succeed goes on where it failed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::Core;
use super::super::execution::spawn;
use super::super::history::{self, Detail, MAX_EVENTS, Reason, seconds};
use super::super::state::{Execution, ExecutionId, ExecutionStatus, Now, State};
use super::input::{Input, check_length};
use crate::clock::Clock;
use crate::wire::ApiError;

const DAY: Duration = Duration::from_hours(24);

/// How long after its close an execution can be redriven, and how long it may have been open (API reference,
/// RedriveExecution).
const REDRIVABLE: Duration = DAY.saturating_mul(14);
const MAX_OPEN: Duration = DAY.saturating_mul(365);

/// "Idempotent responses for the last 10 client tokens, valid for up to 15 minutes" (API reference, RedriveExecution).
const CLIENT_TOKENS: usize = 10;
const CLIENT_TOKEN_LIFE: Duration = Duration::from_mins(15);

pub(super) fn redrive(core: &Arc<Core>, mut input: Input) -> Result<Value, ApiError> {
    let arn = input.arn("executionArn", "execution")?;
    let client_token = input.text("clientToken")?;
    input.finish()?;
    if let Some(token) = &client_token {
        check_length(token, "clientToken", 1, 64)?;
    }
    core.with(|state, now| {
        let id = state.execution(&arn)?;
        let execution = &state.executions[id];
        let life = core.clock.scaled(CLIENT_TOKEN_LIFE);
        let repeated = execution
            .redrives
            .iter()
            .find(|(token, at)| client_token.as_ref() == Some(token) && now.at - at.at < life);
        if let Some((_, at)) = repeated {
            return Ok(json!({"redriveDate": seconds(at.ms)}));
        }
        if let Some(reason) = execution.not_redrivable(&core.clock, now) {
            return Err(ApiError::client("ExecutionNotRedrivable", reason));
        }
        let machine = state.machines.get(&execution.revision.machine_arn);
        if machine.is_none_or(|machine| machine.deleting) {
            let reason = "State machine is in DELETING status";
            return Err(ApiError::client("ExecutionNotRedrivable", reason));
        }
        state.reopen(id, client_token, now);
        spawn(core, state, id);
        Ok(json!({"redriveDate": seconds(now.ms)}))
    })
}

impl State {
    fn reopen(&mut self, id: ExecutionId, client_token: Option<String>, now: Now) {
        self.remember(id, now);
        let execution = &mut self.executions[id];
        let key = execution.listing_key(id);
        if let Some(machine) = self.machines.get_mut(&execution.revision.machine_arn) {
            machine.listing.take(execution.status, &key);
        }
        execution.redrive_count += 1;
        execution.redriven_ms = Some(now.ms);
        execution.stopped = None;
        execution.reason = Reason::default();
        if let Some(token) = client_token {
            execution.redrives.push_front((token, now));
            execution.redrives.truncate(CLIENT_TOKENS);
        }
        let count = execution.redrive_count;
        history::append(
            &mut execution.history,
            now.ms,
            Detail::ExecutionRedriven { count },
        );
        self.set_status(id, ExecutionStatus::Running);
    }
}

impl Execution {
    /// Why the execution cannot be redriven, in the words of the API reference (DescribeExecution,
    /// redriveStatusReason).
    pub(super) fn not_redrivable(&self, clock: &Clock, now: Now) -> Option<String> {
        let Some(stopped) = self
            .stopped
            .filter(|_| self.status != ExecutionStatus::Succeeded)
        else {
            let status = self.status.as_str();
            return Some(format!("Execution is {status} and cannot be redriven"));
        };
        let problem = if self.history.len() >= MAX_EVENTS - 1 {
            "Execution history event limit exceeded"
        } else if now.at - self.started.at > clock.scaled(MAX_OPEN) {
            "Execution has exceeded the max execution time"
        } else if now.at - stopped.at > clock.scaled(REDRIVABLE) {
            "Execution redrivable period exceeded"
        } else {
            return None;
        };
        Some(problem.to_owned())
    }
}
