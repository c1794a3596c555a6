//! The shell of a Lambda function: logs, metrics, and one invocation after the other.

use std::any::Any;
use std::{io, panic};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock::Deadline;
use crate::event::EventError;
use crate::gate::{StepError, chain};

/// CloudWatch namespace of all metrics.
pub const NAMESPACE: &str = "Reelgate";

/// What an invocation fails with: a stable name, which logs and alarms match, and a message without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FunctionError {
    /// The error's name.
    pub name: &'static str,
    /// What happened, with its causes.
    pub message: String,
}

impl From<EventError> for FunctionError {
    fn from(error: EventError) -> Self {
        Self {
            name: "EventRefused",
            message: error.to_string(),
        }
    }
}

impl From<StepError> for FunctionError {
    fn from(error: StepError) -> Self {
        Self {
            name: error.name(),
            message: chain(&error),
        }
    }
}

/// The environment variable of that name, for the `from_vars` of configurations.
#[must_use]
#[allow(
    clippy::disallowed_methods,
    reason = "the one place where the environment is read"
)]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Runs a function until the Lambda service ends it. `handle` gets the event and the invocation's deadline.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run<F>(handle: F) -> Result<(), lambda_runtime::Error>
where
    F: AsyncFn(Value, Deadline) -> Result<Value, FunctionError>,
{
    let function = environment("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    let metrics = metrics_cloudwatch_embedded::Builder::new()
        .cloudwatch_namespace(NAMESPACE)
        .with_dimension("Function", function)
        .init()?;
    let handle = &handle;
    let invoke = |event: LambdaEvent<Value>| async move {
        let deadline = Deadline {
            at_ms: i64::try_from(event.context.deadline).unwrap_or(i64::MAX),
        };
        let result = handle(event.payload, deadline).await;
        // One document for each set of dimensions that something was measured for: an idle tick writes nothing.
        if let Err(error) = metrics.flush(io::stdout()) {
            tracing::warn!(%error, "metrics not written");
        }
        result.map_err(|error| Diagnostic {
            error_type: error.name.to_owned(),
            error_message: error.message,
        })
    };
    lambda_runtime::run(service_fn(invoke)).await
}

/// Starts logging to standard output: JSON if `AWS_LAMBDA_LOG_FORMAT` asks for it, from `AWS_LAMBDA_LOG_LEVEL` on (INFO if unset).
/// A panic is logged too, since what ships ends with it.
///
/// Nothing below INFO is compiled into an optimised program. Only the project's own events are written at that level. Libraries are heard from WARN on: at TRACE some of them write
/// whole requests, and those carry task tokens.
pub fn init_logs() {
    let level = environment("AWS_LAMBDA_LOG_LEVEL")
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::INFO);
    let own = [
        "workflow",
        "ingest_trigger",
        "activity_worker",
        "moderation_callback",
        "reconciler",
    ];
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(own.map(|target| (target, level)));
    let format = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_writer(io::stdout);
    let registry = tracing_subscriber::registry();
    if environment("AWS_LAMBDA_LOG_FORMAT")
        .is_some_and(|format| format.eq_ignore_ascii_case("json"))
    {
        registry.with(format.json().with_filter(targets)).init();
    } else {
        registry
            .with(format.without_time().with_filter(targets))
            .init();
    }
    panic::set_hook(Box::new(|panic| {
        tracing::error!(
            error_name = "Panicked",
            error = panic_message(panic.payload()),
            location = panic.location().map(tracing::field::display),
            "the program is wrong"
        );
    }));
}

/// A panic's message, if it is a constant. One that was put together may quote what was worked on, a task token even.
fn panic_message(payload: &dyn Any) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("a message that is left out, since it may quote data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_tells_its_message_only_if_that_is_constant() {
        let caught = |panicking: fn()| panic::catch_unwind(panicking).unwrap_err();
        let constant = caught(|| panic!("never so"));
        assert_eq!(panic_message(&*constant), "never so");
        let quoting = caught(|| panic!("{}", std::hint::black_box("AQCEAAAAKgAAAAMAAAA")));
        assert!(panic_message(&*quoting).starts_with("a message that is left out"));
    }
}
