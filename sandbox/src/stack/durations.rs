//! How long everything of a deployed workflow takes: AWS's own times, divided by the speed but never below what real
//! processes need, since they do not run faster in a faster sandbox.

use std::time::Duration;

/// Durations of a stack in the sandbox's own time: what runs through [`crate::clock::Clock`] divides them by the speed.
///
/// At speed 1 these are the values that Terraform deploys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durations {
    /// Timeout of one invocation of the ingest trigger.
    pub ingest_timeout: Duration,
    /// Timeout of one invocation of the activity worker: a poll of a minute, and the work on what it brings.
    pub worker_timeout: Duration,
    /// Timeout of one invocation of the callback and of the reconciler: Lambda's longest.
    pub settle_timeout: Duration,
    /// How old an event of the schedule may become: a stale tick is worth nothing.
    pub tick_age: Duration,
    /// How old any other event may become: Lambda's longest.
    pub event_age: Duration,
    /// The schedule of worker and reconciler.
    pub tick: Duration,
    /// The schedule of the sweep.
    pub sweep: Duration,
    /// HeartbeatSeconds of the task: a few ticks.
    pub heartbeat: Duration,
    /// TimeoutSeconds of the task: above the longest job.
    pub task_timeout: Duration,
    /// TimeoutSeconds of the machine; it includes the queue.
    pub machine_timeout: Duration,
    /// `POLL_MS`: a poll is held for at most 60 s (Step Functions API reference, GetActivityTask), and five for its answer.
    pub poll: Duration,
    /// `WORK_MS`: what a task needs after its poll.
    pub work: Duration,
    /// `LEASE_MARGIN_MS`: how much longer than an invocation its lease lasts.
    pub lease_margin: Duration,
    /// `OVERDUE_MS`: when a job is looked at without having been notified of.
    pub overdue: Duration,
    /// `LEFTOVERS_MS`: how often leftovers are looked for.
    pub leftovers: Duration,
    /// `LATE_COPY_MS`: how long an unanswered copy may still land.
    pub late_copy: Duration,
    /// `SWEEP_WINDOW_MS`: how old versions may be for the sweep to start them.
    pub sweep_window: Duration,
}

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

impl Durations {
    /// The durations for a sandbox whose own time runs `speed` times as fast as real time.
    #[must_use]
    pub fn new(speed: f64) -> Self {
        // At least that much real time.
        let floor = |duration: Duration, real_ms: u64| {
            duration.max(Duration::from_millis(real_ms).mul_f64(speed))
        };
        let poll = floor(MINUTE + Duration::from_secs(5), 0)
            .max(MINUTE + Duration::from_millis(500).mul_f64(speed));
        let work = floor(MINUTE, 1000);
        // Fifty processes that start at once on two busy cores take seconds. One that is killed for that keeps its slot and its
        // lease until they are stale, so these floors are far from what a process needs that has the machine to itself. A job
        // counts as overdue only after its notification has had such a time too.
        Self {
            ingest_timeout: floor(MINUTE, 15_000),
            worker_timeout: floor(5 * MINUTE, 15_000).max(2 * (poll + work)),
            settle_timeout: floor(15 * MINUTE, 15_000),
            tick_age: floor(MINUTE, 1000),
            event_age: floor(Duration::from_hours(6), 120_000),
            tick: floor(MINUTE, 500),
            sweep: floor(DAY, 5000),
            heartbeat: floor(5 * MINUTE, 15_000),
            task_timeout: floor(Duration::from_hours(12), 60_000),
            machine_timeout: floor(30 * DAY, 600_000),
            poll,
            work,
            lease_margin: floor(MINUTE, 1000),
            overdue: floor(5 * MINUTE, 10_000),
            leftovers: floor(Duration::from_hours(1), 5000),
            late_copy: floor(15 * MINUTE, 5000),
            sweep_window: floor(14 * DAY, 600_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_time_is_aws_time() {
        let durations = Durations::new(1.0);
        assert_eq!(durations.worker_timeout.as_secs(), 300);
        assert_eq!(durations.poll.as_secs(), 65);
        assert_eq!(durations.work.as_secs(), 60);
        assert_eq!(durations.heartbeat.as_secs(), 300);
        assert_eq!(durations.tick.as_secs(), 60);
    }

    #[test]
    fn no_speed_leaves_the_worker_without_time_to_poll() {
        for speed in [0.1, 1.0, 10.0, 60.0, 1000.0, 100_000.0] {
            let durations = Durations::new(speed);
            assert!(
                durations.poll + durations.work <= durations.worker_timeout / 2,
                "{speed}"
            );
            assert!(durations.poll > MINUTE, "{speed}");
            assert!(durations.heartbeat >= 4 * durations.tick, "{speed}");
            assert!(durations.task_timeout > durations.heartbeat, "{speed}");
        }
    }
}
