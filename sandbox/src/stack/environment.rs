//! What the functions are told.

use std::collections::BTreeMap;
use std::time::Duration;

use super::durations::Durations;
use super::{Function, Stack};

impl Stack {
    /// Environment variables of a function, as Terraform sets them. Durations are given as they really pass at that speed,
    /// since a function's clock is real.
    #[must_use]
    pub fn environment(&self, function: Function, speed: f64) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::from([
            ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
            ("AWS_LAMBDA_LOG_LEVEL", self.options.log_level.clone()),
            // Otherwise mimalloc asks for pages of 2 MB, which the kernel clears at the first touch: see docs/performance.md.
            ("MIMALLOC_ALLOW_THP", "0".to_owned()),
            // Freed memory goes back at once: the peak of a large result is what it holds, not what it ever held.
            ("MIMALLOC_PURGE_DELAY", "0".to_owned()),
            ("RAW_BUCKET", self.raw_bucket.clone()),
            ("STATE_MACHINE_ARN", self.state_machine_arn.clone()),
        ]);
        if let Some(url) = &self.options.endpoint_url {
            variables.insert("AWS_ENDPOINT_URL", url.clone());
        }
        if function != Function::IngestTrigger {
            variables.extend(self.gate_variables(speed));
            if let Some(minutes) = self.options.max_video_minutes_a_day {
                variables.insert("MAX_VIDEO_MINUTES_A_DAY", minutes.to_string());
            }
        }
        if function == Function::Reconciler {
            variables.insert("DECISIONS_TOPIC_ARN", self.decisions_topic_arn.clone());
        }
        variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn gate_variables(&self, speed: f64) -> [(&'static str, String); 17] {
        let durations = Durations::new(speed);
        let options = &self.options;
        let ms = |duration: Duration| duration.div_f64(speed).as_millis().max(1).to_string();
        [
            ("APPROVED_BUCKET", self.approved_bucket.clone()),
            ("LEDGER_BUCKET", self.ledger_bucket.clone()),
            ("ACTIVITY_ARN", self.activity_arn.clone()),
            (
                "MODERATION_RESULTS_TOPIC_ARN",
                self.moderation_results_topic_arn.clone(),
            ),
            ("REKOGNITION_ROLE_ARN", self.rekognition_role_arn.clone()),
            ("STACK_NAME", options.name.clone()),
            ("MAX_JOBS", options.max_jobs.to_string()),
            ("MAX_ANALYSES", options.max_analyses.to_string()),
            ("MAX_ATTEMPTS", options.max_attempts.to_string()),
            ("POLL_MS", ms(durations.poll)),
            ("WORK_MS", ms(durations.work)),
            ("LEASE_MARGIN_MS", ms(durations.lease_margin)),
            ("OVERDUE_MS", ms(durations.overdue)),
            ("TICK_MS", ms(durations.tick)),
            ("LEFTOVERS_MS", ms(durations.leftovers)),
            ("LATE_COPY_MS", ms(durations.late_copy)),
            ("SWEEP_WINDOW_MS", ms(durations.sweep_window)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use workflow::config::{AnnouncerConfig, GateConfig, IngestConfig};

    use super::*;
    use crate::account::Account;
    use crate::stack::StackOptions;

    fn environment(function: Function, speed: f64) -> BTreeMap<String, String> {
        Stack::new(&Account::default(), StackOptions::default()).environment(function, speed)
    }

    #[test]
    fn the_functions_accept_what_they_are_told() {
        for speed in [1.0, 60.0, 100_000.0] {
            let ingest = environment(Function::IngestTrigger, speed);
            IngestConfig::from_vars(|name| ingest.get(name).cloned()).unwrap();
            for function in [Function::ActivityWorker, Function::ModerationCallback] {
                let gate = environment(function, speed);
                GateConfig::from_vars(|name| gate.get(name).cloned()).unwrap();
            }
            let reconciler = environment(Function::Reconciler, speed);
            GateConfig::from_vars(|name| reconciler.get(name).cloned()).unwrap();
            AnnouncerConfig::from_vars(|name| reconciler.get(name).cloned()).unwrap();
        }
    }

    #[test]
    fn a_cap_is_told_to_all_that_start_scans_and_only_if_there_is_one() {
        let name = "MAX_VIDEO_MINUTES_A_DAY";
        let options = StackOptions {
            max_video_minutes_a_day: Some(600),
            ..StackOptions::default()
        };
        let stack = Stack::new(&Account::default(), options);
        for function in Function::ALL {
            let told = stack.environment(function, 1.0).get(name).cloned();
            let starts = function != Function::IngestTrigger;
            assert_eq!(told.as_deref(), starts.then_some("600"));
            assert_eq!(environment(function, 1.0).get(name), None);
        }
    }

    #[test]
    fn durations_pass_faster_in_a_faster_sandbox() {
        let worker = environment(Function::ActivityWorker, 60.0);
        assert_eq!(worker["OVERDUE_MS"], "10000");
        assert_eq!(worker["POLL_MS"], "1500");
        let worker = environment(Function::ActivityWorker, 1.0);
        assert_eq!(worker["OVERDUE_MS"], "300000");
        assert_eq!(worker["POLL_MS"], "65000");
        assert_eq!(worker["SWEEP_WINDOW_MS"], "1209600000");
    }

    #[test]
    fn ingest_is_told_nothing_that_it_does_not_need() {
        let names: Vec<_> = environment(Function::IngestTrigger, 1.0)
            .into_keys()
            .collect();
        assert_eq!(
            names,
            [
                "AWS_LAMBDA_LOG_FORMAT",
                "AWS_LAMBDA_LOG_LEVEL",
                "MIMALLOC_ALLOW_THP",
                "MIMALLOC_PURGE_DELAY",
                "RAW_BUCKET",
                "STATE_MACHINE_ARN"
            ]
        );
    }
}
