//! What a function is made of: its configuration, its code, and what an invocation of it sees.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

/// A function as it was configured.
#[derive(Clone)]
pub struct FunctionConfig {
    /// The function's name.
    pub name: String,
    /// How long one invocation may take (divided by the speed).
    pub timeout: Duration,
    /// Memory in MB: reported, not enforced.
    pub memory_mb: u32,
    /// ARN of the role whose credentials its environments get; None: credentials that may do everything.
    pub role_arn: Option<String>,
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
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'static, Result<Value, FunctionError>>;
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
    pub payload: Value,
}

/// What a handler fails with.
#[derive(Debug, Clone)]
pub struct FunctionError {
    /// Name of the error.
    pub error_type: String,
    /// What happened.
    pub message: String,
}
