//! Invariants that are checked once all is quiet.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::Value;
use workflow::names;
use workflow::steps::SOURCE_VERSION_ENTRY;

use super::footage::Fate;
use super::people::People;
use super::plan::Level;
use super::stage::Stage;
use super::truth::{Job, Truth, Version};
use super::{objects, quiet};
use crate::aws::Aws;
use crate::sfn::TOKEN_CANARY;
use crate::stack::permissions::Principal;

/// Scans of a version in one drive: `MAX_ANALYSES` as the simulation deploys it.
pub(super) const SCANS_MAX: u32 = 2;

/// What is looked at.
pub(super) struct Checks<'a> {
    pub(super) stage: &'a Stage,
    pub(super) aws: &'a Aws,
    pub(super) people: &'a People,
    pub(super) level: Level,
}

const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;

impl Checks<'_> {
    /// Checks everything; what does not hold is noted on the stage.
    pub(super) async fn all(&self) -> anyhow::Result<()> {
        let mut versions = self.stage.lock().truth.versions.clone();
        let mut published = BTreeSet::new();
        for version in &versions {
            let described = self.describe(version).await;
            let report = report(self.aws, self.people, version);
            let problems = self.check_version(version, described.as_ref(), report.as_ref());
            for problem in problems {
                let (key, execution) = (&version.key, &version.execution);
                self.stage
                    .broken(format!("{key:?} ({execution}): {problem}"));
            }
            if report.is_some_and(|report| report["published"] == true) {
                published.insert(version.id.clone());
            }
        }
        versions.sort_by_key(|version| version.order);
        self.check_approved(&versions, &published).await?;
        self.check_jobs();
        self.check_cap(&versions);
        self.check_permissions();
        objects::check(self, &versions).await?;
        quiet::check(self.stage, self.aws).await;
        Ok(())
    }

    async fn describe(&self, version: &Version) -> Option<DescribeExecutionOutput> {
        let describe = self.people.sfn.describe_execution();
        let described = describe
            .execution_arn(&version.execution_arn)
            .send()
            .await
            .ok()?;
        let end = described.error.clone();
        let end = end.unwrap_or_else(|| described.status.as_str().to_owned());
        *self.stage.lock().truth.ends.entry(end).or_default() += 1;
        if format!("{described:?}").contains(TOKEN_CANARY) {
            let execution = &version.execution;
            self.stage
                .broken(format!("the execution {execution} tells a task token"));
        }
        Some(described)
    }

    pub(super) fn read(&self, key: &str) -> Option<String> {
        let bucket = &self.people.stack.ledger_bucket;
        let bytes = self.aws.s3.read(bucket, key, None, 0, usize::MAX).ok()?;
        String::from_utf8(bytes.to_vec()).ok()
    }

    /// Promises 2, 3 and 6: one execution, which ended as it should, says why, and has a report that agrees.
    fn check_version(
        &self,
        version: &Version,
        described: Option<&DescribeExecutionOutput>,
        report: Option<&Value>,
    ) -> Vec<String> {
        let Some(described) = described else {
            return if version.must_have_execution() {
                vec!["has no execution".to_owned()]
            } else {
                Vec::new()
            };
        };
        if version.file.footage.fate() == Fate::Ignored {
            return vec!["is no video, and has an execution".to_owned()];
        }
        let mut problems = Vec::new();
        let mut expect = |holds: bool, problem: &str| {
            if !holds {
                let status = described.status.as_str();
                let error = described.error.as_deref().unwrap_or_default();
                problems.push(format!("{problem} ({status} {error})"));
            }
        };
        let truth = &self.stage.lock().truth;
        expect(
            self.may_end_so(truth, version, described),
            "ended as it should not",
        );
        if described.status == ExecutionStatus::Failed {
            let cause = described.cause.as_deref().unwrap_or_default();
            expect(!cause.is_empty(), "failed without a cause");
        }
        match report {
            None => expect(false, "has no report"),
            Some(report) => {
                expect(
                    report["outcome"] == outcome(described, report),
                    &format!("its report says {}", report["outcome"]),
                );
                let published = report["published"] == true;
                expect(
                    published || version.copied_ms.is_empty(),
                    "it was published, and its report does not say so",
                );
                let explained = described.status == ExecutionStatus::Succeeded
                    || report["cause"]
                        .as_str()
                        .is_some_and(|cause| !cause.is_empty());
                expect(explained, "its report does not say why it did not approve");
                expect(
                    jobs_are_explained(truth, version, report),
                    &format!(
                        "has {} jobs, which its report explains as {}",
                        version.jobs.len(),
                        report["analyses"]
                    ),
                );
            }
        }
        problems
    }

    fn may_end_so(
        &self,
        truth: &Truth,
        version: &Version,
        described: &DescribeExecutionOutput,
    ) -> bool {
        let fate = version.file.footage.fate();
        let hostile = self.level != Level::None;
        let now_ms = self.stage.now_ms();
        let confidence = version.file.footage.confidence_percent();
        let scanned_ms = version.scanned_ms();
        match (&described.status, described.error.as_deref()) {
            (ExecutionStatus::Succeeded, _) => {
                fate == Fate::Judged
                    && scanned_ms.is_some_and(|at| truth.approvable(at, now_ms, confidence))
            }
            (ExecutionStatus::Failed, Some("ContentRejected")) => {
                fate == Fate::Judged
                    && scanned_ms.is_some_and(|at| truth.rejectable(at, now_ms, confidence))
            }
            (ExecutionStatus::Failed, Some("UnsupportedVideo")) => {
                fate == Fate::Unsupported || version.deleted_ms.is_some()
            }
            (ExecutionStatus::Failed, Some("ModerationFailed")) => {
                fate == Fate::Unscannable || scans_lost(truth, version) >= SCANS_MAX as usize
            }
            (ExecutionStatus::Failed, Some("AttemptsExhausted" | "AccessDenied")) => hostile,
            (ExecutionStatus::Aborted, _) => !version.stopped_ms.is_empty(),
            (ExecutionStatus::TimedOut, _) => self.people.stack.options.machine_timeout.is_some(),
            _ => false,
        }
    }

    /// Promise 4: the newest published version of each key is in the approved bucket, unless it was taken down.
    async fn check_approved(
        &self,
        versions: &[Version],
        published: &BTreeSet<String>,
    ) -> anyhow::Result<()> {
        let bucket = &self.people.stack.approved_bucket;
        let mut newest: BTreeMap<&str, &Version> = BTreeMap::new();
        let mut ambiguous: BTreeSet<&str> = BTreeSet::new();
        // Newest first: a noted copy need not be made when a newer version was there before it.
        for version in versions.iter().rev() {
            if version.deleted_ms.is_some() {
                // What is no longer listed is ordered by whole seconds, in which two may tie.
                ambiguous.insert(&version.key);
            }
            if !version.copied_ms.is_empty() {
                newest.entry(&version.key).or_insert(version);
            } else if published.contains(&version.id)
                && version.deleted_ms.is_none()
                && !newest.contains_key(version.key.as_str())
            {
                self.stage.broken(format!(
                    "{:?} says that {} is published, which was never copied",
                    version.key, version.id
                ));
            }
        }
        let keys: BTreeSet<String> = keys(&self.people.s3, bucket).await?.into_iter().collect();
        for key in &keys {
            let info = self.aws.s3.head(bucket, key, None)?;
            let source = info.metadata.get(SOURCE_VERSION_ENTRY).cloned();
            let expected = newest.get(key.as_str()).map(|version| version.id.clone());
            let known = versions
                .iter()
                .any(|version| version.key == *key && Some(&version.id) == source.as_ref());
            if source != expected && !(known && ambiguous.contains(key.as_str())) {
                self.stage.broken(format!(
                    "{key:?} in the approved bucket is version {source:?}, the newest published one is {expected:?}"
                ));
            }
        }
        let missing: Vec<String> = {
            let truth = &self.stage.lock().truth;
            newest
                .keys()
                .filter(|key| !keys.contains(**key))
                .filter(|key| !truth.takedowns.iter().any(|(taken, _)| taken == *key))
                .map(|key| format!("{key:?} was published and is not in the approved bucket"))
                .collect()
        };
        for problem in missing {
            self.stage.broken(problem);
        }
        Ok(())
    }

    /// Promise 5: no more jobs than allowed, and none left open.
    fn check_jobs(&self) {
        let (open, peak) = self.aws.rekognition.open_jobs();
        if open > 0 {
            self.stage
                .broken(format!("{open} jobs are open although all is settled"));
        }
        let max_jobs = self.stage.lock().truth.max_jobs_since(i64::MIN);
        if peak > max_jobs as usize {
            self.stage.broken(format!(
                "{peak} jobs were open at once, {max_jobs} were allowed"
            ));
        }
    }

    /// Promise 5: on no day were more minutes scanned than the cap allows, but for a single longer video. The first hour of a day
    /// is left out: what was counted for the day before may be started then.
    fn check_cap(&self, versions: &[Version]) {
        let Some(cap) = self.stage.lock().truth.cap else {
            return;
        };
        let mut days: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        for version in versions {
            let minutes = version.file.duration_ms.div_ceil(60_000);
            for job in &version.jobs {
                let in_force = job.started_ms < cap.lifted_ms;
                if in_force && job.started_ms.rem_euclid(DAY_MS) > HOUR_MS {
                    let day = job.started_ms.div_euclid(DAY_MS);
                    days.entry(day).or_default().push(minutes);
                }
            }
        }
        for minutes in days.into_values() {
            let (sum, longest) = (minutes.iter().sum::<u64>(), minutes.iter().max().copied());
            if sum > u64::from(cap.minutes_a_day).max(longest.unwrap_or_default()) {
                self.stage.broken(format!(
                    "{sum} minutes were scanned on a day, {} were allowed",
                    cap.minutes_a_day
                ));
            }
        }
    }

    /// The deployed policies suffice, whatever goes wrong.
    fn check_permissions(&self) {
        for principal in Principal::ALL {
            let role = self.aws.iam.role(&self.people.stack.role_arn(principal));
            for refused in role.iter().flat_map(|role| role.refused()) {
                let name = principal.name();
                self.stage.broken(format!("{name} was refused {refused}"));
            }
        }
    }
}

/// Promise 3: a second job is paid for only for a reason that the report names and that is so.
fn jobs_are_explained(truth: &Truth, version: &Version, report: &Value) -> bool {
    let reasons: Vec<&str> = report["analyses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|analysis| analysis["reason"].as_str())
        .collect();
    let possible = 1 + scans_lost(truth, version) + version.redriven_ms.len();
    let repeated_first = reasons
        .iter()
        .skip(1)
        .filter(|reason| **reason == "first")
        .count();
    version.jobs.len() <= possible && version.jobs.len() <= reasons.len() && repeated_first == 0
}

/// How many scans of a version may have brought nothing that can be judged.
fn scans_lost(truth: &Truth, version: &Version) -> usize {
    let failed = |job: &&Job| matches!(job.ended, Some((_, false)));
    let failed = version.jobs.iter().filter(failed).count();
    failed + truth.expiries + truth.foreign + (truth.policies.len() - 1)
}

/// What the report must say of an execution that ended so.
fn outcome(described: &DescribeExecutionOutput, report: &Value) -> &'static str {
    match (&described.status, described.error.as_deref()) {
        (ExecutionStatus::Succeeded, _) => "approved",
        (ExecutionStatus::Failed, Some("ContentRejected")) => "rejected",
        (ExecutionStatus::Failed, Some("UnsupportedVideo")) => "unsupported",
        // What is in the approved bucket was approved, whatever became of the execution.
        _ if report["published"] == true => "approved",
        _ => "failed",
    }
}

/// The report of a version's execution. Not as one of this release: there may be one of the next.
pub(super) fn report(aws: &Aws, people: &People, version: &Version) -> Option<Value> {
    let key = names::report_key(&version.execution);
    let bucket = &people.stack.ledger_bucket;
    let bytes = aws.s3.read(bucket, &key, None, 0, usize::MAX).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// All keys of a bucket.
pub(super) async fn keys(s3: &aws_sdk_s3::Client, bucket: &str) -> anyhow::Result<Vec<String>> {
    let mut keys = Vec::new();
    let mut pages = s3.list_objects_v2().bucket(bucket).into_paginator().send();
    while let Some(page) = pages.next().await {
        let objects = page?.contents.unwrap_or_default();
        keys.extend(objects.into_iter().filter_map(|object| object.key));
    }
    Ok(keys)
}
