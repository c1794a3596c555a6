//! The asynchronous queue: who is served when, what is tried again, and what becomes of the rest.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::environment;
use super::{FunctionConfig, FunctionError, Lambda, State};

/// Delay before the first and the second retry of an event whose invocation failed.
const RETRY_DELAYS: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];

/// An event that waits for capacity.
pub(super) struct QueuedEvent {
    request_id: String,
    payload: Bytes,
    received_ms: i64,
    /// Invocations of it so far.
    attempts: u32,
    /// Its place in the order of arrival.
    arrival: u64,
}

impl Lambda {
    pub(super) fn enqueue(self: &Arc<Self>, function: String, request_id: String, payload: Bytes) {
        let event = QueuedEvent {
            request_id,
            payload,
            received_ms: self.clock.now_ms(),
            attempts: 0,
            arrival: 0,
        };
        self.push(&function, event);
    }

    fn push(self: &Arc<Self>, name: &str, mut event: QueuedEvent) {
        {
            let mut state = self.lock();
            state.arrivals += 1;
            event.arrival = state.arrivals;
            let full = state.running >= self.account_concurrency;
            let Some(function) = state.functions.get_mut(name) else {
                return;
            };
            let reserved_full = function
                .config
                .reserved_concurrency
                .is_some_and(|most| function.stats.running >= most);
            function.stats.throttles += u64::from(full || reserved_full);
            function.queue.push_back(event);
        }
        self.serve();
    }

    /// Begins as many queued events as there is capacity for.
    fn serve(self: &Arc<Self>) {
        while let Some((config, event)) = self.next_event() {
            let lambda = Arc::clone(self);
            tokio::spawn(async move {
                lambda.run_event(config, event).await;
                lambda.serve();
            });
        }
    }

    /// Takes the event that waits longest among the functions that have capacity, and the capacity with it.
    fn next_event(&self) -> Option<(FunctionConfig, QueuedEvent)> {
        let mut state = self.lock();
        if state.running >= self.account_concurrency {
            return None;
        }
        let ready = state.functions.values_mut().filter(|function| {
            let limit = function.config.reserved_concurrency;
            limit.is_none_or(|most| most == 0 || function.stats.running < most)
        });
        let function = ready
            .filter(|function| !function.queue.is_empty())
            .min_by_key(|function| function.queue.front().map(|event| event.arrival))?;
        let event = function.queue.pop_front()?;
        let config = function.config.clone();
        begin(&mut state, &config.name);
        Some((config, event))
    }

    async fn run_event(self: &Arc<Self>, config: FunctionConfig, mut event: QueuedEvent) {
        let age_ms = self.clock.now_ms() - event.received_ms;
        let too_old = u128::try_from(age_ms).unwrap_or(0)
            > self.clock.scaled(config.max_event_age).as_millis();
        if too_old || config.reserved_concurrency == Some(0) {
            end(&mut self.lock(), &config.name, false);
            self.give_up(&config, &event, "EventAgeExceeded", None);
            return;
        }
        event.attempts += 1;
        let result =
            environment::invoke(self, &config, &event.request_id, event.payload.clone()).await;
        end(&mut self.lock(), &config.name, result.is_err());
        let Err(error) = result else { return };
        let retries = usize::try_from(event.attempts - 1).unwrap_or(usize::MAX);
        let delay = RETRY_DELAYS
            .get(retries)
            .filter(|_| event.attempts <= config.max_retries);
        let Some(delay) = delay else {
            self.give_up(&config, &event, "RetriesExhausted", Some(&error));
            return;
        };
        let (lambda, delay) = (Arc::clone(self), self.clock.scaled(*delay));
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            lambda.push(&config.name, event);
        });
    }

    /// Sends the invocation record to the on-failure destination (Lambda developer guide, "Adding a destination").
    fn give_up(
        &self,
        config: &FunctionConfig,
        event: &QueuedEvent,
        condition: &str,
        error: Option<&FunctionError>,
    ) {
        if let Some(function) = self.lock().functions.get_mut(&config.name) {
            function.stats.failed_events += 1;
        }
        tracing::warn!(function = config.name, condition, "event given up");
        let Some(queue) = &config.on_failure_arn else {
            return;
        };
        let mut record = json!({
            "version": "1.0",
            "timestamp": self.clock.now().format(&Rfc3339).unwrap_or_default(),
            "requestContext": {
                "requestId": event.request_id,
                "functionArn": format!("{}:$LATEST", self.arn(&config.name)),
                "condition": condition,
                "approximateInvokeCount": event.attempts,
            },
            "requestPayload": serde_json::from_slice::<Value>(&event.payload).unwrap_or(Value::Null),
        });
        if let Some(error) = error {
            record["responseContext"] = json!({"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"});
            record["responsePayload"] = error.document();
        }
        if let Err(error) = self.sqs.send(
            queue,
            &record.to_string(),
            &std::collections::BTreeMap::new(),
        ) {
            tracing::error!(queue, %error, "failed event lost: its destination does not take it");
        }
    }

    /// Invokes a function and waits for its answer (InvocationType RequestResponse); None without capacity.
    pub(super) async fn invoke_now(
        self: &Arc<Self>,
        name: &str,
        payload: Bytes,
    ) -> Option<Result<Value, FunctionError>> {
        let config = {
            let mut state = self.lock();
            let full = state.running >= self.account_concurrency;
            let function = state.functions.get_mut(name)?;
            let reserved_full = function
                .config
                .reserved_concurrency
                .is_some_and(|most| function.stats.running >= most);
            if full || reserved_full {
                function.stats.throttles += 1;
                return None;
            }
            let config = function.config.clone();
            begin(&mut state, name);
            config
        };
        let request_id = self.rng.uuid();
        let result = environment::invoke(self, &config, &request_id, payload).await;
        end(&mut self.lock(), name, result.is_err());
        self.serve();
        Some(result)
    }
}

fn begin(state: &mut State, name: &str) {
    state.running += 1;
    if let Some(function) = state.functions.get_mut(name) {
        let stats = &mut function.stats;
        stats.invocations += 1;
        stats.running += 1;
        stats.running_peak = stats.running_peak.max(stats.running);
    }
}

fn end(state: &mut State, name: &str, failed: bool) {
    state.running -= 1;
    if let Some(function) = state.functions.get_mut(name) {
        function.stats.running -= 1;
        function.stats.errors += u64::from(failed);
    }
}
