//! The life of one asynchronous event: waiting for capacity, invocations, retries, and the on-failure destination.
//!
//! Source: Lambda developer guide, "How Lambda handles errors and retries with asynchronous invocation". A failed
//! invocation is retried after one minute, then after two more. A throttled event goes back to the queue and is tried again
//! after 1 s, 2 s, … up to 5 minutes. Here it is moreover run as soon as capacity is free, in order of arrival: AWS's
//! many pollers come to the same, while one event that slept through its backoff would leave capacity unused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use super::capacity::Slot;
use super::failure::{Condition, Failed};
use super::{FunctionConfig, Lambda, invocation};
use crate::clock::iso_ms;

/// How long the retry of a failed invocation waits: the first, then the second.
const RETRY_DELAYS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// A throttled event is tried again after this long, doubled each time …
const THROTTLE_BACKOFF_MIN: Duration = Duration::from_secs(1);
/// … up to this.
const THROTTLE_BACKOFF_MAX: Duration = Duration::from_secs(300);

/// An event in the queue.
struct Event {
    lambda: Arc<Lambda>,
    function: String,
    request_id: String,
    payload: Bytes,
    arrival: u64,
    received: Instant,
    invocations: u32,
    /// The error document of the latest invocation.
    last_error: Option<Value>,
}

/// What became of an attempt to run an event.
enum Attempt {
    Succeeded,
    Failed(Condition),
    RetryAfter(Duration),
    /// The service was shut down.
    Dropped,
}

/// Starts the life of an event.
pub(super) fn enqueue(
    lambda: &Arc<Lambda>,
    function: String,
    request_id: String,
    payload: Bytes,
    arrival: u64,
) {
    lambda.count(&function, |counts| counts.queued += 1);
    let event = Event {
        lambda: Arc::clone(lambda),
        function,
        request_id,
        payload,
        arrival,
        received: Instant::now(),
        invocations: 0,
        last_error: None,
    };
    tokio::spawn(event.live());
}

impl Event {
    async fn live(mut self) {
        loop {
            // Read anew each time: the function may have been replaced in between.
            let Ok(config) = self.lambda.config(&self.function) else {
                break;
            };
            match self.attempt(&config).await {
                Attempt::RetryAfter(delay) => self.lambda.clock.sleep(delay).await,
                Attempt::Failed(condition) => {
                    self.give_up(&config, condition);
                    break;
                }
                Attempt::Succeeded | Attempt::Dropped => break,
            }
        }
        self.lambda
            .count(&self.function, |counts| counts.queued -= 1);
    }

    async fn attempt(&mut self, config: &Arc<FunctionConfig>) -> Attempt {
        if config.reserved_concurrency == Some(0) {
            return Attempt::Failed(Condition::ZeroReservedConcurrency);
        }
        let slot = match self.wait_for_slot(config).await {
            Ok(slot) => slot,
            Err(attempt) => return attempt,
        };
        self.invocations += 1;
        let outcome = invocation::run(
            &self.lambda,
            slot,
            config,
            &self.request_id,
            self.payload.clone(),
        )
        .await;
        let Err(error) = outcome else {
            return Attempt::Succeeded;
        };
        if self.lambda.is_shut_down() {
            return Attempt::Dropped;
        }
        self.last_error = Some(error);
        let retries = usize::try_from(self.invocations - 1).unwrap_or(usize::MAX);
        match RETRY_DELAYS.get(retries) {
            Some(delay) if self.invocations <= config.max_retries => {
                // An event whose retry would come after its time is given up at once.
                if self.lambda.clock.scaled(*delay) > self.time_left(config) {
                    Attempt::Failed(Condition::EventAgeExceeded)
                } else {
                    Attempt::RetryAfter(*delay)
                }
            }
            _ => Attempt::Failed(Condition::RetriesExhausted),
        }
    }

    async fn wait_for_slot(&self, config: &FunctionConfig) -> Result<Slot, Attempt> {
        if let Ok(slot) = self.lambda.capacity.try_acquire(&self.function) {
            return Ok(slot);
        }
        let throttled = || {
            self.lambda
                .count(&self.function, |counts| counts.throttles += 1)
        };
        throttled();
        let mut granted = self.lambda.capacity.wait(&self.function, self.arrival);
        let mut backoff = THROTTLE_BACKOFF_MIN;
        loop {
            let left = self.time_left(config);
            tokio::select! {
                slot = &mut granted => return slot.map_err(|_| Attempt::Dropped),
                () = tokio::time::sleep(self.lambda.clock.scaled(backoff).min(left)) => {}
            }
            if self.time_left(config).is_zero() {
                return Err(Attempt::Failed(Condition::EventAgeExceeded));
            }
            throttled();
            backoff = (backoff * 2).min(THROTTLE_BACKOFF_MAX);
        }
    }

    /// How much longer the event may stay in the queue, in time as it really passes.
    fn time_left(&self, config: &FunctionConfig) -> Duration {
        let max_age = self.lambda.clock.scaled(config.max_event_age);
        max_age.saturating_sub(self.received.elapsed())
    }

    fn give_up(&mut self, config: &FunctionConfig, condition: Condition) {
        let lambda = &self.lambda;
        lambda.count(&self.function, |counts| counts.given_up += 1);
        let function_arn = lambda.arn(&self.function);
        tracing::warn!(
            function_arn,
            request_id = self.request_id,
            ?condition,
            "Lambda gave an event up"
        );
        let Some(queue_arn) = &config.on_failure_arn else {
            return;
        };
        let failed = Failed {
            timestamp: iso_ms(lambda.clock.now()),
            request_id: &self.request_id,
            function_arn: &function_arn,
            condition,
            invoke_count: self.invocations,
            request_payload: &self.payload,
            response_payload: self.last_error.take(),
        };
        let record = failed.record().to_string();
        if let Err(error) = lambda.sqs.send(queue_arn, &record, &BTreeMap::new()) {
            tracing::warn!(function_arn, %error, "Lambda could not reach an on-failure destination");
        }
    }
}
