//! What all parts of a run share: its history, what is true, what goes wrong, and what was found to be broken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use super::history::History;
use super::ledger::Ledger;
use super::truth::{Job, Truth};
use super::watch::Invocations;
use crate::clock::Clock;
use crate::journal::{Entry, Journal};
use crate::sfn::ExecutionStatus;

/// Shared by the run and by everything that reports to it.
#[derive(Clone)]
pub(super) struct Stage {
    clock: Clock,
    began_ms: i64,
    inner: Arc<Mutex<Inner>>,
}

pub(super) struct Inner {
    pub(super) history: History,
    pub(super) truth: Truth,
    /// The ledger as it is.
    pub(super) ledger: Ledger,
    /// The functions' invocations.
    pub(super) invocations: Invocations,
    /// What went wrong, by kind, how often.
    pub(super) faults: BTreeMap<String, u64>,
    /// When a call was struck last that was to be struck by its number.
    pub(super) struck_ms: Option<i64>,
    /// Invariants that do not hold.
    pub(super) broken: Vec<String>,
    /// Moments of the plot.
    pub(super) samples: Vec<Sample>,
}

/// What is going on at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Since the beginning.
    pub elapsed_ms: u64,
    /// Executions that run and have no job open.
    pub backlog: usize,
    /// Jobs open.
    pub open_jobs: usize,
    /// Videos whose execution has ended.
    pub settled: usize,
}

impl Stage {
    pub(super) fn new(clock: Clock, keep_all: bool) -> Self {
        Self {
            began_ms: clock.now_ms(),
            clock,
            inner: Arc::new(Mutex::new(Inner {
                history: History::new(keep_all),
                truth: Truth::default(),
                ledger: Ledger::default(),
                invocations: Invocations::default(),
                faults: BTreeMap::new(),
                struck_ms: None,
                broken: Vec::new(),
                samples: Vec::new(),
            })),
        }
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.clock.now_ms() - self.began_ms).unwrap_or_default()
    }

    /// Minutes since the last full hour.
    pub(super) fn minute_of_hour(&self) -> u8 {
        self.clock.now().minute()
    }

    /// Adds a line to the history.
    pub(super) fn note(&self, what: std::fmt::Arguments<'_>) {
        let elapsed_ms = self.elapsed_ms();
        self.lock().history.note(elapsed_ms, what);
    }

    /// Adds a line about something that goes wrong, and counts it.
    pub(super) fn fault(&self, kind: &str, what: std::fmt::Arguments<'_>) {
        let elapsed_ms = self.elapsed_ms();
        let mut inner = self.lock();
        *inner.faults.entry(kind.to_owned()).or_default() += 1;
        inner.history.note(elapsed_ms, what);
    }

    /// An invariant does not hold.
    pub(super) fn broken(&self, what: String) {
        let elapsed_ms = self.elapsed_ms();
        let mut inner = self.lock();
        inner
            .history
            .note(elapsed_ms, format_args!("BROKEN {what}"));
        inner.broken.push(what);
    }

    pub(super) fn is_broken(&self) -> bool {
        !self.lock().broken.is_empty()
    }

    /// # Panics
    /// If the caller holds it already: a run has one thread, which would wait for itself.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => panic!("the stage is locked by its own caller"),
        }
    }

    /// A journal of the services that writes into the history and into what is true.
    pub(super) fn journal(&self) -> Journal {
        let stage = self.clone();
        Journal::new(move |entry| stage.read(entry))
    }

    fn read(&self, entry: &Entry<'_>) {
        let now_ms = self.now_ms();
        match entry {
            Entry::Delivery {
                source,
                target,
                after,
            } => self.delivery(last(source), last(target), after),
            Entry::JobStarted {
                number,
                tag,
                version_id,
                ..
            } => {
                self.note(format_args!("job {number} of {tag} starts"));
                for problem in self.job_started(*number, tag, version_id) {
                    self.broken(format!("job {number} of {tag} {problem}"));
                }
            }
            Entry::JobEnded {
                number,
                tag,
                succeeded,
                told,
            } => {
                let how = if *succeeded { "succeeds" } else { "fails" };
                self.note(format_args!(
                    "job {number} of {tag} {how}, told {told} times"
                ));
                self.lock().truth.job_ended(*number, now_ms, *succeeded);
            }
            Entry::Execution { arn, status } => {
                let execution = last(arn);
                self.note(format_args!("execution {execution} {}", status.as_str()));
                if let Some(problem) = self.execution_changed(execution, *status) {
                    self.broken(format!("{execution} {problem}"));
                }
            }
        }
    }

    /// Takes the status of an execution in. Returns what does not hold: it is that of an upload (promise 3), and it succeeds only
    /// once its version, or a newer one, was copied (promise 4).
    fn execution_changed(&self, execution: &str, status: ExecutionStatus) -> Option<&'static str> {
        let now_ms = self.now_ms();
        let mut inner = self.lock();
        if inner.truth.by_hand.iter().any(|name| name == execution) {
            return (status == ExecutionStatus::Succeeded)
                .then_some("succeeded, and is of no upload");
        }
        let Some(version) = inner.truth.of_execution(execution) else {
            return Some("is an execution that no upload has");
        };
        version.statuses.push((now_ms, status));
        let copied = inner.truth.is_superseded_or_copied(execution);
        (status == ExecutionStatus::Succeeded && !copied)
            .then_some("succeeds without a copy of its version")
    }

    /// Takes a job in. Returns what does not hold: it scans the version of its execution, which is not published yet, runs, and has no
    /// other job open, and a slot is bound to it (promises 1, 3 and 5).
    fn job_started(&self, number: u64, tag: &str, version_id: &str) -> Vec<String> {
        let mut inner = self.lock();
        let mut problems = Vec::new();
        if inner.truth.has_open_job(tag) {
            problems.push("starts while another is open".to_owned());
        }
        if !inner.ledger.binds(tag) {
            problems.push("starts without a slot".to_owned());
        }
        let begun_ms = inner.ledger.begun_under_lease(tag);
        let closed_ms = inner.truth.closed_since(tag);
        if let (Some(begun_ms), Some(closed_ms)) = (begun_ms, closed_ms)
            && closed_ms < begun_ms
        {
            problems.push("starts for an execution that had ended".to_owned());
        }
        let job = Job {
            ended: None,
            number,
            started_ms: self.now_ms(),
        };
        inner.truth.job_started(tag, job);
        let version = inner.truth.of_execution(tag);
        if version
            .as_ref()
            .is_none_or(|version| version.id != version_id)
        {
            problems.push(format!("scans version {version_id}"));
        }
        if version.is_some_and(|version| !version.copied_ms.is_empty()) {
            problems.push("scans what is published".to_owned());
        }
        problems
    }

    fn delivery(&self, source: &str, target: &str, after: &[Duration]) {
        match after {
            [] => self.fault(
                "message lost",
                format_args!("message {source} to {target} is lost"),
            ),
            [once] => {
                self.note(format_args!(
                    "message {source} to {target} in {} ms",
                    once.as_millis()
                ));
            }
            more => self.fault(
                "message repeated",
                format_args!("message {source} to {target} comes {} times", more.len()),
            ),
        }
    }
}

/// The last part of an ARN.
pub(super) fn last(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}
