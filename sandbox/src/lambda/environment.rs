//! Execution environments: one process each, started when no idle one is left, ended when idle for long.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Code, FunctionConfig, FunctionError, Invocation, Lambda, LogSink};

/// How long an environment may take to ask for its first invocation (Lambda developer guide, "Lambda runtime environment
/// lifecycle"). Not divided by the speed: a real process starts no faster for it.
const INIT: Duration = Duration::from_secs(10);

/// How long an idle environment is kept, in the sandbox's time and in real time, whichever is longer.
const IDLE: Duration = Duration::from_mins(10);
const IDLE_REAL_MIN: Duration = Duration::from_secs(10);

/// A process that runs a function.
pub(super) struct Environment {
    /// Part of the Runtime API's path: tells whose request it is.
    pub(super) id: String,
    invocations: mpsc::UnboundedSender<Pending>,
    /// The receiving end, for the Runtime API's `next`.
    next: tokio::sync::Mutex<mpsc::UnboundedReceiver<Pending>>,
    /// The invocation that the process works on.
    current: Mutex<Option<(String, oneshot::Sender<Result<Value, FunctionError>>)>>,
    /// True once the process has gone.
    gone: watch::Sender<bool>,
    end: tokio::sync::Notify,
}

/// An invocation on its way to a process.
pub(super) struct Pending {
    pub(super) request_id: String,
    pub(super) function_arn: String,
    pub(super) payload: Bytes,
    timeout: Duration,
    answer: oneshot::Sender<Result<Value, FunctionError>>,
    taken: oneshot::Sender<()>,
}

impl Environment {
    /// Ends the process.
    pub(super) fn end(&self) {
        self.end.notify_one();
    }

    /// The next invocation, for the process that asks; None once the environment is ending. Also when it will be ended, in milliseconds since
    /// 1970.
    pub(super) async fn take_next(&self, lambda: &Lambda) -> Option<(Taken, i64)> {
        let pending = self.next.lock().await.recv().await?;
        let timeout_ms =
            i64::try_from(lambda.clock.scaled(pending.timeout).as_millis()).unwrap_or(i64::MAX);
        let deadline_ms = lambda.clock.now_ms().saturating_add(timeout_ms);
        let Pending {
            request_id,
            function_arn,
            payload,
            answer,
            taken,
            ..
        } = pending;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((request_id.clone(), answer));
        // The clock of the function's timeout starts now; nobody listens any more if the invocation was given up.
        let _ = taken.send(());
        let taken = Taken {
            request_id,
            function_arn,
            payload,
        };
        Some((taken, deadline_ms))
    }

    /// Takes a process's answer; false if that is not the invocation that it works on.
    pub(super) fn answer(&self, request_id: &str, result: Result<Value, FunctionError>) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_none_or(|(id, _)| id != request_id) {
            return false;
        }
        if let Some((_, answer)) = current.take() {
            // Nobody listens any more if the invocation timed out.
            let _ = answer.send(result);
        }
        true
    }
}

/// An invocation as a process gets it.
pub(super) struct Taken {
    pub(super) request_id: String,
    pub(super) function_arn: String,
    pub(super) payload: Bytes,
}

/// Runs one invocation, in an idle environment or a new one.
pub(super) async fn invoke(
    lambda: &Arc<Lambda>,
    config: &FunctionConfig,
    request_id: &str,
    payload: Bytes,
) -> Result<Value, FunctionError> {
    match &config.code {
        Code::Handler(handler) => {
            let timeout = lambda.clock.scaled(config.timeout);
            let invocation = Invocation {
                request_id: request_id.to_owned(),
                deadline_ms: lambda.clock.now_ms()
                    + i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX),
                function_arn: lambda.arn(&config.name),
                payload: serde_json::from_slice(&payload).unwrap_or(Value::Null),
            };
            let running = handler.invoke(invocation);
            tokio::time::timeout(timeout, running)
                .await
                .unwrap_or_else(|_| Err(timed_out(config, request_id)))
        }
        Code::Program { .. } => invoke_process(lambda, config, request_id, payload).await,
    }
}

async fn invoke_process(
    lambda: &Arc<Lambda>,
    config: &FunctionConfig,
    request_id: &str,
    payload: Bytes,
) -> Result<Value, FunctionError> {
    let environment = match take_idle(lambda, config) {
        Some(environment) => environment,
        None => start(lambda, config)?,
    };
    let (answer, answered) = oneshot::channel();
    let (taken, is_taken) = oneshot::channel();
    let mut gone = environment.gone.subscribe();
    let pending = Pending {
        request_id: request_id.to_owned(),
        function_arn: lambda.arn(&config.name),
        payload,
        timeout: config.timeout,
        answer,
        taken,
    };
    // A process that is gone is noticed below.
    let _ = environment.invocations.send(pending);
    let running = async {
        if tokio::time::timeout(INIT, is_taken).await.is_err() {
            return Err(FunctionError {
                error_type: "Sandbox.Timedout".to_owned(),
                message: format!(
                    "RequestId: {request_id} Error: the environment did not ask for an invocation within {} s",
                    INIT.as_secs()
                ),
            });
        }
        let timeout = lambda.clock.scaled(config.timeout);
        match tokio::time::timeout(timeout, answered).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err(exited(request_id)),
            Err(_) => Err(timed_out(config, request_id)),
        }
    };
    let outcome = tokio::select! {
        outcome = running => outcome,
        _ = gone.wait_for(|gone| *gone) => Err(exited(request_id)),
    };
    match outcome {
        Ok(result) => {
            put_idle(lambda, config, environment);
            result
        }
        // A timeout or a crash ends the environment.
        Err(error) => {
            remove(lambda, &environment);
            Err(error)
        }
    }
}

fn timed_out(config: &FunctionConfig, request_id: &str) -> FunctionError {
    FunctionError {
        error_type: "Sandbox.Timedout".to_owned(),
        message: format!(
            "RequestId: {request_id} Error: Task timed out after {:.2} seconds",
            config.timeout.as_secs_f64()
        ),
    }
}

fn exited(request_id: &str) -> FunctionError {
    FunctionError {
        error_type: "Runtime.ExitError".to_owned(),
        message: format!(
            "RequestId: {request_id} Error: Runtime exited without providing a reason"
        ),
    }
}

fn take_idle(lambda: &Lambda, config: &FunctionConfig) -> Option<Arc<Environment>> {
    let mut state = lambda.lock();
    while let Some(id) = state.functions.get_mut(&config.name)?.idle.pop() {
        if let Some(environment) = state
            .environments
            .get(&id)
            .filter(|environment| !*environment.gone.borrow())
        {
            return Some(Arc::clone(environment));
        }
    }
    None
}

/// Keeps an environment for the next invocation, for a while.
fn put_idle(lambda: &Arc<Lambda>, config: &FunctionConfig, environment: Arc<Environment>) {
    let name = config.name.clone();
    let invocations_before = {
        let mut state = lambda.lock();
        let Some(function) = state.functions.get_mut(&name) else {
            return;
        };
        function.idle.push(environment.id.clone());
        function.stats.invocations
    };
    let lambda = Arc::downgrade(lambda);
    tokio::spawn(async move {
        let Some(strong) = lambda.upgrade() else {
            return;
        };
        let idle = strong.clock.scaled(IDLE).max(IDLE_REAL_MIN);
        drop(strong);
        tokio::time::sleep(idle).await;
        let Some(lambda) = lambda.upgrade() else {
            return;
        };
        let unused = {
            let mut state = lambda.lock();
            let Some(function) = state.functions.get_mut(&name) else {
                return;
            };
            let place = function.idle.iter().position(|id| *id == environment.id);
            // Used again since: the later use has a timer of its own.
            let unused = place.filter(|_| function.stats.invocations == invocations_before);
            if let Some(place) = unused {
                function.idle.remove(place);
            }
            unused.is_some()
        };
        if unused {
            remove(&lambda, &environment);
        }
    });
}

fn remove(lambda: &Lambda, environment: &Environment) {
    lambda.lock().environments.remove(&environment.id);
    environment.end();
}

fn start(lambda: &Arc<Lambda>, config: &FunctionConfig) -> Result<Arc<Environment>, FunctionError> {
    let Code::Program { program, arguments } = &config.code else {
        return Err(invalid_entrypoint("the function is no program".to_owned()));
    };
    let id = lambda.rng.hex(8);
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        // Nothing of this machine: a function knows what its environment tells it, as on AWS.
        .env_clear()
        .envs(variables(lambda, config, &id))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| {
        invalid_entrypoint(format!("{} does not start: {error}", program.display()))
    })?;
    let sink = lambda.lock().log_sink.clone();
    forward(child.stdout.take(), &config.name, sink.clone());
    forward(child.stderr.take(), &config.name, sink);
    let (invocations, next) = mpsc::unbounded_channel();
    let environment = Arc::new(Environment {
        id: id.clone(),
        invocations,
        next: tokio::sync::Mutex::new(next),
        current: Mutex::new(None),
        gone: watch::Sender::new(false),
        end: tokio::sync::Notify::new(),
    });
    let watched = Arc::clone(&environment);
    tokio::spawn(async move {
        let ended = watched.end.notified();
        tokio::select! {
            status = child.wait() => tracing::debug!(?status, "environment exited"),
            () = ended => {
                if let Err(error) = child.kill().await {
                    tracing::warn!(%error, "environment not ended");
                }
            }
        }
        watched.gone.send_replace(true);
    });
    let mut state = lambda.lock();
    state.environments.insert(id, Arc::clone(&environment));
    if let Some(function) = state.functions.get_mut(&config.name) {
        function.stats.cold_starts += 1;
    }
    Ok(environment)
}

fn invalid_entrypoint(message: String) -> FunctionError {
    FunctionError {
        error_type: "Runtime.InvalidEntrypoint".to_owned(),
        message,
    }
}

/// What every environment is told (Lambda developer guide, "Defined runtime environment variables").
fn variables(lambda: &Lambda, config: &FunctionConfig, id: &str) -> BTreeMap<String, String> {
    let address = lambda
        .lock()
        .runtime_api
        .map(|address| format!("{address}/{id}"))
        .unwrap_or_default();
    let defined = [
        ("AWS_LAMBDA_RUNTIME_API", address),
        ("AWS_LAMBDA_FUNCTION_NAME", config.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            config.memory_mb.to_string(),
        ),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        (
            "AWS_LAMBDA_LOG_GROUP_NAME",
            format!("/aws/lambda/{}", config.name),
        ),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("[$LATEST]{id}")),
        ("AWS_REGION", lambda.account.region.clone()),
        ("AWS_DEFAULT_REGION", lambda.account.region.clone()),
        ("AWS_ACCESS_KEY_ID", "AKIDSANDBOX".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "sandbox".to_owned()),
        ("AWS_SESSION_TOKEN", "sandbox".to_owned()),
        ("_HANDLER", "bootstrap".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
    ];
    let mut variables = config.environment.clone();
    variables.extend(defined.map(|(name, value)| (name.to_owned(), value)));
    variables
}

/// Hands on what a process prints, line by line.
fn forward(
    output: Option<impl AsyncRead + Unpin + Send + 'static>,
    function: &str,
    sink: Option<LogSink>,
) {
    let Some(output) = output else { return };
    let function = function.to_owned();
    tokio::spawn(async move {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(sink) = &sink {
                sink(&function, &line);
            }
        }
    });
}
