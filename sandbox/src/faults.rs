//! Faults in the functions that run in this process: crashes, and calls that fail, at moments that a test or a simulation
//! names.
//!
//! The services know nothing of this. A fault strikes between a function's SDK client and the service: before the service
//! acts, or after it acted and before its answer arrives.

mod refusal;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use http::StatusCode;
use tokio::sync::Notify;

use crate::stack::Function;

pub use refusal::Refusal;

tokio::task_local! {
    /// The invocation that the current task runs, if a function's handler runs in it.
    static INVOCATION: Arc<Running>;
}

/// One invocation under way.
pub(crate) struct Running {
    function: Function,
    number: u64,
    faults: Arc<Faults>,
    crashed: Notify,
}

/// A call that a function makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Who calls.
    pub function: Function,
    /// Which invocation of any function, from 0.
    pub invocation: u64,
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
    /// The function is killed at once; the request is on its way, and the service acts so much later.
    CrashDuring(Duration),
    /// The connection breaks at once; the request is on its way, and the service acts so much later.
    ResetDuring(Duration),
    /// The service does nothing, and answers that.
    Refused(Refusal),
    /// The service acts, and that is the answer.
    AnswerLost(Refusal),
    /// No answer ever comes: the function waits until its time is up.
    Silent {
        /// Whether the service acts.
        acts: bool,
    },
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Strike {
    /// How long the request is on its way. It arrives even if nobody waits for its answer by then.
    pub before: Duration,
    /// What goes wrong, if anything.
    pub fault: Option<Fault>,
    /// How long the answer is on its way.
    pub after: Duration,
}

/// What happens to an invocation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beginning {
    /// How long Lambda takes to make its environment; zero if one waits.
    pub cold_start: Duration,
    /// How long its program then takes by itself: to initialise in a new environment, and to compute.
    pub own: Duration,
    /// How far its clock is from the services', in milliseconds.
    pub clock_skew_ms: i64,
    /// When it is killed, if it has not ended by then.
    pub killed_after: Option<Duration>,
}

/// Decides what happens to invocations and their calls, and is told what came of them.
pub trait Plan: Send {
    /// Whether the calls are kept for [`Faults::calls`]. A plan of millions of calls has no use for that.
    fn keeps_calls(&self) -> bool {
        true
    }

    /// An invocation begins.
    fn begins(&mut self, _function: Function, _invocation: u64) -> Beginning {
        Beginning::default()
    }

    /// A call is made, the `number`th of all from 0.
    fn strikes(&mut self, number: u64, call: &Call, request: &http::Request<SdkBody>) -> Strike;

    /// A service has acted on a call, whether or not its answer will arrive.
    fn acted(&mut self, _call: &Call, _request: &http::Request<SdkBody>, _status: StatusCode) {}

    /// An invocation has ended: killed, or with its answer or its error's name.
    fn ends(&mut self, _function: Function, _invocation: u64, _how: &str) {}
}

/// A plan that is one function of a call and its number.
struct ByCall<F>(F);

impl<F: FnMut(u64, &Call) -> Strike + Send> Plan for ByCall<F> {
    fn strikes(&mut self, number: u64, call: &Call, _: &http::Request<SdkBody>) -> Strike {
        self.0(number, call)
    }
}

/// The faults of a set of functions, and the calls that they made.
#[derive(Default)]
pub struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    invocations: u64,
    calls_made: u64,
    calls: Vec<Call>,
    plan: Option<Box<dyn Plan>>,
}

impl Faults {
    /// Sets what goes wrong from now on: `plan` is shown every call with its number, from 0.
    pub fn set(&self, mut plan: impl FnMut(u64, &Call) -> Option<Fault> + Send + 'static) {
        self.strike(move |number, call| Strike {
            fault: plan(number, call),
            ..Strike::default()
        });
    }

    /// As [`Faults::set`], for calls that are slow, too.
    pub fn strike(&self, plan: impl FnMut(u64, &Call) -> Strike + Send + 'static) {
        self.follow(ByCall(plan));
    }

    /// Sets what happens from now on.
    pub fn follow(&self, plan: impl Plan + 'static) {
        self.lock().plan = Some(Box::new(plan));
    }

    /// The calls made so far, in order, as far as plans kept them.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// A new invocation: its number, and what happens to it.
    pub(crate) fn begin(&self, function: Function) -> (u64, Beginning) {
        let mut state = self.lock();
        let number = state.invocations;
        state.invocations += 1;
        let plan = state.plan.as_mut();
        let beginning = plan.map_or_else(Beginning::default, |plan| plan.begins(function, number));
        (number, beginning)
    }

    pub(crate) fn end(&self, function: Function, number: u64, how: &str) {
        if let Some(plan) = &mut self.lock().plan {
            plan.ends(function, number, how);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// What strikes a call.
    pub(crate) fn strike(&self, request: &http::Request<SdkBody>) -> (Call, Strike) {
        let call = Call {
            function: self.function,
            invocation: self.number,
            operation: operation(request),
        };
        let mut state = self.faults.lock();
        let number = state.calls_made;
        state.calls_made += 1;
        if state.plan.as_ref().is_none_or(|plan| plan.keeps_calls()) {
            state.calls.push(call.clone());
        }
        let plan = state.plan.as_mut();
        let strike = plan.map_or_else(Strike::default, |plan| plan.strikes(number, &call, request));
        (call, strike)
    }

    /// Tells the plan what a service made of a call.
    pub(crate) fn acted(&self, call: &Call, request: &http::Request<SdkBody>, status: StatusCode) {
        if let Some(plan) = &mut self.faults.lock().plan {
            plan.acted(call, request, status);
        }
    }

    /// Kills the invocation. Never returns to it: its handler is dropped at this point.
    pub(crate) async fn crash<T>(&self) -> T {
        self.crashed.notify_one();
        std::future::pending().await
    }
}

/// Runs a handler so that faults find it; None if it was killed.
pub(crate) async fn run<T>(
    function: Function,
    number: u64,
    faults: Arc<Faults>,
    killed_after: Option<Duration>,
    handler: impl Future<Output = T>,
) -> Option<T> {
    let running = Arc::new(Running {
        function,
        number,
        faults,
        crashed: Notify::new(),
    });
    let crashed = Arc::clone(&running);
    let killed = async {
        match killed_after {
            Some(after) => tokio::time::sleep(after).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = crashed.crashed.notified() => None,
        () = killed => None,
        result = INVOCATION.scope(running, handler) => Some(result),
    }
}

/// The invocation that the current task runs, if it runs one.
pub(crate) fn running() -> Option<Arc<Running>> {
    INVOCATION.try_with(Arc::clone).ok()
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
