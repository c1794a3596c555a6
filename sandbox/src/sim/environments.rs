//! The functions' environments, as far as they decide which invocations start cold.

use std::collections::BTreeMap;

use crate::stack::Function;

/// How long an environment waits for another invocation. AWS does not say; five to seven minutes were seen (mikhail.io, "Cold Starts in AWS Lambda").
const IDLE_MS_MAX: u64 = 5 * 60_000;

/// How long an environment lives, however busy: it is ended "every few hours to allow for runtime updates and maintenance" (AWS Lambda Developer
/// Guide, "Understanding the Lambda execution environment lifecycle").
const AGE_MS_MAX: u64 = 2 * 3_600_000;

/// All environments.
#[derive(Debug, Default)]
pub(super) struct Environments {
    /// Those that wait, by function; the one that was used last is last.
    idle: BTreeMap<Function, Vec<Environment>>,
    /// Since when the environment of an invocation under way lives. That of one that timed out is never given back, and stays here.
    busy: BTreeMap<u64, u64>,
}

#[derive(Debug, Clone, Copy)]
struct Environment {
    born_ms: u64,
    idle_since_ms: u64,
}

impl Environments {
    /// An invocation begins. Returns whether it needs a new environment.
    pub(super) fn begin(&mut self, function: Function, invocation: u64, now_ms: u64) -> bool {
        let idle = self.idle.entry(function).or_default();
        let warm = idle.pop().filter(|environment| {
            now_ms - environment.idle_since_ms <= IDLE_MS_MAX
                && now_ms - environment.born_ms <= AGE_MS_MAX
        });
        if warm.is_none() {
            // Those that were used before it are gone as well, or soon will be.
            idle.clear();
        }
        let born_ms = warm.map_or(now_ms, |environment| environment.born_ms);
        self.busy.insert(invocation, born_ms);
        warm.is_none()
    }

    /// An invocation has ended. An environment whose program exited is not used again.
    pub(super) fn end(&mut self, function: Function, invocation: u64, exited: bool, now_ms: u64) {
        let Some(born_ms) = self.busy.remove(&invocation).filter(|_| !exited) else {
            return;
        };
        self.idle.entry(function).or_default().push(Environment {
            born_ms,
            idle_since_ms: now_ms,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKER: Function = Function::ActivityWorker;

    #[test]
    fn an_environment_is_used_again_until_it_waited_too_long() {
        let mut environments = Environments::default();
        assert!(environments.begin(WORKER, 0, 0));
        assert!(environments.begin(WORKER, 1, 0), "the first is busy");
        environments.end(WORKER, 0, false, 10);
        environments.end(WORKER, 1, true, 10);
        assert!(!environments.begin(WORKER, 2, 20));
        assert!(environments.begin(WORKER, 3, 20), "the other exited");
        assert!(environments.begin(Function::Reconciler, 4, 20));
        environments.end(WORKER, 2, false, 30);
        assert!(environments.begin(WORKER, 5, 31 + IDLE_MS_MAX));
    }

    #[test]
    fn a_busy_environment_is_ended_after_some_hours() {
        let mut environments = Environments::default();
        let colds = (0..600_u64)
            .filter(|minute| {
                let cold = environments.begin(WORKER, *minute, minute * 60_000);
                environments.end(WORKER, *minute, false, minute * 60_000 + 50);
                cold
            })
            .count();
        assert_eq!(colds, 5);
    }
}
