//! What takes time: tasks and waits.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::super::activity::{Limits, TaskEnd};
use super::super::asl::data_flow::Failure;
use super::super::asl::path::Scope;
use super::super::asl::{Resource, Task, Until};
use super::super::history::Detail;
use super::super::publish;
use super::super::state::Ended;
use super::evaluate::{seconds, value_at};
use super::{Driver, Visit, reason, share, within_limit};

impl Driver {
    pub(super) async fn run_task(
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
                self.publish(input)
            }
        }
    }

    fn publish(&self, parameters: &Value) -> Result<Result<Value, Failure>, Ended> {
        self.record(Detail::PublishStarted)?;
        let result = publish::publish(&self.core, parameters);
        self.record(match &result {
            Ok(output) => Detail::PublishSucceeded {
                output: output.to_string().into(),
            },
            Err(failure) => Detail::PublishFailed(reason(failure)),
        })?;
        Ok(result)
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
            let due = self.change(|state, _| state.due(scheduled.task))?;
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

    pub(super) async fn wait(&self, until: &Until, scope: &Scope<'_>) -> Result<(), Failure> {
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
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
