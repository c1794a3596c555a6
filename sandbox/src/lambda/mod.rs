//! The Lambda service: asynchronous queue, concurrency, environments, Runtime API.
//!
//! A [`Code::Program`] runs as one child process an environment, reused while it lives. A [`Code::Handler`] runs in this
//! process: it has no environment to keep, but the same queue, concurrency, timeouts and errors.

mod api;
mod asynchronous;
mod capacity;
mod failure;
mod function;
mod invocation;
mod log;
mod pool;
mod process;
mod runtime_api;
mod stats;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::{Notify, Semaphore};

use crate::account::Account;
use crate::clock::Clock;
use crate::rng::SharedRng;
use crate::sqs::Sqs;
use crate::wire::{ApiError, Request, Response};
use capacity::Capacity;
pub use function::{Code, FunctionConfig, FunctionError, Handler, Invocation};
pub use invocation::Invoked;
pub use log::{LogLine, LogSink};
use process::Process;
pub use stats::{FunctionStats, Stats};

/// The most bytes of an asynchronous event (Lambda API reference, Invoke: 1 MB).
const ASYNC_PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// The most bytes of a synchronous request or response (Lambda quotas: 6 MB, 6291556 bytes on the wire).
const SYNC_PAYLOAD_BYTES_MAX: usize = 6_291_556;
/// How many processes may be starting at once. AWS starts a thousand environments in ten seconds; one machine that did
/// so would only slow each of them down. Whoever waits for a start takes an environment that becomes free instead.
const STARTS_MAX: usize = 4;

/// The Lambda service: asynchronous queue, concurrency, environments, Runtime API.
pub struct Lambda {
    account: Account,
    clock: Clock,
    rng: SharedRng,
    sqs: Arc<Sqs>,
    capacity: Arc<Capacity>,
    functions: Mutex<BTreeMap<String, Function>>,
    /// Every live process by its environment id, for the Runtime API.
    processes: Mutex<BTreeMap<String, Arc<Process>>>,
    starts: Semaphore,
    /// Where processes find the Runtime API; the server tells before the first one starts.
    runtime_api: Mutex<Option<SocketAddr>>,
    log: log::Log,
    next_arrival: AtomicU64,
    shut_down: AtomicBool,
}

/// A function with its state.
struct Function {
    config: Arc<FunctionConfig>,
    /// Processes that wait for an invocation; the most recently used is last.
    idle: Vec<Arc<Process>>,
    /// Told once for each process that becomes idle.
    idle_came: Arc<Notify>,
    counts: stats::Counts,
}

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
        Self {
            account,
            clock,
            rng,
            sqs,
            capacity: Arc::new(Capacity::new(account_concurrency)),
            functions: Mutex::default(),
            processes: Mutex::default(),
            starts: Semaphore::new(STARTS_MAX),
            runtime_api: Mutex::default(),
            log: log::Log::default(),
            next_arrival: AtomicU64::new(0),
            shut_down: AtomicBool::new(false),
        }
    }

    /// Answers one request off the wire (REST JSON, `/2015-03-31/functions/…`).
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        api::handle(&self, request).await
    }

    /// Creates or replaces a function and returns its ARN. Environments of the code before end when they are idle.
    pub fn create_function(&self, function: FunctionConfig) -> String {
        let name = function.name.clone();
        self.capacity
            .configure(&name, function.reserved_concurrency);
        let config = Arc::new(function);
        let outdated = match self.lock().entry(name.clone()) {
            std::collections::btree_map::Entry::Occupied(mut known) => {
                known.get_mut().config = config;
                std::mem::take(&mut known.get_mut().idle)
            }
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(Function {
                    config,
                    idle: Vec::new(),
                    idle_came: Arc::default(),
                    counts: stats::Counts::default(),
                });
                Vec::new()
            }
        };
        for process in outdated {
            process.terminate();
        }
        self.arn(&name)
    }

    /// Deletes a function. What is still queued for it is dropped.
    pub fn delete_function(&self, name: &str) {
        let deleted = self.lock().remove(name);
        for process in deleted.into_iter().flat_map(|function| function.idle) {
            process.terminate();
        }
    }

    /// Queues an event for a function (InvocationType Event) and returns its request id.
    /// # Errors
    /// `ResourceNotFoundException` for an unknown function; `RequestTooLargeException` above 1 MB;
    /// `InvalidRequestContentException` for a payload that is not JSON.
    pub fn invoke_async(
        self: &Arc<Self>,
        function_arn: &str,
        payload: Bytes,
    ) -> Result<String, ApiError> {
        let config = self.config(function_arn)?;
        check_size("Event", payload.len(), ASYNC_PAYLOAD_BYTES_MAX)?;
        check_json(&payload)?;
        let request_id = self.rng.uuid();
        let arrival = self.next_arrival.fetch_add(1, Ordering::Relaxed);
        asynchronous::enqueue(
            self,
            config.name.clone(),
            request_id.clone(),
            payload,
            arrival,
        );
        Ok(request_id)
    }

    /// Answers one request of the Runtime API (on its own listener): `/<environment>/2018-06-01/runtime/…`.
    pub async fn handle_runtime_api(self: Arc<Self>, request: Request) -> Response {
        runtime_api::handle(&self, request).await
    }

    /// Says where the Runtime API listens. Until then no program can be started.
    pub fn set_runtime_api(&self, address: SocketAddr) {
        *self
            .runtime_api
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    /// Says where the lines go that processes write. Before it is called they go to this process's own log.
    pub fn set_log_sink(&self, sink: LogSink) {
        self.log.set_sink(sink);
    }

    /// What the functions did so far, and what they are doing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        stats::collect(self)
    }

    /// The ids of the live environments, as they stand in AWS_LAMBDA_RUNTIME_API.
    #[must_use]
    pub fn environment_ids(&self) -> Vec<String> {
        self.lock_processes().keys().cloned().collect()
    }

    /// Stops all environments: processes get SIGTERM, then are killed after two seconds. Nothing starts afterwards, and
    /// what is still queued is dropped.
    pub async fn shut_down(&self) {
        self.shut_down.store(true, Ordering::Relaxed);
        self.capacity.close();
        let processes: Vec<_> = self.lock_processes().values().cloned().collect();
        for process in &processes {
            process.terminate();
        }
        for process in processes {
            process.gone().await;
        }
    }

    fn arn(&self, name: &str) -> String {
        self.account.arn("lambda", &format!("function:{name}"))
    }

    /// A function by its name, ARN or partial ARN (`123456789012:function:name`), with or without `:$LATEST`.
    fn config(&self, function: &str) -> Result<Arc<FunctionConfig>, ApiError> {
        let unqualified = function.strip_suffix(":$LATEST").unwrap_or(function);
        let partial_arn = format!("{}:function:", self.account.id);
        let name = unqualified
            .strip_prefix(&self.arn(""))
            .or_else(|| unqualified.strip_prefix(&partial_arn))
            .unwrap_or(unqualified);
        let functions = self.lock();
        let found = functions
            .get(name)
            .map(|function| Arc::clone(&function.config));
        found.ok_or_else(|| {
            let arn = if unqualified.contains(':') {
                function.to_owned()
            } else {
                self.arn(function)
            };
            ApiError {
                status: StatusCode::NOT_FOUND,
                code: "ResourceNotFoundException".to_owned(),
                message: format!("Function not found: {arn}"),
            }
        })
    }

    fn count(&self, name: &str, update: impl FnOnce(&mut stats::Counts)) {
        if let Some(function) = self.lock().get_mut(name) {
            update(&mut function.counts);
        }
    }

    fn is_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Function>> {
        self.functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_processes(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Process>>> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_size(invocation_type: &str, bytes: usize, limit: usize) -> Result<(), ApiError> {
    if bytes <= limit {
        return Ok(());
    }
    Err(ApiError {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        code: "RequestTooLargeException".to_owned(),
        message: format!(
            "{bytes} byte payload is too large for the {invocation_type} invocation type (limit {limit} bytes)"
        ),
    })
}

/// An empty payload stands for no event at all, which Lambda takes.
fn check_json(payload: &[u8]) -> Result<(), ApiError> {
    if payload.is_empty() {
        return Ok(());
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(payload) {
        Ok(_) => Ok(()),
        Err(error) => Err(ApiError::client(
            "InvalidRequestContentException",
            format!("Could not parse request body into json: {error}"),
        )),
    }
}
