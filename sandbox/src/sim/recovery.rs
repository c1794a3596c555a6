//! How long recovery may take once nothing goes wrong any more: promise 2, as a number.

use std::collections::BTreeSet;
use std::time::Duration;

use super::checks::SCANS_MAX;
use super::footage::Fate;
use super::truth::Truth;
use crate::stack::durations::Durations;

/// MaxDelaySeconds of the state machine's Retry, whose jitter may draw all of it.
const RETRY_DELAY_MAX: Duration = Duration::from_mins(10);

/// How long it may take, from when nothing goes wrong any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Until every execution has ended that had begun.
    ///
    /// A crash costs a missed heartbeat, the delay of the retry that brings a new task, the lease of whoever crashed (an
    /// invocation and its margin, in which also its slots go stale and its silent calls end), and two ticks: one that finds what
    /// it left, and one for what was found meanwhile. Then comes the backlog: [`backlog`].
    pub(super) videos: Duration,
    /// Until nothing is left in the ledger, and every end is reported.
    ///
    /// What ended unheard is found by the look at leftovers, which comes each hour, if by then no lease holds it, and no copy
    /// that was never answered may land. If a start was never answered either, that look repeats it to learn of its job, and
    /// the one after the job drops the record.
    pub(super) leftovers: Duration,
}

impl Bounds {
    /// Those for what has not ended yet.
    pub(super) fn of(truth: &Truth, max_jobs: u32) -> Self {
        let Durations {
            heartbeat,
            settle_timeout,
            lease_margin,
            tick,
            leftovers,
            late_copy,
            ..
        } = Durations::new(1.0);
        let lease = settle_timeout + lease_margin;
        let crash = heartbeat + RETRY_DELAY_MAX + lease + 2 * tick;
        let unheard = lease.max(late_copy) + 2 * (leftovers + tick);
        let backlog = backlog(truth, max_jobs, tick);
        Self {
            videos: crash + backlog,
            leftovers: crash.max(unheard) + backlog,
        }
    }
}

/// Executions that had begun by then and have not ended.
pub(super) fn running_since(truth: &Truth, began_ms: i64) -> BTreeSet<String> {
    let had_begun = |since: Option<&(i64, _)>| since.is_some_and(|(at, _)| *at <= began_ms);
    truth
        .versions
        .iter()
        .filter(|version| had_begun(version.statuses.first()) && !version.has_ended())
        .map(|version| format!("execution {}", version.execution))
        .collect()
}

/// How long the jobs of all that has not ended take, one after the other in the slots: each video waits for at most a tick, is
/// scanned as often as it may be, and the longest may come last. The job of an execution that was stopped goes on, and holds its slot.
fn backlog(truth: &Truth, max_jobs: u32, tick: Duration) -> Duration {
    let open = truth.versions.iter().filter(|version| {
        let waits = !version.has_ended() && version.file.footage.fate() != Fate::Ignored;
        waits || version.has_open_job()
    });
    let each =
        open.map(|version| tick + SCANS_MAX * Duration::from_millis(version.file.duration_ms));
    let (mut sum, mut longest) = (Duration::ZERO, Duration::ZERO);
    for one in each {
        sum += one;
        longest = longest.max(one);
    }
    sum / max_jobs.max(1) + longest
}
