//! The work of Task states.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::super::activity::{Limits, TaskEnd};
use super::super::asl::data_flow::Failure;
use super::super::history::Detail;
use super::super::publish;
use super::super::state::Ended;
use super::attempt::LimitsS;
use super::{Driver, reason};

impl Driver {
    /// Publishes at once: there is nothing to wait for.
    pub(super) fn publish(
        &self,
        parameters: Arc<str>,
        limits_s: LimitsS,
    ) -> Result<Result<Value, Failure>, Ended> {
        let parsed = serde_json::from_str(&parameters).unwrap_or_default();
        self.record(Detail::PublishScheduled {
            parameters,
            region: self.core.account.region.as_str().into(),
            timeout_s: limits_s.timeout,
            heartbeat_s: limits_s.heartbeat,
        })?;
        self.record(Detail::PublishStarted)?;
        let result = publish::publish(&self.core, &self.revision.role_arn, &parsed);
        self.record(match &result {
            Ok(output) => Detail::PublishSucceeded {
                output: output.to_string().into(),
            },
            Err(failure) => Detail::PublishFailed(reason(failure)),
        })?;
        Ok(result)
    }

    /// Schedules the activity's task and waits until a worker has ended it or a limit has passed.
    pub(super) async fn run_activity(
        &self,
        arn: &Arc<str>,
        input: Arc<str>,
        limits_s: LimitsS,
    ) -> Result<Result<Value, Failure>, Ended> {
        let scaled = |s: Option<u64>| s.map(|s| self.core.clock.scaled(Duration::from_secs(s)));
        let limits = Limits {
            timeout: scaled(limits_s.timeout),
            heartbeat: scaled(limits_s.heartbeat),
        };
        let scheduled = self.change(|state, now| {
            if !state.activities.contains_key(arn) {
                return Ok(None);
            }
            let detail = Detail::ActivityScheduled {
                resource: Arc::clone(arn),
                input: Arc::clone(&input),
                timeout_s: limits_s.timeout,
                heartbeat_s: limits_s.heartbeat,
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
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
