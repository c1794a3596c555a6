//! What is really so, gathered from what was done and what the services tell, and not from what the gate believes.

use std::collections::{BTreeMap, BTreeSet};

use super::footage::{Fate, File};
use crate::sfn::ExecutionStatus;

/// An object version that was uploaded.
#[derive(Debug, Clone)]
pub(super) struct Version {
    /// Its key.
    pub(super) key: String,
    /// Its id.
    pub(super) id: String,
    /// Grows from version to version of a key, in S3's order of them.
    pub(super) order: u64,
    /// What it is.
    pub(super) file: File,
    /// Digest of its bytes.
    pub(super) digest: String,
    /// When it was removed for good.
    pub(super) deleted_ms: Option<i64>,
    /// Name of its execution.
    pub(super) execution: String,
    /// ARN of its execution.
    pub(super) execution_arn: String,
    /// When its execution was stopped.
    pub(super) stopped_ms: Vec<i64>,
    /// When its execution was redriven.
    pub(super) redriven_ms: Vec<i64>,
    /// Its jobs, in order.
    pub(super) jobs: Vec<Job>,
    /// When it was copied to the approved bucket.
    pub(super) copied_ms: Vec<i64>,
    /// The status of its execution since when.
    pub(super) statuses: Vec<(i64, ExecutionStatus)>,
}

/// A job of a version.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// When it ended, and whether it succeeded.
    pub(super) ended: Option<(i64, bool)>,
    /// Its number in the service.
    pub(super) number: u64,
    /// When it was started.
    pub(super) started_ms: i64,
}

/// A policy of the operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Any label at 50 % or more rejects.
    Default,
    /// Any label at 80 % or more rejects.
    Lenient,
    /// Any label at 30 % or more rejects.
    Strict,
    /// Not a policy at all.
    Unusable,
}

impl Policy {
    /// As the operator writes it.
    #[must_use]
    pub(super) fn text(self) -> String {
        match self.threshold_percent() {
            Some(percent) => format!(
                r#"{{"schema_version": 1, "default": {{"action": "reject", "min_confidence_percent": {percent}}}, "rules": []}}"#
            ),
            None => r#"{"schema_version": 1, "default": "#.to_owned(),
        }
    }

    fn threshold_percent(self) -> Option<f32> {
        match self {
            Self::Default => Some(50.0),
            Self::Lenient => Some(80.0),
            Self::Strict => Some(30.0),
            Self::Unusable => None,
        }
    }

    /// Whether a file with labels of up to that confidence passes.
    #[must_use]
    pub(super) fn approves(self, confidence_percent: Option<f32>) -> bool {
        match (self.threshold_percent(), confidence_percent) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(threshold), Some(confidence)) => confidence < threshold,
        }
    }
}

/// A spending cap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cap {
    /// Minutes of video that may be scanned on a day.
    pub(super) minutes_a_day: u32,
    /// When it was lifted.
    pub(super) lifted_ms: i64,
}

impl Cap {
    /// One that is in force.
    pub(super) fn new(minutes_a_day: u32) -> Self {
        Self {
            minutes_a_day,
            lifted_ms: i64::MAX,
        }
    }
}

/// Everything that is known to be so.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// In the order in which they came to be.
    pub(super) versions: Vec<Version>,
    by_id: BTreeMap<String, usize>,
    by_execution: BTreeMap<String, usize>,
    by_job: BTreeMap<u64, usize>,
    /// Ids of the versions in the approved bucket, each of which was checked when it came.
    pub(super) approved_ids: BTreeSet<String>,
    /// The spending cap, if there is one.
    pub(super) cap: Option<Cap>,
    /// Names of the executions that were started by hand, with an input that is no upload.
    pub(super) by_hand: Vec<String>,
    /// Policies and since when each is in force.
    pub(super) policies: Vec<(i64, Policy)>,
    /// Values of `MAX_JOBS` and since when each is deployed.
    pub(super) max_jobs: Vec<(i64, u32)>,
    /// Takedowns: key, and when.
    pub(super) takedowns: Vec<(String, i64)>,
    /// How often all results expired.
    pub(super) expiries: usize,
    /// How many request tokens somebody else used first.
    pub(super) foreign: usize,
    /// How executions ended, by error name or status, how many.
    pub(super) ends: BTreeMap<String, u64>,
}

impl Truth {
    pub(super) fn add(&mut self, version: Version) {
        let at = self.versions.len();
        self.by_id.insert(version.id.clone(), at);
        self.by_execution.insert(version.execution.clone(), at);
        self.versions.push(version);
    }

    /// The version of that id.
    #[must_use]
    pub(super) fn version(&self, version_id: &str) -> Option<&Version> {
        self.versions.get(*self.by_id.get(version_id)?)
    }

    pub(super) fn version_mut(&mut self, version_id: &str) -> Option<&mut Version> {
        self.versions.get_mut(*self.by_id.get(version_id)?)
    }

    /// The number of the upload that an execution is of.
    #[must_use]
    pub(super) fn upload(&self, execution: &str) -> Option<usize> {
        self.by_execution.get(execution).copied()
    }

    pub(super) fn of_execution(&mut self, execution: &str) -> Option<&mut Version> {
        self.versions.get_mut(*self.by_execution.get(execution)?)
    }

    pub(super) fn job_started(&mut self, tag: &str, job: Job) {
        if let Some(&at) = self.by_execution.get(tag) {
            self.by_job.insert(job.number, at);
            self.versions[at].jobs.push(job);
        }
    }

    pub(super) fn job_ended(&mut self, number: u64, now_ms: i64, succeeded: bool) {
        let Some(version) = self
            .by_job
            .get(&number)
            .and_then(|&at| self.versions.get_mut(at))
        else {
            return;
        };
        if let Some(job) = version.jobs.iter_mut().find(|job| job.number == number) {
            job.ended = Some((now_ms, succeeded));
        }
    }

    /// The most that `MAX_JOBS` was at any time since.
    #[must_use]
    pub(super) fn max_jobs_since(&self, since_ms: i64) -> u32 {
        in_force(&self.max_jobs, since_ms, i64::MAX)
            .max()
            .unwrap_or(0)
    }

    /// Since when an execution has ended, if it has.
    #[must_use]
    pub(super) fn closed_since(&self, execution: &str) -> Option<i64> {
        let version = &self.versions[*self.by_execution.get(execution)?];
        let (since_ms, _) = version.statuses.last()?;
        version.has_ended().then_some(*since_ms)
    }

    /// Whether a job of an execution is open.
    #[must_use]
    pub(super) fn has_open_job(&self, execution: &str) -> bool {
        let version = self
            .by_execution
            .get(execution)
            .map(|&at| &self.versions[at]);
        version.is_some_and(Version::has_open_job)
    }

    /// Whether the first of two versions is certainly newer: what was deleted is ordered by whole seconds, in which two may tie.
    #[must_use]
    pub(super) fn is_newer(&self, first: &str, second: &str) -> bool {
        let (Some(first), Some(second)) = (self.version(first), self.version(second)) else {
            return false;
        };
        let both = [first, second];
        both[0].order > both[1].order && both.iter().all(|version| version.deleted_ms.is_none())
    }

    /// Whether this version, or one that is newer, was ever copied into the approved bucket. Where a version of the key was deleted
    /// nothing can be said, so it counts as copied.
    #[must_use]
    pub(super) fn is_superseded_or_copied(&self, execution: &str) -> bool {
        let Some(&at) = self.by_execution.get(execution) else {
            return false;
        };
        let own = &self.versions[at];
        let mut of_key = self.versions.iter().filter(|other| other.key == own.key);
        of_key.any(|other| {
            other.deleted_ms.is_some() || (other.order >= own.order && !other.copied_ms.is_empty())
        })
    }

    /// Whether any policy in force between two times approves that.
    #[must_use]
    pub(super) fn approvable(
        &self,
        from_ms: i64,
        to_ms: i64,
        confidence_percent: Option<f32>,
    ) -> bool {
        let mut policies = in_force(&self.policies, from_ms, to_ms);
        policies.any(|policy| policy.approves(confidence_percent))
    }

    /// Whether any usable policy in force between two times rejects that.
    #[must_use]
    pub(super) fn rejectable(
        &self,
        from_ms: i64,
        to_ms: i64,
        confidence_percent: Option<f32>,
    ) -> bool {
        let mut policies = in_force(&self.policies, from_ms, to_ms);
        policies.any(|policy| policy != Policy::Unusable && !policy.approves(confidence_percent))
    }
}

/// Of values that follow one another, each with the time since which it is in force, those in force between two times.
fn in_force<T: Copy>(history: &[(i64, T)], from_ms: i64, to_ms: i64) -> impl Iterator<Item = T> {
    let untils = history.iter().skip(1).map(|(since_ms, _)| *since_ms);
    history
        .iter()
        .zip(untils.chain([i64::MAX]))
        .filter(move |((since_ms, _), until_ms)| *since_ms <= to_ms && *until_ms >= from_ms)
        .map(|((_, value), _)| *value)
}

impl Version {
    /// Tags that the uploader gave it: some have none.
    #[must_use]
    pub(super) fn user_tags(&self) -> BTreeMap<String, String> {
        let mark = self.file.mark;
        (0..mark % 3)
            .map(|number| (format!("mark {number}"), format!("{mark}/{number}")))
            .collect()
    }

    /// Whether a job of it is open.
    #[must_use]
    pub(super) fn has_open_job(&self) -> bool {
        self.jobs.iter().any(|job| job.ended.is_none())
    }

    /// When a scan of it succeeded first.
    #[must_use]
    pub(super) fn scanned_ms(&self) -> Option<i64> {
        self.jobs
            .iter()
            .filter_map(|job| job.ended.filter(|(_, succeeded)| *succeeded))
            .map(|(ended_ms, _)| ended_ms)
            .min()
    }

    /// The status of its execution now.
    #[must_use]
    pub(super) fn status(&self) -> Option<ExecutionStatus> {
        self.statuses.last().map(|(_, status)| *status)
    }

    /// Whether its execution has ended.
    #[must_use]
    pub(super) fn has_ended(&self) -> bool {
        self.status()
            .is_some_and(|status| status != ExecutionStatus::Running)
    }

    /// Whether it must have an execution in the end: the sweep does not see what was removed.
    #[must_use]
    pub(super) fn must_have_execution(&self) -> bool {
        self.file.footage.fate() != Fate::Ignored && self.deleted_ms.is_none()
    }
}
