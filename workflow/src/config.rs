//! Configuration: read once from environment variables, checked as a whole, all problems reported together.

use std::fmt;
use std::str::FromStr;

use crate::names;

/// Largest cap of video minutes a day: each scan of the day is an entry of one ledger document, which stays within some megabytes.
pub const VIDEO_MINUTES_A_DAY_MAX: u32 = 100_000;

/// What ingest needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestConfig {
    /// The bucket whose uploads are moderated.
    pub raw_bucket: String,
    /// The state machine that moderates them.
    pub state_machine_arn: String,
}

/// What dispatch, settle and reconcile need to know. Durations are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateConfig {
    /// What ingest needs: the sweep starts executions too.
    pub ingest: IngestConfig,
    /// Where accepted videos appear.
    pub approved_bucket: String,
    /// Where all state between invocations is.
    pub ledger_bucket: String,
    /// The activity that the state machine waits on.
    pub activity_arn: String,
    /// Where Rekognition announces finished jobs.
    pub results_topic_arn: String,
    /// The role that Rekognition assumes to do so.
    pub results_role_arn: String,
    /// A name that stays the same for as long as the ledger does: part of every client request token.
    pub stack_name: String,
    /// Rekognition jobs that may be open at once; 0 pauses.
    pub max_jobs: u32,
    /// Scans of one version in one drive of its execution, whatever the reason.
    pub max_analyses: u32,
    /// Tries of the same work before the task fails.
    pub max_attempts: u32,
    /// Minutes of video whose scans may be started on a UTC day; None: any number.
    pub max_video_minutes_a_day: Option<u32>,
    /// How long GetActivityTask may hold a poll open.
    pub poll_ms: i64,
    /// Time that a task needs after its poll: pre-flight and start.
    pub work_ms: i64,
    /// How much longer than its holder's invocation a lease or a claim lasts.
    pub lease_margin_ms: i64,
    /// Age at which a job is looked at without having been notified of.
    pub overdue_ms: i64,
    /// The schedule's interval.
    pub tick_ms: i64,
    /// How often leftovers are looked for when nothing runs.
    pub leftovers_ms: i64,
    /// How long after it was sent a copy without an answer may still land.
    pub late_copy_ms: i64,
    /// Age up to which the sweep starts executions for versions without a report.
    pub sweep_window_ms: i64,
    /// `Cache-Control` of approved objects, if any.
    pub cache_control: Option<String>,
}

/// What the reconciler needs to know besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncerConfig {
    /// Where verdicts and operational failures are announced.
    pub decisions_topic_arn: String,
}

/// What is wrong with the environment: every problem, one a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment is not usable: {}", self.0.join("; "))
    }
}

impl IngestConfig {
    /// Reads `RAW_BUCKET` and `STATE_MACHINE_ARN`.
    ///
    /// # Errors
    /// [`ConfigError`] with every variable that is missing or malformed.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut vars = Vars::new(lookup);
        let config = Self::read(&mut vars);
        vars.finish(config)
    }

    fn read(vars: &mut Vars<impl Fn(&str) -> Option<String>>) -> Self {
        Self {
            raw_bucket: vars.text("RAW_BUCKET"),
            state_machine_arn: vars.arn("STATE_MACHINE_ARN", "states"),
        }
    }
}

impl AnnouncerConfig {
    /// Reads `DECISIONS_TOPIC_ARN`.
    ///
    /// # Errors
    /// [`ConfigError`] if it is missing or malformed.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut vars = Vars::new(lookup);
        let config = Self {
            decisions_topic_arn: vars.arn("DECISIONS_TOPIC_ARN", "sns"),
        };
        vars.finish(config)
    }
}

impl GateConfig {
    /// Reads the variables of [`IngestConfig`] and `APPROVED_BUCKET`, `LEDGER_BUCKET`, `ACTIVITY_ARN`,
    /// `MODERATION_RESULTS_TOPIC_ARN`, `REKOGNITION_ROLE_ARN`, `STACK_NAME`, and the optional `MAX_JOBS`, `MAX_ANALYSES`,
    /// `MAX_ATTEMPTS`, `MAX_VIDEO_MINUTES_A_DAY`, `POLL_MS`, `WORK_MS`, `LEASE_MARGIN_MS`, `OVERDUE_MS`, `TICK_MS`,
    /// `LEFTOVERS_MS`, `LATE_COPY_MS`, `SWEEP_WINDOW_MS`, `CACHE_CONTROL`.
    ///
    /// # Errors
    /// [`ConfigError`] with every variable that is missing, malformed or out of range.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        const DAY_MS: i64 = 86_400_000;
        let mut vars = Vars::new(lookup);
        let config = Self {
            ingest: IngestConfig::read(&mut vars),
            approved_bucket: vars.text("APPROVED_BUCKET"),
            ledger_bucket: vars.text("LEDGER_BUCKET"),
            activity_arn: vars.arn("ACTIVITY_ARN", "states"),
            results_topic_arn: vars.arn("MODERATION_RESULTS_TOPIC_ARN", "sns"),
            results_role_arn: vars.arn("REKOGNITION_ROLE_ARN", "iam"),
            stack_name: vars.text("STACK_NAME"),
            max_jobs: vars.number("MAX_JOBS", 20, 0, names::SLOTS_MAX),
            max_analyses: vars.number("MAX_ANALYSES", 2, 1, 10),
            max_attempts: vars.number("MAX_ATTEMPTS", 20, 1, 1000),
            // 0 is refused: MAX_JOBS=0 pauses, and tells so.
            max_video_minutes_a_day: vars.optional_number(
                "MAX_VIDEO_MINUTES_A_DAY",
                1,
                VIDEO_MINUTES_A_DAY_MAX,
            ),
            // The service holds a poll for at most 60 s; five more let its answer arrive (API reference, GetActivityTask).
            poll_ms: vars.number("POLL_MS", 65_000, 1, DAY_MS),
            work_ms: vars.number("WORK_MS", 60_000, 1, DAY_MS),
            lease_margin_ms: vars.number("LEASE_MARGIN_MS", 60_000, 1, DAY_MS),
            overdue_ms: vars.number("OVERDUE_MS", 300_000, 1, DAY_MS),
            tick_ms: vars.number("TICK_MS", 60_000, 1, DAY_MS),
            leftovers_ms: vars.number("LEFTOVERS_MS", 3_600_000, 1, DAY_MS),
            late_copy_ms: vars.number("LATE_COPY_MS", 900_000, 1, DAY_MS),
            // Names of executions are free again 90 days after they close; a sweep beyond that would moderate twice.
            sweep_window_ms: vars.number("SWEEP_WINDOW_MS", 14 * DAY_MS, 1, 80 * DAY_MS),
            cache_control: vars.optional("CACHE_CONTROL"),
        };
        if config.approved_bucket == config.ingest.raw_bucket && !config.approved_bucket.is_empty()
        {
            vars.problem(
                "APPROVED_BUCKET",
                "is the raw bucket: use a bucket of its own",
            );
        }
        vars.finish(config)
    }
}

struct Vars<F> {
    lookup: F,
    problems: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Vars<F> {
    fn new(lookup: F) -> Self {
        Self {
            lookup,
            problems: Vec::new(),
        }
    }

    fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn text(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problem(name, "is not set");
            String::new()
        })
    }

    fn arn(&mut self, name: &str, service: &str) -> String {
        let value = self.text(name);
        let mut parts = value.splitn(6, ':');
        let valid = parts.next() == Some("arn")
            && parts.next().is_some()
            && parts.next() == Some(service)
            && parts.nth(2).is_some_and(|resource| !resource.is_empty());
        if !value.is_empty() && !valid {
            self.problem(
                name,
                &format!("is {value:?}: expected arn:<partition>:{service}:…"),
            );
        }
        value
    }

    fn number<N: FromStr + PartialOrd + fmt::Display + Copy>(
        &mut self,
        name: &str,
        default: N,
        min: N,
        max: N,
    ) -> N {
        self.optional_number(name, min, max).unwrap_or(default)
    }

    fn optional_number<N: FromStr + PartialOrd + fmt::Display + Copy>(
        &mut self,
        name: &str,
        min: N,
        max: N,
    ) -> Option<N> {
        let value = self.optional(name)?;
        match value.parse::<N>() {
            Ok(number) if number >= min && number <= max => Some(number),
            _ => {
                self.problem(
                    name,
                    &format!("is {value:?}: expected a whole number from {min} to {max}"),
                );
                None
            }
        }
    }

    fn problem(&mut self, name: &str, problem: &str) {
        self.problems.push(format!("{name} {problem}"));
    }

    fn finish<T>(self, config: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError(self.problems))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(name: &str) -> Option<String> {
        let value = match name {
            "RAW_BUCKET" => "raw",
            "APPROVED_BUCKET" => "approved",
            "LEDGER_BUCKET" => "ledger",
            "STATE_MACHINE_ARN" => "arn:aws:states:us-east-1:123456789012:stateMachine:gate",
            "ACTIVITY_ARN" => "arn:aws:states:us-east-1:123456789012:activity:moderate",
            "MODERATION_RESULTS_TOPIC_ARN" => "arn:aws:sns:us-east-1:123456789012:results",
            "REKOGNITION_ROLE_ARN" => "arn:aws:iam::123456789012:role/results",
            "STACK_NAME" => "gate",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn defaults_fill_what_is_not_set() {
        let config = GateConfig::from_vars(vars).unwrap();
        assert_eq!(config.max_jobs, 20);
        assert_eq!(config.max_analyses, 2);
        assert_eq!(config.max_video_minutes_a_day, None);
    }

    #[test]
    fn all_problems_are_reported_together_with_value_and_remedy() {
        let error = GateConfig::from_vars(|name| match name {
            "RAW_BUCKET" => None,
            "MAX_JOBS" => Some("many".to_owned()),
            "ACTIVITY_ARN" => Some("arn:aws:sns:us-east-1:1:x".to_owned()),
            _ => vars(name),
        })
        .unwrap_err()
        .to_string();
        assert!(error.contains("RAW_BUCKET is not set"), "{error}");
        assert!(
            error.contains("MAX_JOBS is \"many\": expected a whole number from 0 to"),
            "{error}"
        );
        assert!(error.contains("ACTIVITY_ARN is \"arn:aws:sns"), "{error}");
    }

    #[test]
    fn a_cap_is_whole_minutes_and_never_none_at_all() {
        let with = |value: &str| {
            GateConfig::from_vars(|name| match name {
                "MAX_VIDEO_MINUTES_A_DAY" => Some(value.to_owned()),
                _ => vars(name),
            })
        };
        assert_eq!(with("600").unwrap().max_video_minutes_a_day, Some(600));
        assert_eq!(with("").unwrap().max_video_minutes_a_day, None);
        for bad in ["0", "1.5", "-1", "100001", "1h"] {
            let error = with(bad).unwrap_err().to_string();
            let expected = format!(
                "MAX_VIDEO_MINUTES_A_DAY is {bad:?}: expected a whole number from 1 to 100000"
            );
            assert!(error.contains(&expected), "{error}");
        }
    }

    #[test]
    fn one_bucket_for_raw_and_approved_is_refused() {
        let error = GateConfig::from_vars(|name| {
            vars(if name == "APPROVED_BUCKET" {
                "RAW_BUCKET"
            } else {
                name
            })
        })
        .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("APPROVED_BUCKET is the raw bucket")
        );
    }
}
