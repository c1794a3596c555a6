//! The end of a run: nothing goes wrong any more, and everything must become quiet in time.

use std::collections::BTreeSet;
use std::time::Duration;

use workflow::names;

use super::checks;
use super::recovery::{self, Bounds};
use super::run::{LOOK_EVERY, Run};
use super::truth::Version;
use crate::sfn::ExecutionStatus;

impl Run {
    /// Waits until every execution has ended and nothing is left in the ledger.
    pub(super) async fn settle(&mut self) -> anyhow::Result<()> {
        let began_ms = self.stage.now_ms();
        let max_jobs = self.people.stack.options.max_jobs;
        let bounds = Bounds::of(&self.stage.lock().truth, max_jobs);
        while !self.stage.is_broken() {
            tokio::time::sleep(LOOK_EVERY).await;
            self.sample();
            let open = self.open_work().await?;
            // A strike may come at any call, also now.
            let struck_ms = self.stage.lock().struck_ms;
            let fault_ms = struck_ms.unwrap_or(i64::MIN).max(began_ms);
            let waited_ms = u64::try_from(self.stage.now_ms() - fault_ms).unwrap_or_default();
            let waited = Duration::from_millis(waited_ms);
            if open.is_empty() {
                self.recovery = waited;
                self.calls = self.people.steps.faults().calls();
                return Ok(());
            }
            let (late, bound) = if waited > bounds.leftovers {
                (open, bounds.leftovers)
            } else if waited > bounds.videos {
                (
                    recovery::running_since(&self.stage.lock().truth, fault_ms),
                    bounds.videos,
                )
            } else {
                continue;
            };
            if !late.is_empty() {
                let some: Vec<_> = late.into_iter().take(10).collect();
                self.stage.broken(format!(
                    "not settled {bound:?} after the last fault: {}",
                    some.join(", ")
                ));
            }
        }
        Ok(())
    }

    /// What is not settled yet.
    async fn open_work(&self) -> anyhow::Result<BTreeSet<String>> {
        let mut open: BTreeSet<String> = {
            let inner = self.stage.lock();
            let versions = inner.truth.versions.iter();
            versions
                .filter(|version| {
                    !version.has_ended()
                        && (version.must_have_execution() || !version.statuses.is_empty())
                })
                .map(|version| format!("execution {}", version.execution))
                .collect()
        };
        if open.is_empty() {
            open.extend(self.people.running_by_hand().await?);
        }
        if open.is_empty() {
            let keys = checks::keys(&self.people.s3, &self.people.stack.ledger_bucket).await?;
            open.extend(keys.into_iter().filter(|key| {
                key.starts_with("slots/") || key.starts_with("jobs/") || key == "sweep.json"
            }));
        }
        if open.is_empty() {
            // What ended before a worker took it is reported at the hourly look at leftovers, if its event was lost.
            let inner = self.stage.lock();
            let ended = inner
                .truth
                .versions
                .iter()
                .filter(|version| version.has_ended());
            open.extend(
                ended
                    .filter(|version| !self.is_reported(version))
                    .map(|version| names::report_key(&version.execution)),
            );
        }
        Ok(open)
    }

    /// Whether an execution has a report, and that of its last drive, if that did not end with an answer to its task.
    fn is_reported(&self, version: &Version) -> bool {
        let Some(report) = checks::report(&self.aws, &self.people, version) else {
            return false;
        };
        let drive = match version.statuses.last() {
            Some((_, ExecutionStatus::Aborted | ExecutionStatus::TimedOut)) => {
                version.redriven_ms.len()
            }
            _ => 0,
        };
        report["redrive_count"]
            .as_u64()
            .is_some_and(|reported| reported >= drive as u64)
    }
}
