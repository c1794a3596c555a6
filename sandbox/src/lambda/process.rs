//! One execution environment of a program: its process, and the Runtime API's side of it.

use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};

use super::failure::{self, Outcome, exit_reason};
use super::{Code, FunctionConfig, Lambda};
use crate::iam;

/// How long a process may take to end after SIGTERM (Lambda developer guide, "Shutdown phase"). Real time.
const TERMINATE_MAX: Duration = Duration::from_secs(2);
/// How long the output of an ended process is waited for: a grandchild may hold the pipe open for ever.
const OUTPUT_MAX: Duration = Duration::from_secs(1);
/// Where Lambda's own environments look for programs (Lambda developer guide, "Defined runtime environment variables").
/// The environment of the sandbox itself is not passed on: a function that only works with a variable of the
/// developer's shell would fail once deployed.
const PATH: &str = "/usr/local/bin:/usr/bin/:/bin:/opt/bin";

/// A live process.
pub(super) struct Process {
    id: String,
    config: Arc<FunctionConfig>,
    phase: watch::Sender<Phase>,
    stop: watch::Sender<Stop>,
    /// What the process is to do next: sent by the service, received by its call of `next`.
    assign: mpsc::UnboundedSender<Pending>,
    assigned: tokio::sync::Mutex<mpsc::UnboundedReceiver<Pending>>,
    /// The invocation that the process works on.
    current: Mutex<Option<Pending>>,
    init_error: Mutex<Option<Value>>,
    use_count: AtomicU64,
}

/// What a process is doing, as far as the Runtime API tells.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// It has not asked for an invocation yet.
    Starting,
    /// It waits for an invocation.
    Asking,
    /// It got an invocation, and has not asked for the next one.
    Busy,
    /// It ended, for this reason.
    Gone(String),
}

/// How a process is to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    No,
    Terminate,
    Kill,
}

/// An invocation on its way to a process.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    pub(super) request_id: String,
    pub(super) deadline_ms: i64,
    pub(super) function_arn: String,
    pub(super) trace_id: String,
    pub(super) payload: Bytes,
}

struct Pending {
    assignment: Assignment,
    outcome: oneshot::Sender<Outcome>,
}

/// Starts a process for a function.
///
/// # Errors
/// The error document, when there is nothing to start or the service is shut down.
pub(super) fn spawn(
    lambda: &Arc<Lambda>,
    config: &Arc<FunctionConfig>,
    request_id: &str,
) -> Result<Arc<Process>, Value> {
    if lambda.is_shut_down() {
        return Err(failure::document(
            "Sandbox.ShutDown",
            "the sandbox is shutting down",
        ));
    }
    let id = lambda.rng.hex(16);
    let mut command = command(lambda, config, &id)?;
    let mut child = command.spawn().map_err(|error| {
        let program = command.as_std().get_program().to_string_lossy();
        failure::no_entrypoint(request_id, &program, &error)
    })?;
    let (assign, assigned) = mpsc::unbounded_channel();
    let process = Arc::new(Process {
        id: id.clone(),
        config: Arc::clone(config),
        phase: watch::Sender::new(Phase::Starting),
        stop: watch::Sender::new(Stop::No),
        assign,
        assigned: tokio::sync::Mutex::new(assigned),
        current: Mutex::default(),
        init_error: Mutex::default(),
        use_count: AtomicU64::new(0),
    });
    lambda.count(&config.name, |counts| counts.cold_starts += 1);
    lambda.lock_processes().insert(id, Arc::clone(&process));
    let streams = (child.stdout.take(), child.stderr.take());
    let output = tokio::spawn({
        let lambda = Arc::clone(lambda);
        let process = Arc::clone(&process);
        async move {
            if let (Some(stdout), Some(stderr)) = streams {
                let (log, function) = (&lambda.log, process.function());
                tokio::join!(
                    log.copy(stdout, function, &process.id),
                    log.copy(stderr, function, &process.id)
                );
            }
        }
    });
    let supervised = (Arc::clone(lambda), Arc::clone(&process));
    tokio::spawn(async move {
        let (lambda, process) = supervised;
        let reason = match process.run_to_end(child).await {
            Ok(status) => exit_reason(status),
            Err(error) => format!("Runtime could not be waited for: {error}"),
        };
        drop(tokio::time::timeout(OUTPUT_MAX, output).await);
        lambda.lock_processes().remove(&process.id);
        process.phase.send_replace(Phase::Gone(reason));
    });
    Ok(process)
}

/// The command with exactly the environment that Lambda documents ("Defined runtime environment variables"), and the
/// function's own variables.
fn command(lambda: &Lambda, config: &FunctionConfig, id: &str) -> Result<Command, Value> {
    let Code::Program { program, arguments } = &config.code else {
        return Err(failure::document(
            "Sandbox.NoProgram",
            "the function has no program",
        ));
    };
    let address = *lambda
        .runtime_api
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let address = address.ok_or_else(|| {
        let text = "programs run only behind the server, which has the Runtime API's socket";
        failure::document("Sandbox.NoRuntimeApi", text)
    })?;
    let task_root = program.parent().unwrap_or(program);
    let today = lambda.clock.now().date().to_string().replace('-', "/");
    let role_arn = config.role_arn.as_deref();
    let access_key_id = role_arn.map_or_else(|| "ASIASANDBOX".to_owned(), iam::access_key_id);
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "en_US.UTF-8")
        .env("TZ", ":UTC")
        // AWS gives host and port alone; with a path, URL parsers insist on the scheme. Clients that take this variable
        // for a URL's authority (other than `lambda_runtime`'s, which takes both) do not work here.
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://{address}/{id}"))
        .env("AWS_LAMBDA_FUNCTION_NAME", &config.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env(
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            config.memory_mb.to_string(),
        )
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env(
            "AWS_LAMBDA_LOG_GROUP_NAME",
            format!("/aws/lambda/{}", config.name),
        )
        .env(
            "AWS_LAMBDA_LOG_STREAM_NAME",
            format!("{today}/[$LATEST]{id}"),
        )
        .env("AWS_REGION", &lambda.account.region)
        .env("AWS_DEFAULT_REGION", &lambda.account.region)
        .env("AWS_ACCESS_KEY_ID", access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", "sandbox")
        .env("AWS_SESSION_TOKEN", "sandbox")
        .env("_HANDLER", "bootstrap")
        .env("LAMBDA_TASK_ROOT", task_root)
        .env("LAMBDA_RUNTIME_DIR", "/var/runtime")
        .envs(&config.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // Its own group, so that a terminal's Ctrl-C reaches the sandbox alone, which then ends its processes in order.
    #[cfg(unix)]
    command.process_group(0);
    Ok(command)
}

impl Process {
    /// The function's name.
    pub(super) fn function(&self) -> &str {
        &self.config.name
    }

    /// Whether it runs this configuration and no earlier one.
    pub(super) fn runs(&self, config: &Arc<FunctionConfig>) -> bool {
        Arc::ptr_eq(&self.config, config)
    }

    /// Counts one use more, and says which one it was.
    pub(super) fn count_use(&self) -> u64 {
        self.use_count.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How often it was used.
    pub(super) fn use_count(&self) -> u64 {
        self.use_count.load(Ordering::Relaxed)
    }

    /// Whether it waits for an invocation.
    pub(super) fn is_asking(&self) -> bool {
        *self.phase.borrow() == Phase::Asking
    }

    /// Until it waits for an invocation.
    ///
    /// # Errors
    /// Why it ended instead.
    pub(super) async fn asks(&self) -> Result<(), String> {
        self.reaches(|phase| *phase == Phase::Asking).await
    }

    /// Until it ended.
    pub(super) async fn gone(&self) {
        drop(self.reaches(|_| false).await);
    }

    /// Until its phase is the wanted one, or why it ended.
    async fn reaches(&self, wanted: impl Fn(&Phase) -> bool) -> Result<(), String> {
        let mut phase = self.phase.subscribe();
        let reached = phase
            .wait_for(|phase| wanted(phase) || matches!(phase, Phase::Gone(_)))
            .await;
        match reached.as_deref() {
            Ok(Phase::Gone(reason)) => Err(reason.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err("Runtime exited without providing a reason".to_owned()),
        }
    }

    /// Has it work on an invocation.
    ///
    /// # Errors
    /// Why it ended without an answer.
    pub(super) async fn answer(&self, assignment: Assignment) -> Result<Outcome, String> {
        let (outcome, answered) = oneshot::channel();
        let pending = Pending {
            assignment,
            outcome,
        };
        // Cannot fail: the receiver is in this very structure.
        drop(self.assign.send(pending));
        tokio::select! {
            biased;
            Ok(outcome) = answered => Ok(outcome),
            ended = self.reaches(|_| false) => Err(ended.err().unwrap_or_default()),
        }
    }

    /// The next invocation, for the Runtime API; waits as long as it takes. When the caller goes away, the invocation
    /// stays for its next call.
    pub(super) async fn next(&self) -> Option<Assignment> {
        self.enter(Phase::Asking);
        let pending = self.assigned.lock().await.recv().await?;
        let assignment = pending.assignment.clone();
        *self.lock_current() = Some(pending);
        self.enter(Phase::Busy);
        Some(assignment)
    }

    /// Takes the outcome of the invocation that it works on, for the Runtime API; false when it does not work on that.
    pub(super) fn complete(&self, request_id: &str, outcome: Outcome) -> bool {
        let mut current = self.lock_current();
        let is_current = |pending: &mut Pending| pending.assignment.request_id == request_id;
        match current.take_if(is_current) {
            // Nobody receives when the invocation timed out a moment ago.
            Some(pending) => {
                drop(pending.outcome.send(outcome));
                true
            }
            None => false,
        }
    }

    /// Whether it works on this invocation.
    pub(super) fn works_on(&self, request_id: &str) -> bool {
        let current = self.lock_current();
        current
            .as_ref()
            .is_some_and(|pending| pending.assignment.request_id == request_id)
    }

    /// Takes the error of its initialisation, for the Runtime API; the process ends.
    pub(super) fn fail_init(&self, error: Value) {
        *self
            .init_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.terminate();
    }

    /// What it said about its failed initialisation.
    pub(super) fn init_error(&self) -> Option<Value> {
        self.init_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Ends it with SIGTERM, and kills it if that does not help.
    pub(super) fn terminate(&self) {
        self.stop(Stop::Terminate);
    }

    /// Kills it at once.
    pub(super) fn kill(&self) {
        self.stop(Stop::Kill);
    }

    fn stop(&self, wanted: Stop) {
        self.stop.send_if_modified(|stop| {
            let stronger = wanted > *stop;
            *stop = wanted.max(*stop);
            stronger
        });
    }

    fn enter(&self, next: Phase) {
        self.phase.send_if_modified(|phase| {
            let alive = !matches!(phase, Phase::Gone(_));
            if alive {
                *phase = next;
            }
            alive
        });
    }

    async fn run_to_end(&self, mut child: Child) -> std::io::Result<ExitStatus> {
        tokio::select! {
            status = child.wait() => return status,
            () = self.stop_wanted(Stop::Terminate) => {}
        }
        if *self.stop.borrow() == Stop::Terminate {
            send_sigterm(&mut child)?;
            tokio::select! {
                status = child.wait() => return status,
                () = tokio::time::sleep(TERMINATE_MAX) => {}
                () = self.stop_wanted(Stop::Kill) => {}
            }
        }
        child.start_kill()?;
        child.wait().await
    }

    async fn stop_wanted(&self, at_least: Stop) {
        drop(
            self.stop
                .subscribe()
                .wait_for(|stop| *stop >= at_least)
                .await,
        );
    }

    fn lock_current(&self) -> MutexGuard<'_, Option<Pending>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
fn send_sigterm(child: &mut Child) -> std::io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    // Without an id it has ended already.
    pid.map_or(Ok(()), |pid| {
        kill_process(pid, Signal::TERM).map_err(Into::into)
    })
}

#[cfg(not(unix))]
fn send_sigterm(child: &mut Child) -> std::io::Result<()> {
    child.start_kill()
}
