//! The Lambda service: asynchronous queue, concurrency, execution environments, Runtime API.
//!
//! Sources: Lambda developer guide, "Asynchronous invocation", "Lambda runtime API" and "Understanding Lambda function scaling".
//! - An event whose invocation fails is tried again after one minute, then after two; then it goes to the on-failure
//!   destination, as does one that became too old.
//! - An event that finds no capacity waits in its queue and is served as capacity frees, in order of arrival. (AWS tries throttled
//!   events again after 1 s, growing to 5 min; the sandbox's queue is as fair and never slower.)
//! - An environment handles one invocation at a time; the one that was idle last is used first.

mod api;
mod environment;
mod queue;
mod runtime_api;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::account::Account;
use crate::clock::Clock;
use crate::rng::SharedRng;
use crate::sqs::Sqs;
use crate::wire::{ApiError, Request, Response};
use environment::Environment;
use queue::QueuedEvent;

/// Largest payload of an asynchronous invocation, in bytes (Lambda API reference, Invoke: 1 MB).
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Takes the lines that functions print: the function's name, and the line.
pub type LogSink = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// The functions.
pub struct Lambda {
    account: Account,
    clock: Clock,
    rng: SharedRng,
    sqs: Arc<Sqs>,
    account_concurrency: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    functions: BTreeMap<String, Function>,
    /// By id: every environment whose process lives.
    environments: BTreeMap<String, Arc<Environment>>,
    /// Invocations under way in the account.
    running: usize,
    /// Counts events, for the order of their arrival.
    arrivals: u64,
    runtime_api: Option<SocketAddr>,
    log_sink: Option<LogSink>,
}

struct Function {
    config: FunctionConfig,
    queue: std::collections::VecDeque<QueuedEvent>,
    /// Ids of environments that wait for an invocation, the last used last.
    idle: Vec<String>,
    stats: FunctionStats,
}

/// What a function did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FunctionStats {
    /// Invocations that were begun.
    pub invocations: u64,
    /// Invocations that ended in an error, crashes and timeouts included.
    pub errors: u64,
    /// Times that an event found no capacity.
    pub throttles: u64,
    /// Environments that were started.
    pub cold_starts: u64,
    /// Invocations under way.
    pub running: usize,
    /// The most that ever were.
    pub running_peak: usize,
    /// Events that were given up.
    pub failed_events: u64,
}

/// A function as it was configured.
#[derive(Clone)]
pub struct FunctionConfig {
    /// The function's name.
    pub name: String,
    /// How long one invocation may take (divided by the speed).
    pub timeout: Duration,
    /// Memory in MB: reported, not enforced.
    pub memory_mb: u32,
    /// Environment variables of the function.
    pub environment: BTreeMap<String, String>,
    /// What an environment runs.
    pub code: Code,
    /// Concurrency reserved for, and limiting, this function.
    pub reserved_concurrency: Option<usize>,
    /// Retries of an asynchronous event whose invocation failed: 0 to 2.
    pub max_retries: u32,
    /// How old an asynchronous event may become (divided by the speed).
    pub max_event_age: Duration,
    /// ARN of the queue that gets events that failed for good.
    pub on_failure_arn: Option<String>,
}

/// What an execution environment runs.
#[derive(Clone)]
pub enum Code {
    /// A program that speaks the Runtime API at AWS_LAMBDA_RUNTIME_API, one process an environment.
    Program {
        /// The executable.
        program: PathBuf,
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

impl FunctionError {
    /// The document that the service makes of it.
    fn document(&self) -> serde_json::Value {
        serde_json::json!({"errorType": self.error_type, "errorMessage": self.message})
    }
}

impl Lambda {
    /// The service with no function in it.
    #[must_use]
    pub fn new(
        account: Account,
        clock: Clock,
        rng: SharedRng,
        sqs: Arc<Sqs>,
        account_concurrency: usize,
    ) -> Self {
        Self {
            account,
            clock,
            rng,
            sqs,
            account_concurrency,
            state: Mutex::new(State::default()),
        }
    }

    /// Creates or replaces a function and returns its ARN. Environments of its predecessor end with their invocation.
    pub fn create_function(&self, function: FunctionConfig) -> String {
        let name = function.name.clone();
        let mut state = self.lock();
        let before = state.functions.remove(&name);
        let (queue, stats, idle) = before
            .map(|before| (before.queue, before.stats, before.idle))
            .unwrap_or_default();
        for id in idle {
            if let Some(environment) = state.environments.remove(&id) {
                environment.end();
            }
        }
        let created = Function {
            config: function,
            queue,
            idle: Vec::new(),
            stats,
        };
        state.functions.insert(name.clone(), created);
        self.arn(&name)
    }

    /// Where processes reach the Runtime API; set by the server before the first of them starts.
    pub fn set_runtime_api(&self, address: SocketAddr) {
        self.lock().runtime_api = Some(address);
    }

    /// Takes every line that a function prints, with the function's name. Without a sink their output is dropped.
    pub fn set_log_sink(&self, sink: LogSink) {
        self.lock().log_sink = Some(sink);
    }

    /// What each function did so far.
    #[must_use]
    pub fn stats(&self) -> BTreeMap<String, FunctionStats> {
        let state = self.lock();
        state
            .functions
            .iter()
            .map(|(name, function)| (name.clone(), function.stats))
            .collect()
    }

    /// Queues an event for a function (InvocationType Event) and returns its request id.
    ///
    /// # Errors
    /// `ResourceNotFoundException` for an unknown function; `RequestEntityTooLargeException` above 1 MB.
    pub fn invoke_async(
        self: &Arc<Self>,
        function_arn: &str,
        payload: Bytes,
    ) -> Result<String, ApiError> {
        if payload.len() > EVENT_BYTES_MAX {
            return Err(ApiError {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                code: "RequestTooLargeException".to_owned(),
                message: format!(
                    "{} byte payload is too large for the Event invocation type (limit {EVENT_BYTES_MAX} bytes)",
                    payload.len()
                ),
            });
        }
        let request_id = self.rng.uuid();
        self.enqueue(
            self.function_name(function_arn)?,
            request_id.clone(),
            payload,
        );
        Ok(request_id)
    }

    /// Answers one request off the wire.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        api::handle(&self, request).await
    }

    /// Answers one request of the Runtime API, which has a listener of its own: `/<environment>/2018-06-01/runtime/…`.
    pub async fn handle_runtime_api(self: Arc<Self>, request: Request) -> Response {
        runtime_api::handle(&self, request).await
    }

    /// Ends all environments. Invocations under way end with them.
    pub async fn shut_down(&self) {
        self.end_environments();
        // Their processes are reaped by tasks of their own, which get their turn here.
        tokio::task::yield_now().await;
    }

    pub(crate) fn end_environments(&self) {
        let environments = std::mem::take(&mut self.lock().environments);
        for environment in environments.into_values() {
            environment.end();
        }
    }

    fn arn(&self, name: &str) -> String {
        self.account.arn("lambda", &format!("function:{name}"))
    }

    /// The name of a function, from its ARN or name, if there is one of it.
    fn function_name(&self, arn_or_name: &str) -> Result<String, ApiError> {
        let name = arn_or_name.rsplit(':').next().unwrap_or_default();
        if self.lock().functions.contains_key(name) {
            return Ok(name.to_owned());
        }
        Err(ApiError {
            status: StatusCode::NOT_FOUND,
            code: "ResourceNotFoundException".to_owned(),
            message: format!("Function not found: {}", self.arn(name)),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
