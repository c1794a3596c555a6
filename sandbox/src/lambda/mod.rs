//! The Lambda service: asynchronous queue, concurrency, environments, Runtime API.

use std::sync::Arc;

use crate::account::Account;
use crate::clock::Clock;
use crate::rng::SharedRng;
use crate::sqs::Sqs;
use crate::wire::{Request, Response};
/// The Lambda service: asynchronous queue, concurrency, environments, Runtime API.
pub struct Lambda {}

impl Lambda {
    /// The service with nothing in it.
    #[must_use]
    pub fn new(
        account: Account,
        clock: Clock,
        rng: SharedRng,
        sqs: Arc<Sqs>,
        account_concurrency: usize,
    ) -> Self {
        todo!()
    }

    /// Answers one request off the wire.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        todo!()
    }

    /// Creates or replaces a function and returns its ARN.
    pub fn create_function(&self, function: FunctionConfig) -> String {
        todo!()
    }

    /// Queues an event for a function (InvocationType Event) and returns its request id.
    /// # Errors
    /// `ResourceNotFoundException` for an unknown function; `RequestTooLargeException` above 1 MB.
    pub fn invoke_async(
        self: &Arc<Self>,
        function_arn: &str,
        payload: bytes::Bytes,
    ) -> Result<String, crate::wire::ApiError> {
        todo!()
    }

    /// Answers one request of the Runtime API (on its own listener): `/<environment>/2018-06-01/runtime/…`.
    pub async fn handle_runtime_api(self: Arc<Self>, request: Request) -> Response {
        todo!()
    }

    /// Stops all environments: processes get SIGTERM, then are killed after two seconds.
    pub async fn shut_down(&self) {
        todo!()
    }
}

/// A function as it was configured.
#[derive(Clone)]
pub struct FunctionConfig {
    /// The function's name.
    pub name: String,
    /// How long one invocation may take (divided by the speed).
    pub timeout: std::time::Duration,
    /// Memory in MB: reported, not enforced.
    pub memory_mb: u32,
    /// Environment variables of the function.
    pub environment: std::collections::BTreeMap<String, String>,
    /// What an environment runs.
    pub code: Code,
    /// Concurrency reserved for, and limiting, this function.
    pub reserved_concurrency: Option<usize>,
    /// Retries of an asynchronous event whose invocation failed: 0 to 2.
    pub max_retries: u32,
    /// How old an asynchronous event may become (divided by the speed).
    pub max_event_age: std::time::Duration,
    /// ARN of the queue that gets events that failed for good.
    pub on_failure_arn: Option<String>,
}

/// What an execution environment runs.
#[derive(Clone)]
pub enum Code {
    /// A program that speaks the Runtime API at AWS_LAMBDA_RUNTIME_API, one process an environment.
    Program {
        /// The executable.
        program: std::path::PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// A handler in this process, for the simulation.
    Handler(Arc<dyn Handler>),
}

/// A function in this process.
pub trait Handler: Send + Sync {
    /// Runs one invocation. Dropping the future is what a timeout or a crash does.
    fn invoke(
        &self,
        invocation: Invocation,
    ) -> futures::future::BoxFuture<'static, Result<serde_json::Value, FunctionError>>;
}

/// One invocation, as a handler sees it.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Request id: the same at every retry of one asynchronous event.
    pub request_id: String,
    /// When the invocation will be ended, in milliseconds since 1970.
    pub deadline_ms: i64,
    /// ARN of the invoked function.
    pub function_arn: String,
    /// The event.
    pub payload: serde_json::Value,
}

/// What a handler fails with.
#[derive(Debug, Clone)]
pub struct FunctionError {
    /// Name of the error.
    pub error_type: String,
    /// What happened.
    pub message: String,
}
