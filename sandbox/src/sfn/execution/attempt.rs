//! One run of a state: what it needs of its input first, what takes time then, its output last.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::asl::data_flow::Failure;
use super::super::asl::path::Scope;
use super::super::asl::{Kind, Resource, Transition, Until};
use super::super::state::Ended;
use super::evaluate::{choose, fail_state, seconds, value_at};
use super::{Driver, Visit};

/// What a state's input comes to.
enum Prepared<'a> {
    /// The state has no work of its own: its result, and where it goes.
    Result(Value, Transition),
    Wait(Duration, &'a Transition),
    Task {
        resource: &'a Resource,
        input: Arc<str>,
        limits_s: LimitsS,
        transition: &'a Transition,
    },
}

/// A task's TimeoutSeconds and HeartbeatSeconds, as the definition gives them.
#[derive(Debug, Clone, Copy)]
pub(super) struct LimitsS {
    pub(super) timeout: Option<u64>,
    pub(super) heartbeat: Option<u64>,
}

impl Driver {
    /// Runs a state once: its output and where it goes.
    pub(super) async fn attempt(
        &self,
        visit: &Visit<'_>,
        retry_count: u64,
    ) -> Result<Result<(Arc<str>, Transition), Failure>, Ended> {
        let prepared = self.in_scope(visit, retry_count, |scope| self.prepare(visit, scope))?;
        let (result, transition) = match prepared {
            Err(failure) => return Ok(Err(failure)),
            Ok(Prepared::Result(result, transition)) => (Some(result), transition),
            Ok(Prepared::Wait(duration, transition)) => {
                tokio::time::sleep(duration).await;
                (None, transition.clone())
            }
            Ok(Prepared::Task {
                resource,
                input,
                limits_s,
                transition,
            }) => {
                let result = match resource {
                    Resource::Activity(arn) => self.run_activity(arn, input, limits_s).await?,
                    Resource::SnsPublish => self.publish(input, limits_s)?,
                };
                match result {
                    Err(failure) => return Ok(Err(failure)),
                    Ok(result) => (Some(result), transition.clone()),
                }
            }
        };
        self.in_scope(visit, retry_count, |scope| {
            let flow = &visit.state.flow;
            let output = match result {
                Some(result) => flow.output(result, scope)?,
                None => flow.pass_through(scope)?,
            };
            Ok((visit.share(&output, scope.input)?, transition))
        })
    }

    fn in_scope<R>(
        &self,
        visit: &Visit<'_>,
        retry_count: u64,
        evaluate: impl FnOnce(&Scope<'_>) -> R,
    ) -> Result<R, Ended> {
        let raw = visit.raw();
        let context = self.context(visit, &raw, retry_count)?;
        Ok(evaluate(&Scope {
            input: &raw,
            context: &context,
            rng: &self.core.rng,
        }))
    }

    fn prepare<'a>(&self, visit: &Visit<'a>, scope: &Scope<'_>) -> Result<Prepared<'a>, Failure> {
        let flow = &visit.state.flow;
        match &visit.state.kind {
            Kind::Task(task) => {
                let input = visit.share(&flow.effective_input(scope)?, scope.input)?;
                let timeout = seconds(task.timeout.as_ref(), "TimeoutSecondsPath", scope)?;
                let heartbeat = seconds(task.heartbeat.as_ref(), "HeartbeatSecondsPath", scope)?;
                Ok(Prepared::Task {
                    resource: &task.resource,
                    input,
                    limits_s: LimitsS { timeout, heartbeat },
                    transition: &task.transition,
                })
            }
            Kind::Pass { result, transition } => {
                let input = flow.effective_input(scope)?;
                let result = result.clone().unwrap_or(input);
                Ok(Prepared::Result(result, transition.clone()))
            }
            Kind::Choice { choices, default } => {
                let input = flow.effective_input(scope)?;
                let next = choose(
                    choices,
                    default.as_ref(),
                    &Scope {
                        input: &input,
                        ..*scope
                    },
                )?;
                Ok(Prepared::Result(input, Transition::Next(next)))
            }
            Kind::Wait { until, transition } => {
                Ok(Prepared::Wait(self.left(until, scope)?, transition))
            }
            Kind::Succeed => Ok(Prepared::Result(
                flow.effective_input(scope)?,
                Transition::End,
            )),
            Kind::Fail { error, cause } => Err(fail_state(error.as_ref(), cause.as_ref(), scope)),
        }
    }

    /// How long a Wait state really waits. A timestamp is a moment of wall time, whatever the speed; only durations are
    /// divided by it.
    fn left(&self, until: &Until, scope: &Scope<'_>) -> Result<Duration, Failure> {
        let timestamp = match until {
            Until::Seconds(given) => {
                let wait_s = seconds(Some(given), "SecondsPath", scope)?.unwrap_or_default();
                return Ok(self.core.clock.scaled(Duration::from_secs(wait_s)));
            }
            Until::Timestamp(at) => *at,
            Until::TimestampPath(path) => {
                let value = value_at(path, "TimestampPath", scope)?;
                let text = value.as_str().unwrap_or_default();
                OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
                    let cause = format!("The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: {value}");
                    Failure::raised("States.Runtime", cause)
                })?
            }
        };
        Ok(Duration::try_from(timestamp - self.core.clock.now()).unwrap_or_default())
    }
}
