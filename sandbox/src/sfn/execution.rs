//! The driver of one execution: from state to state, with retries, catches and timeouts.

mod attempt;
mod evaluate;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Core;
use super::asl::data_flow::Failure;
use super::asl::retry::{self, Retrier};
use super::asl::{Catcher, Kind, State as Definition, Transition};
use super::history::{Detail, Reason};
use super::state::{End, Ended, ExecutionId, ExecutionStatus, Now, Position, Revision, State};

/// The quota of a task's, state's or execution's data (Developer Guide, "Step Functions service quotas").
pub(super) const MAX_DATA_BYTES: usize = 262_144;

/// What serde_json reads, with which the next state reads the data.
const DEPTH_MAX: usize = 127;

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

/// One visit of a state. Its input stays text while it waits: of 100,000 executions at once, most do.
struct Visit<'a> {
    state: &'a Definition,
    position: Position,
}

/// How a visit ended: with an output and where to go, or for good.
enum Exit {
    Went(Arc<str>, Transition),
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
            let visit = Visit { state, position };
            match self.visit(&visit).await? {
                Exit::Failed(failure) => return self.fail(&failure),
                Exit::Went(output, transition) => {
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
            all.transitions += 1;
            Ok(position)
        })?
    }

    fn fail(&self, failure: &Failure) -> Result<(), Ended> {
        let end = End::Failed(reason(failure));
        self.change(|state, now| state.close(self.id, now, end))
    }

    /// Runs a state until it goes on or fails for good.
    async fn visit(&self, visit: &Visit<'_>) -> Result<Exit, Ended> {
        let (retriers, catchers): (&[Retrier], &[Catcher]) = match &visit.state.kind {
            Kind::Task(task) => (&task.retriers, &task.catchers),
            _ => Default::default(),
        };
        // Retries so far, by retrier.
        let mut tried = vec![0_u64; retriers.len()];
        loop {
            let failure = match self.attempt(visit, tried.iter().sum()).await? {
                Ok((output, transition)) => return Ok(Exit::Went(output, transition)),
                Err(failure) => located(failure, visit),
            };
            // The first retrier that names the error governs, even when its attempts are used up.
            let governing = retriers.iter().position(|r| names(&r.errors, &failure));
            let Some(at) = governing.filter(|&at| tried[at] < retriers[at].max_attempts) else {
                return Ok(catch(catchers, failure, visit));
            };
            let fraction = if retriers[at].full_jitter {
                self.core.rng.fraction()
            } else {
                1.0
            };
            let delay = retriers[at].delay(tried[at], fraction);
            tried[at] += 1;
            self.change(|state, _| state.transitions += 1)?;
            self.core.clock.sleep(delay).await;
        }
    }
}

fn names(errors: &[String], failure: &Failure) -> bool {
    let error = failure.error.as_deref().unwrap_or_default();
    retry::names(errors, error, failure.missed_heartbeat)
}

/// The first catcher that names the error takes the execution on. What AWS gives as the cause when there is none is not
/// documented; here it is an empty text, so that `$.Cause` can be read.
fn catch(catchers: &[Catcher], failure: Failure, visit: &Visit<'_>) -> Exit {
    let Some(catcher) = catchers
        .iter()
        .find(|catcher| names(&catcher.errors, &failure))
    else {
        return Exit::Failed(failure);
    };
    let caught = json!({
        "Error": failure.error.unwrap_or_default(),
        "Cause": failure.cause.unwrap_or_default(),
    });
    let raw = visit.raw();
    let output = catcher.result_path.put(raw.clone(), caught);
    match output.and_then(|output| visit.share(&output, &raw)) {
        Ok(output) => Exit::Went(output, Transition::Next(Arc::clone(&catcher.next))),
        Err(failure) => Exit::Failed(located(failure, visit)),
    }
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

impl Visit<'_> {
    fn raw(&self) -> Value {
        serde_json::from_str(&self.position.input).unwrap_or_default()
    }

    /// The text of a value: the state's input itself when it is the same, so that it is kept once.
    ///
    /// # Errors
    /// `States.DataLimitExceeded` above the quota, `States.Runtime` for what could not be read again.
    fn share(&self, value: &Value, raw: &Value) -> Result<Arc<str>, Failure> {
        if value == raw {
            return Ok(Arc::clone(&self.position.input));
        }
        if !nests_at_most(DEPTH_MAX, value) {
            let cause = format!(
                "the sandbox does not implement data that nests more than {DEPTH_MAX} deep"
            );
            return Err(Failure::raised("States.Runtime", cause));
        }
        let text = value.to_string();
        if text.len() <= MAX_DATA_BYTES {
            return Ok(text.into());
        }
        let name = &self.state.name;
        Err(Failure {
            error: Some("States.DataLimitExceeded".to_owned()),
            cause: Some(format!(
                "The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit."
            )),
            ..Failure::default()
        })
    }
}

/// Whether a value's arrays and objects stand at most so deep in each other.
fn nests_at_most(depth: usize, value: &Value) -> bool {
    let inner = |value: &Value| depth > 0 && nests_at_most(depth - 1, value);
    match value {
        Value::Array(items) => depth > 0 && items.iter().all(inner),
        Value::Object(fields) => depth > 0 && fields.values().all(inner),
        _ => true,
    }
}

fn reason(failure: &Failure) -> Reason {
    Reason {
        error: failure.error.as_deref().map(Into::into),
        cause: failure.cause.as_deref().map(Into::into),
    }
}
