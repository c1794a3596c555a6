//! Retriers: which errors are tried again, how often and when.

use std::time::Duration;

/// One entry of a state's Retry.
///
/// Defaults and ranges: Step Functions Developer Guide, "Handling errors", fields of a retrier.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sfn) struct Retrier {
    pub(in crate::sfn) errors: Vec<String>,
    pub(in crate::sfn) interval_s: u64,
    pub(in crate::sfn) max_attempts: u64,
    pub(in crate::sfn) backoff_rate: f64,
    pub(in crate::sfn) max_delay_s: Option<u64>,
    pub(in crate::sfn) full_jitter: bool,
}

/// No delay is longer, since no execution is: one leap year.
const MAX_DELAY_S: f64 = 31_622_400.0;

impl Retrier {
    /// The delay before retry number `retry` (0 is the first): the interval, times the backoff rate for every retry before,
    /// at most the maximum delay; with full jitter a part of that, `fraction` of `[0, 1)`.
    pub(in crate::sfn) fn delay(&self, retry: u64, fraction: f64) -> Duration {
        #[allow(clippy::cast_precision_loss)] // below 2^53: both are at most 99999999
        let (interval_s, max_s) = (
            self.interval_s as f64,
            self.max_delay_s.map_or(MAX_DELAY_S, |s| s as f64),
        );
        let exponent = i32::try_from(retry).unwrap_or(i32::MAX);
        let delay_s = (interval_s * self.backoff_rate.powi(exponent))
            .min(max_s)
            .min(MAX_DELAY_S);
        let jitter = if self.full_jitter { fraction } else { 1.0 };
        Duration::from_secs_f64(delay_s * jitter)
    }
}

/// Whether a retrier's or catcher's ErrorEquals names an error.
///
/// `States.ALL` stands for every error but `States.DataLimitExceeded` and `States.Runtime`, which no wildcard names;
/// `States.TaskFailed` for every error but `States.Timeout`. A missed heartbeat is recorded as `States.Timeout`, and
/// `States.HeartbeatTimeout` names it as well (Step Functions Developer Guide, "Handling errors").
pub(in crate::sfn) fn names(errors: &[String], error: &str, missed_heartbeat: bool) -> bool {
    // Always fails the execution, even if named: "States.Runtime errors are not retriable".
    if error == "States.Runtime" {
        return false;
    }
    let wildcard_applies = error != "States.DataLimitExceeded";
    errors.iter().any(|name| match name.as_str() {
        "States.ALL" => wildcard_applies,
        "States.TaskFailed" => wildcard_applies && error != "States.Timeout",
        "States.HeartbeatTimeout" => missed_heartbeat || error == "States.HeartbeatTimeout",
        name => name == error,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn retrier() -> Retrier {
        Retrier {
            errors: vec!["States.ALL".to_owned()],
            interval_s: 3,
            max_attempts: 3,
            backoff_rate: 2.0,
            max_delay_s: None,
            full_jitter: false,
        }
    }

    /// "If IntervalSeconds is 3, MaxAttempts 3 and BackoffRate 2, the first retry comes three seconds after the error,
    /// the second six seconds after the first, the third twelve seconds after the second" (Developer Guide).
    #[test]
    fn delays_double_as_the_guide_says() {
        let delays: Vec<u64> = (0..3)
            .map(|retry| retrier().delay(retry, 0.5).as_secs())
            .collect();
        assert_eq!(delays, [3, 6, 12]);
    }

    /// "MaxDelaySeconds 5 with IntervalSeconds 3 and BackoffRate 2: the second retry waits 5 seconds" (Developer Guide).
    #[test]
    fn delays_stop_at_the_maximum() {
        let retrier = Retrier {
            max_delay_s: Some(5),
            ..retrier()
        };
        assert_eq!(retrier.delay(0, 0.0).as_secs(), 3);
        assert_eq!(retrier.delay(1, 0.0).as_secs(), 5);
        assert_eq!(retrier.delay(40, 0.0).as_secs(), 5);
    }

    #[track_caller]
    fn check(list: &[&str], error: &str, missed_heartbeat: bool, expect: bool) {
        let errors: Vec<String> = list.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(names(&errors, error, missed_heartbeat), expect);
    }

    #[test]
    fn task_failed_stands_for_all_errors_but_timeouts() {
        check(&["States.TaskFailed"], "ContentRejected", false, true);
        check(&["States.TaskFailed"], "States.Timeout", false, false);
        check(&["States.TaskFailed"], "States.Timeout", true, false);
    }

    #[test]
    fn all_does_not_stand_for_runtime_or_data_limit_errors() {
        check(&["States.ALL"], "States.Timeout", false, true);
        check(&["States.ALL"], "States.Runtime", false, false);
        check(&["States.ALL"], "States.DataLimitExceeded", false, false);
        let named = "States.DataLimitExceeded";
        check(&[named], named, false, true);
    }

    #[test]
    fn a_missed_heartbeat_goes_by_two_names() {
        check(&["States.Timeout"], "States.Timeout", true, true);
        check(&["States.HeartbeatTimeout"], "States.Timeout", true, true);
        check(&["States.HeartbeatTimeout"], "States.Timeout", false, false);
    }

    proptest! {
        #[test]
        fn delays_are_bounded_and_never_shrink(
            interval_s in 1u64..99_999_999, backoff_rate in 1.0f64..100.0, max_delay_s in proptest::option::of(1u64..31_622_400),
            retry in 0u64..10_000_000, fraction in 0.0f64..1.0,
        ) {
            let plain = Retrier { interval_s, backoff_rate, max_delay_s, ..retrier() };
            let jittered = Retrier { full_jitter: true, ..plain.clone() };
            let delay = plain.delay(retry, fraction);
            prop_assert!(delay <= plain.delay(retry + 1, fraction));
            prop_assert!(delay.as_secs() <= max_delay_s.unwrap_or(31_622_400));
            prop_assert!(jittered.delay(retry, fraction) <= delay);
        }
    }
}
