//! The driver of one execution: from state to state, with retries, catches and timeouts.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use tokio::time::Instant;

use super::Core;
use super::activity::{Limits, TaskEnd};
use super::asl::data_flow::{Failure, unresolved};
use super::asl::path::{Expression, Scope};
use super::asl::{
    Kind, Resource, Seconds, State as Definition, Task, Text, Transition, Until, retry,
};
use super::history::{Detail, Reason};
use super::publish;
use super::state::{
    End, Ended, Execution, ExecutionId, ExecutionStatus, Now, Position, Revision, State,
};

/// The quota of a task's, state's or execution's data (Developer Guide, "Step Functions service quotas").
pub(super) const MAX_DATA_BYTES: usize = 262_144;

/// Drives an execution until it closes; `run` is its redrive count, since a driver of an earlier run must do nothing.
pub(super) fn spawn(core: &Arc<Core>, state: &mut State, id: ExecutionId) {
    let execution = &mut state.executions[id];
    let driver = Driver {
        core: Arc::clone(core),
        id,
        run: execution.redrive_count,
        revision: Arc::clone(&execution.revision),
    };
    let start = execution.position.clone();
    let task = tokio::spawn(async move { driver.drive(start).await });
    execution.driver = Some(task.abort_handle());
}

struct Driver {
    core: Arc<Core>,
    id: ExecutionId,
    run: u32,
    revision: Arc<Revision>,
}

/// One visit of a state.
struct Visit<'a> {
    state: &'a Definition,
    raw: Value,
    position: Position,
}

/// How a visit ended.
enum Exit {
    Went(Value, Transition),
    Failed(Failure),
}

impl Driver {
    async fn drive(self, start: Option<Position>) {
        let limit = self.revision.definition.timeout_s;
        // Ended: whoever closed the execution has recorded why.
        let walk = async { self.walk(start).await.unwrap_or(()) };
        let Some(limit_s) = limit else {
            return walk.await;
        };
        // "When you redrive an execution, the state machine level timeout is reset to 0" (Developer Guide).
        tokio::select! {
            biased;
            () = walk => {}
            () = self.core.clock.sleep(Duration::from_secs(limit_s)) => {
                let _ = self.change(|state, now| state.close(self.id, now, End::TimedOut));
            }
        }
    }

    /// Changes the state, unless the execution was closed or redriven meanwhile.
    fn change<R>(&self, change: impl FnOnce(&mut State, Now) -> R) -> Result<R, Ended> {
        self.core.with(|state, now| {
            let execution = &state.executions[self.id];
            let mine = execution.redrive_count == self.run;
            if mine && execution.status == ExecutionStatus::Running {
                Ok(change(state, now))
            } else {
                Err(Ended)
            }
        })
    }

    fn record(&self, detail: Detail) -> Result<usize, Ended> {
        self.change(|state, now| state.record(self.id, now, detail))?
    }

    /// From the first state, or the one of a redrive, to the end.
    async fn walk(&self, start: Option<Position>) -> Result<(), Ended> {
        let definition = &self.revision.definition;
        let mut resumed = start;
        let mut next = Arc::clone(&definition.start_at);
        let mut input = self.change(|state, _| Arc::clone(&state.executions[self.id].input))?;
        loop {
            if let Some(position) = &resumed {
                next = Arc::clone(&position.state);
                input = Arc::clone(&position.input);
            }
            // The definition was checked, so the state exists.
            let state = definition.states.get(&next).ok_or(Ended)?;
            let position = match resumed.take() {
                // A redrive schedules a task again in the same visit; a Fail state is entered again (Developer Guide,
                // "Redrive behavior of individual states").
                Some(position) if !matches!(state.kind, Kind::Fail { .. }) => position,
                _ => self.enter(state, input)?,
            };
            let raw = serde_json::from_str(&position.input).unwrap_or_default();
            let visit = Visit {
                state,
                raw,
                position,
            };
            match self.visit(&visit).await? {
                Exit::Failed(failure) => return self.fail(&failure),
                Exit::Went(output, transition) => {
                    let output: Arc<str> = share(&output, &visit);
                    self.record(Detail::StateExited {
                        kind: state.kind.name(),
                        name: Arc::clone(&state.name),
                        output: Arc::clone(&output),
                    })?;
                    match transition {
                        Transition::Next(name) => (next, input) = (name, output),
                        Transition::End => {
                            let end = End::Succeeded(output);
                            return self.change(|state, now| state.close(self.id, now, end));
                        }
                    }
                }
            }
        }
    }

    fn enter(&self, state: &Definition, input: Arc<str>) -> Result<Position, Ended> {
        self.change(|all, now| {
            // "On the next state transition, the executions of a deleted state machine are terminated" (API
            // reference, DeleteStateMachine).
            let machine = all.machines.get(&self.revision.machine_arn);
            if machine.is_some_and(|machine| machine.deleting) {
                all.close(self.id, now, End::Aborted(Reason::default()));
                return Err(Ended);
            }
            let entered_event = all.record(
                self.id,
                now,
                Detail::StateEntered {
                    kind: state.kind.name(),
                    name: Arc::clone(&state.name),
                    input: Arc::clone(&input),
                },
            )?;
            let position = Position {
                state: Arc::clone(&state.name),
                input,
                entered_ms: now.ms,
                entered_event,
            };
            all.executions[self.id].position = Some(position.clone());
            Ok(position)
        })?
    }

    fn fail(&self, failure: &Failure) -> Result<(), Ended> {
        let end = End::Failed(reason(failure));
        self.change(|state, now| state.close(self.id, now, end))
    }

    /// Runs a state until it goes on or fails for good.
    async fn visit(&self, visit: &Visit<'_>) -> Result<Exit, Ended> {
        let (retriers, catchers) = match &visit.state.kind {
            Kind::Task(task) => (task.retriers.as_slice(), task.catchers.as_slice()),
            _ => Default::default(),
        };
        let mut retries = vec![0_u64; retriers.len()];
        loop {
            let context = self.context(visit, retries.iter().sum())?;
            let scope = Scope {
                input: &visit.raw,
                context: &context,
                rng: &self.core.rng,
            };
            let failure = match self.attempt(visit, &scope).await? {
                Ok((output, transition)) => match within_limit(&output, visit) {
                    Ok(()) => return Ok(Exit::Went(output, transition)),
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            let failure = located(failure, visit);
            let names = |errors: &[String]| {
                let error = failure.error.as_deref().unwrap_or_default();
                retry::names(errors, error, failure.missed_heartbeat)
            };
            // The first retrier that names the error governs, even when its attempts are used up.
            let governing = retriers.iter().position(|retrier| names(&retrier.errors));
            if let Some(at) = governing.filter(|&at| retries[at] < retriers[at].max_attempts) {
                let retrier = &retriers[at];
                let fraction = if retrier.full_jitter {
                    self.core.rng.fraction()
                } else {
                    1.0
                };
                let delay = retrier.delay(retries[at], fraction);
                retries[at] += 1;
                self.core.clock.sleep(delay).await;
                continue;
            }
            let Some(catcher) = catchers.iter().find(|catcher| names(&catcher.errors)) else {
                return Ok(Exit::Failed(failure));
            };
            let caught = json!({
                "Error": failure.error.as_deref().unwrap_or_default(),
                "Cause": failure.cause.as_deref().unwrap_or_default(),
            });
            return Ok(match catcher.result_path.put(visit.raw.clone(), caught) {
                Ok(output) => Exit::Went(output, Transition::Next(Arc::clone(&catcher.next))),
                Err(failure) => Exit::Failed(located(failure, visit)),
            });
        }
    }

    /// Runs a state once.
    async fn attempt(
        &self,
        visit: &Visit<'_>,
        scope: &Scope<'_>,
    ) -> Result<Result<(Value, Transition), Failure>, Ended> {
        let flow = &visit.state.flow;
        Ok(match &visit.state.kind {
            Kind::Task(task) => {
                let input = match flow.effective_input(scope) {
                    Ok(input) => input,
                    Err(failure) => return Ok(Err(failure)),
                };
                let result = self.run_task(task, &input, visit, scope).await?;
                result
                    .and_then(|result| flow.output(result, scope))
                    .map(|output| (output, task.transition.clone()))
            }
            Kind::Pass { result, transition } => flow
                .effective_input(scope)
                .map(|input| result.clone().unwrap_or(input))
                .and_then(|result| flow.output(result, scope))
                .map(|output| (output, transition.clone())),
            Kind::Choice { choices, default } => flow.effective_input(scope).and_then(|input| {
                let next = choose(
                    choices,
                    default.as_ref(),
                    &Scope {
                        input: &input,
                        ..*scope
                    },
                )?;
                Ok((flow.pass_through(scope)?, Transition::Next(next)))
            }),
            Kind::Wait { until, transition } => match self.wait(until, scope).await {
                Ok(()) => flow
                    .pass_through(scope)
                    .map(|output| (output, transition.clone())),
                Err(failure) => Err(failure),
            },
            Kind::Succeed => flow
                .pass_through(scope)
                .map(|output| (output, Transition::End)),
            Kind::Fail { error, cause } => Err(fail_state(error.as_ref(), cause.as_ref(), scope)),
        })
    }

    async fn run_task(
        &self,
        task: &Task,
        input: &Value,
        visit: &Visit<'_>,
        scope: &Scope<'_>,
    ) -> Result<Result<Value, Failure>, Ended> {
        if let Err(failure) = within_limit(input, visit) {
            return Ok(Err(failure));
        }
        let limits =
            seconds(task.timeout.as_ref(), "TimeoutSecondsPath", scope).and_then(|timeout_s| {
                let heartbeat_s = seconds(task.heartbeat.as_ref(), "HeartbeatSecondsPath", scope)?;
                Ok((timeout_s, heartbeat_s))
            });
        let (timeout_s, heartbeat_s) = match limits {
            Ok(limits) => limits,
            Err(failure) => return Ok(Err(failure)),
        };
        match &task.resource {
            Resource::Activity(arn) => {
                self.run_activity(arn, input, timeout_s, heartbeat_s, visit)
                    .await
            }
            Resource::SnsPublish => {
                self.record(Detail::PublishScheduled {
                    parameters: share(input, visit),
                    region: self.core.account.region.as_str().into(),
                    timeout_s,
                    heartbeat_s,
                })?;
                self.record(Detail::PublishStarted)?;
                let result = publish::publish(&self.core, input);
                self.record(match &result {
                    Ok(output) => Detail::PublishSucceeded {
                        output: output.to_string().into(),
                    },
                    Err(failure) => Detail::PublishFailed(reason(failure)),
                })?;
                Ok(result)
            }
        }
    }

    async fn run_activity(
        &self,
        arn: &Arc<str>,
        input: &Value,
        timeout_s: Option<u64>,
        heartbeat_s: Option<u64>,
        visit: &Visit<'_>,
    ) -> Result<Result<Value, Failure>, Ended> {
        let scaled = |s: Option<u64>| s.map(|s| self.core.clock.scaled(Duration::from_secs(s)));
        let limits = Limits {
            timeout: scaled(timeout_s),
            heartbeat: scaled(heartbeat_s),
        };
        let input = share(input, visit);
        let scheduled = self.change(|state, now| {
            if !state.activities.contains_key(arn) {
                return Ok(None);
            }
            let detail = Detail::ActivityScheduled {
                resource: Arc::clone(arn),
                input: Arc::clone(&input),
                timeout_s,
                heartbeat_s,
            };
            state.record(self.id, now, detail)?;
            Ok(Some(state.schedule(self.id, arn, input, limits, now)))
        })??;
        let Some(mut scheduled) = scheduled else {
            let cause = format!("The activity {arn} does not exist.");
            return Ok(Err(Failure::raised("States.Runtime", cause)));
        };
        scheduled.started.await.map_err(|_| Ended)?;
        loop {
            let due = self.change(|state, _| state.due(scheduled.task))?.flatten();
            tokio::select! {
                biased;
                end = &mut scheduled.ended => return match end.map_err(|_| Ended)? {
                    TaskEnd::Succeeded(output) => Ok(serde_json::from_str(&output)
                        .map_err(|error| Failure::raised("States.Runtime", error.to_string()))),
                    TaskEnd::Failed(reason) => Ok(Err(Failure {
                        error: reason.error.as_deref().map(str::to_owned),
                        cause: reason.cause.as_deref().map(str::to_owned),
                        ..Failure::default()
                    })),
                },
                () = sleep_until(due) => {
                    let timed_out = self.change(|state, now| state.time_out_task(scheduled.task, now))?;
                    if let Some(failure) = timed_out {
                        return failure.map(Err);
                    }
                }
            }
        }
    }

    async fn wait(&self, until: &Until, scope: &Scope<'_>) -> Result<(), Failure> {
        // A timestamp is a moment of wall time, whatever the speed; only durations are divided by it.
        let timestamp = match until {
            Until::Seconds(given) => {
                let wait_s = seconds(Some(given), "SecondsPath", scope)?.unwrap_or_default();
                self.core.clock.sleep(Duration::from_secs(wait_s)).await;
                return Ok(());
            }
            Until::Timestamp(at) => *at,
            Until::TimestampPath(path) => {
                let value = value_at(path, "TimestampPath", scope)?;
                let parsed = value
                    .as_str()
                    .and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
                parsed.ok_or_else(|| {
                    let cause = format!("The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: {value}");
                    Failure::raised("States.Runtime", cause)
                })?
            }
        };
        if let Ok(left) = Duration::try_from(timestamp - self.core.clock.now()) {
            tokio::time::sleep(left).await;
        }
        Ok(())
    }

    /// The context object (Developer Guide, "Accessing execution data from the Context object"). RedriveTime is there
    /// only after a redrive.
    fn context(&self, visit: &Visit<'_>, retry_count: u64) -> Result<Value, Ended> {
        self.change(|state, _| {
            let execution = &state.executions[self.id];
            let mut context = json!({
                "Execution": {
                    "Id": *execution.arn,
                    "Input": self.input_value(execution, visit),
                    "Name": execution.name,
                    "RoleArn": *self.revision.role_arn,
                    "StartTime": timestamp(execution.started.ms),
                    "RedriveCount": execution.redrive_count,
                },
                "State": {
                    "EnteredTime": timestamp(visit.position.entered_ms),
                    "Name": *visit.state.name,
                    "RetryCount": retry_count,
                },
                "StateMachine": {
                    "Id": self.revision.machine_arn,
                    "Name": self.revision.machine_name,
                },
            });
            if let Some(ms) = execution.redriven_ms {
                context["Execution"]["RedriveTime"] = timestamp(ms).into();
            }
            context
        })
    }

    fn input_value(&self, execution: &Execution, visit: &Visit<'_>) -> Value {
        if Arc::ptr_eq(&execution.input, &visit.position.input) {
            return visit.raw.clone();
        }
        serde_json::from_str(&execution.input).unwrap_or_default()
    }
}

fn choose(
    choices: &[(super::asl::choice::Rule, Arc<str>)],
    default: Option<&Arc<str>>,
    scope: &Scope<'_>,
) -> Result<Arc<str>, Failure> {
    for (rule, next) in choices {
        let holds = rule.holds(scope).map_err(|error| match error {
            super::asl::path::EvaluationError::NoSuchPath(path) => Failure::raised(
                "States.Runtime",
                format!("Invalid path '{path}': The choice state's condition path references an invalid value."),
            ),
            error @ super::asl::path::EvaluationError::Intrinsic(_) => unresolved(error, "Variable", "", scope),
        })?;
        if holds {
            return Ok(Arc::clone(next));
        }
    }
    default.cloned().ok_or_else(|| {
        Failure::raised(
            "States.Runtime",
            "Failed to transition out of the state. The state does not point to a next state.",
        )
    })
}

fn fail_state(error: Option<&Text>, cause: Option<&Text>, scope: &Scope<'_>) -> Failure {
    let evaluate = |text: Option<&Text>, field: &str| match text {
        None => Ok(None),
        Some(Text::Literal(text)) => Ok(Some(text.clone())),
        Some(Text::Path(path)) => match value_at(path, field, scope)? {
            Value::String(text) => Ok(Some(text)),
            other => Err(Failure::raised(
                "States.Runtime",
                format!("The {field} field does not reference a string: {other}"),
            )),
        },
    };
    let evaluated = evaluate(error, "ErrorPath").and_then(|error| {
        let cause = evaluate(cause, "CausePath")?;
        Ok(Failure {
            error,
            cause,
            ..Failure::default()
        })
    });
    evaluated.unwrap_or_else(|failure| failure)
}

/// A number of seconds, from the definition or the input; None when the field is not there.
fn seconds(
    given: Option<&Seconds>,
    field: &str,
    scope: &Scope<'_>,
) -> Result<Option<u64>, Failure> {
    match given {
        None => Ok(None),
        Some(Seconds::Literal(s)) => Ok(Some(*s)),
        Some(Seconds::Path(path)) => {
            let value = value_at(path, field, scope)?;
            let valid = value
                .as_u64()
                .filter(|s| (1..=99_999_999).contains(s) || field == "SecondsPath");
            valid.map(Some).ok_or_else(|| {
                let cause = format!(
                    "The {field} parameter does not reference a valid number of seconds: {value}"
                );
                Failure::raised("States.Runtime", cause)
            })
        }
    }
}

fn value_at(path: &Expression, field: &str, scope: &Scope<'_>) -> Result<Value, Failure> {
    let text = match path {
        Expression::Path(path) => path.to_string(),
        Expression::Call(_) => String::new(),
    };
    path.evaluate(scope)
        .map_err(|error| unresolved(error, field, &text, scope))
}

/// The failure with the state's name before the cause, if the interpreter raised it: the words of AWS, as recorded in
/// LocalStack's test_activity_task_on_deleted.
fn located(failure: Failure, visit: &Visit<'_>) -> Failure {
    if !failure.raised {
        return failure;
    }
    let (name, event) = (&visit.state.name, visit.position.entered_event);
    let cause = failure.cause.unwrap_or_default();
    Failure {
        cause: Some(format!(
            "An error occurred while executing the state '{name}' (entered at the event id #{event}). {cause}"
        )),
        ..failure
    }
}

fn within_limit(data: &Value, visit: &Visit<'_>) -> Result<(), Failure> {
    if data.to_string().len() <= MAX_DATA_BYTES {
        return Ok(());
    }
    let name = &visit.state.name;
    Err(Failure {
        error: Some("States.DataLimitExceeded".to_owned()),
        cause: Some(format!(
            "The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit."
        )),
        ..Failure::default()
    })
}

/// The text of a value: the state's input itself when it is the same, so that it is kept once.
fn share(value: &Value, visit: &Visit<'_>) -> Arc<str> {
    if *value == visit.raw {
        Arc::clone(&visit.position.input)
    } else {
        value.to_string().into()
    }
}

fn reason(failure: &Failure) -> Reason {
    Reason {
        error: failure.error.as_deref().map(Into::into),
        cause: failure.cause.as_deref().map(Into::into),
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// `2026-11-01T12:00:00.000Z`
fn timestamp(ms: i64) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_default()
}
