//! What the functions did, for whoever watches.

use std::collections::BTreeMap;

use super::Lambda;

/// What happened in the account so far, and what is happening.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// By function name.
    pub functions: BTreeMap<String, FunctionStats>,
    /// Invocations running now.
    pub running: usize,
    /// The most invocations that ever ran at once.
    pub running_peak: usize,
}

/// The same of one function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionStats {
    /// Invocations that were started.
    pub invocations: u64,
    /// Invocations that failed: errors of the function, crashes and timeouts.
    pub errors: u64,
    /// Attempts to invoke that found no capacity.
    pub throttles: u64,
    /// Asynchronous events that failed for good.
    pub given_up: u64,
    /// Asynchronous events that are waiting, running, or between retries.
    pub queued: u64,
    /// Processes started.
    pub cold_starts: u64,
    /// Processes alive.
    pub environments: usize,
    /// Invocations running now.
    pub running: usize,
    /// The most invocations that ever ran at once.
    pub running_peak: usize,
}

/// What a function counts.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) invocations: u64,
    pub(super) errors: u64,
    pub(super) throttles: u64,
    pub(super) given_up: u64,
    pub(super) queued: u64,
    pub(super) cold_starts: u64,
}

pub(super) fn collect(lambda: &Lambda) -> Stats {
    let mut environments = BTreeMap::<String, usize>::new();
    for process in lambda.lock_processes().values() {
        *environments
            .entry(process.function().to_owned())
            .or_default() += 1;
    }
    let (running, running_peak) = lambda.capacity.running();
    let functions = lambda.lock();
    let functions = functions.iter().map(|(name, function)| {
        let counts = &function.counts;
        let (running, running_peak) = lambda.capacity.running_of(name);
        let stats = FunctionStats {
            invocations: counts.invocations,
            errors: counts.errors,
            throttles: counts.throttles,
            given_up: counts.given_up,
            queued: counts.queued,
            cold_starts: counts.cold_starts,
            environments: environments.get(name).copied().unwrap_or_default(),
            running,
            running_peak,
        };
        (name.clone(), stats)
    });
    Stats {
        functions: functions.collect(),
        running,
        running_peak,
    }
}
