//! One invocation, from taking an environment to giving it back.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::capacity::Slot;
use super::failure::{self, Outcome};
use super::process::Assignment;
use super::{Code, FunctionConfig, Handler, Invocation, Lambda};

/// Runs one invocation; the slot is free again when it is over.
pub(super) async fn run(
    lambda: &Arc<Lambda>,
    slot: Slot,
    config: &Arc<FunctionConfig>,
    request_id: &str,
    payload: Bytes,
) -> Outcome {
    lambda.count(&config.name, |counts| counts.invocations += 1);
    let outcome = match &config.code {
        Code::Handler(handler) => {
            in_process(lambda, config, handler.as_ref(), request_id, &payload).await
        }
        Code::Program { .. } => in_environment(lambda, config, request_id, payload).await,
    };
    drop(slot);
    if let Err(error) = &outcome {
        lambda.count(&config.name, |counts| counts.errors += 1);
        let error_type = error["errorType"].as_str();
        tracing::warn!(
            function = config.name,
            request_id,
            error_type,
            "an invocation failed"
        );
    }
    outcome
}

/// A handler that panics has crashed: as with a process that exits, what it was about to say is lost.
async fn in_process(
    lambda: &Lambda,
    config: &FunctionConfig,
    handler: &dyn Handler,
    request_id: &str,
    payload: &[u8],
) -> Outcome {
    let deadline = Instant::now() + lambda.clock.scaled(config.timeout);
    let invocation = Invocation {
        request_id: request_id.to_owned(),
        deadline_ms: deadline_ms(lambda, config),
        function_arn: lambda.arn(&config.name),
        payload: serde_json::from_slice(payload).unwrap_or_default(),
    };
    let running = AssertUnwindSafe(async { handler.invoke(invocation).await }).catch_unwind();
    match timeout_at(deadline, running).await {
        Err(_) => Err(failure::timed_out(request_id, config.timeout)),
        Ok(Err(_panic)) => {
            let reason = "Runtime exited with error: exit status 101";
            Err(failure::exited(request_id, reason))
        }
        Ok(Ok(Err(error))) => Err(failure::document(&error.error_type, &error.message)),
        Ok(Ok(Ok(answer))) => Ok(answer.to_string().into()),
    }
}

/// The timeout begins when there is an environment: a cold start has its own limit. An environment that timed out or
/// exited is never used again.
async fn in_environment(
    lambda: &Arc<Lambda>,
    config: &Arc<FunctionConfig>,
    request_id: &str,
    payload: Bytes,
) -> Outcome {
    let process = lambda.environment(config, request_id).await?;
    let deadline = Instant::now() + lambda.clock.scaled(config.timeout);
    let assignment = Assignment {
        request_id: request_id.to_owned(),
        deadline_ms: deadline_ms(lambda, config),
        function_arn: lambda.arn(&config.name),
        trace_id: trace_id(lambda),
        payload,
    };
    let outcome = match timeout_at(deadline, process.answer(assignment)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(reason)) => return Err(init_error_or(&process.init_error(), request_id, &reason)),
        Err(_) => {
            process.kill();
            process.gone().await;
            return Err(failure::timed_out(request_id, config.timeout));
        }
    };
    // The invocation lasts until the runtime asks for the next one: what it does after its answer is still its time.
    match timeout_at(deadline, process.asks()).await {
        Ok(Ok(())) => lambda.give_back(&process),
        Ok(Err(_)) => {}
        Err(_) => process.kill(),
    }
    outcome
}

/// An environment whose initialisation failed says why; one that just ended cannot.
pub(super) fn init_error_or(init_error: &Option<Value>, request_id: &str, reason: &str) -> Value {
    match init_error {
        Some(error) => error.clone(),
        None => failure::exited(request_id, reason),
    }
}

fn deadline_ms(lambda: &Lambda, config: &FunctionConfig) -> i64 {
    let timeout = lambda.clock.scaled(config.timeout).as_millis();
    let timeout = i64::try_from(timeout).unwrap_or(i64::MAX);
    lambda.clock.now_ms().saturating_add(timeout)
}

/// A trace that is not sampled: `Root=1-<seconds in hex>-<96 random bits>` (X-Ray developer guide, "Tracing header").
fn trace_id(lambda: &Lambda) -> String {
    let seconds = lambda.clock.now().unix_timestamp();
    let (root, parent) = (lambda.rng.hex(12), lambda.rng.hex(8));
    format!("Root=1-{seconds:08x}-{root};Parent={parent};Sampled=0")
}
