//! Time as the sandbox sees it: wall time for stamps, durations divided by the speed.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

/// Source of time for every service.
///
/// Stamps are wall time: the moment the clock was made plus what tokio's clock says has passed since, so a paused
/// tokio clock gives simulated time. Durations that the sandbox owns (a heartbeat limit, a retry delay, a job's length,
/// the minute of a schedule) are divided by the speed.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: OffsetDateTime,
    started: Instant,
    speed: f64,
}

impl Clock {
    /// A clock that starts at `origin` now. `speed` is how many of the sandbox's own seconds pass in one real second.
    #[must_use]
    pub fn new(origin: OffsetDateTime, speed: f64) -> Self {
        Self {
            origin,
            started: Instant::now(),
            speed,
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.origin + self.started.elapsed()
    }

    /// The time now, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        i64::try_from(self.now().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
    }

    /// A duration that the sandbox owns, as it really takes.
    #[must_use]
    pub fn scaled(&self, duration: Duration) -> Duration {
        duration.div_f64(self.speed)
    }

    /// How many of the sandbox's own seconds pass in one real second.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Waits for a duration that the sandbox owns, divided by the speed.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(self.scaled(duration)).await;
    }
}

/// A time as AWS writes it in most documents: `2026-11-01T12:00:00.000Z`.
#[must_use]
pub fn iso_ms(time: OffsetDateTime) -> String {
    format!(
        "{}T{:02}:{:02}:{:02}.{:03}Z",
        time.date(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    )
}
