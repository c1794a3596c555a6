//! Faults in the functions that run in this process: crashes and failed calls, at calls that a test or a simulation names.
//!
//! The services know nothing of this. A fault strikes between a function's SDK client and the service: before the service acts, or
//! after it acted and before its answer arrives.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use tokio::sync::Notify;

use crate::stack::Function;

tokio::task_local! {
    /// The invocation that the current task runs, if a function's handler runs in it.
    static INVOCATION: Arc<Running>;
}

/// One invocation under way.
struct Running {
    function: Function,
    faults: Arc<Faults>,
    crashed: Notify,
}

/// A call that a function makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Who calls.
    pub function: Function,
    /// The operation: `GetActivityTask`, or for S3 the method, bucket and kind of object.
    pub operation: String,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The function is killed before the service acts.
    CrashBefore,
    /// The function is killed after the service acted.
    CrashAfter,
    /// The service answers that it is throttled, and does nothing.
    Throttled,
    /// The service acts, and its answer is an internal error.
    AnswerLost,
}

/// Decides which call suffers which fault.
type Plan = Box<dyn FnMut(u64, &Call) -> Option<Fault> + Send>;

/// The faults of a set of functions, and the calls that they made.
#[derive(Default)]
pub struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    plan: Option<Plan>,
}

impl Faults {
    /// Sets what goes wrong from now on: `plan` is shown every call with its number, from 0.
    pub fn set(&self, plan: impl FnMut(u64, &Call) -> Option<Fault> + Send + 'static) {
        self.lock().plan = Some(Box::new(plan));
    }

    /// The calls made so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    fn decide(&self, call: Call) -> Option<Fault> {
        let mut state = self.lock();
        let number = state.calls.len() as u64;
        let fault = state.plan.as_mut().and_then(|plan| plan(number, &call));
        state.calls.push(call);
        fault
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a handler so that faults find it; None if it was killed.
pub(crate) async fn run<T>(
    function: Function,
    faults: Arc<Faults>,
    handler: impl Future<Output = T>,
) -> Option<T> {
    let running = Arc::new(Running {
        function,
        faults,
        crashed: Notify::new(),
    });
    let crashed = Arc::clone(&running);
    tokio::select! {
        biased;
        () = crashed.crashed.notified() => None,
        result = INVOCATION.scope(running, handler) => Some(result),
    }
}

/// What strikes a call that the current task makes, if anything.
pub(crate) fn strike<B>(request: &http::Request<B>) -> Option<Fault> {
    INVOCATION
        .try_with(|running| {
            running.faults.decide(Call {
                function: running.function,
                operation: operation(request),
            })
        })
        .ok()
        .flatten()
}

/// Kills the function that the current task runs. Never returns: its handler is dropped at this point.
pub(crate) async fn crash<T>() -> T {
    // Without a function there is nobody to kill, and nobody asked for it.
    let _ = INVOCATION.try_with(|running| running.crashed.notify_one());
    std::future::pending().await
}

/// Status and code that an SDK takes for throttling, or for a server's failure.
pub(crate) fn refusal(fault: Fault) -> (StatusCode, &'static str) {
    match fault {
        Fault::Throttled => (StatusCode::BAD_REQUEST, "ThrottlingException"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"),
    }
}

fn operation<B>(request: &http::Request<B>) -> String {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if let Some(target) = header("x-amz-target") {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    let mut path = request.uri().path().trim_start_matches('/').splitn(3, '/');
    let bucket = path.next().unwrap_or_default();
    if bucket.is_empty() {
        return "Publish".to_owned();
    }
    // In the ledger the first segment says what kind of document it is; elsewhere keys are the user's.
    let kind = path
        .next()
        .filter(|_| bucket.ends_with("-ledger"))
        .unwrap_or_default();
    let query = request.uri().query().unwrap_or_default();
    let known = ["versions", "tagging", "uploads", "uploadId", "list-type"];
    let sub = known.iter().find(|name| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some(name))
    });
    let copied = if header("x-amz-copy-source").is_some() {
        " copy"
    } else {
        ""
    };
    format!(
        "{} {bucket} {kind}{}{copied}",
        request.method(),
        sub.copied().unwrap_or_default()
    )
}
