//! The report of a settled execution: what was scanned, what the policy made of it, and what happened then.
//!
//! [`Report`] is the JSON document of the ledger's `reports/<execution>.json`; [`Report::to_webvtt`] makes the track that
//! a player shows beside the video. There is no field that could hold a task token.

mod head;
mod timestamp;
mod webvtt;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{ExecutionInput, ExecutionStatus};
use crate::policy::{Finding, Judgement, Verdict};
use crate::scan::Scan;

pub use head::ReportHead;
pub use timestamp::Timestamp;

/// The version of the document that this program writes. It reads this one and the one before.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything that is known about a settled execution.
///
/// Fields that are not known stay out of the JSON. Times are RFC 3339 in UTC, times within the video are milliseconds
/// from its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`] of its writer.
    pub schema_version: u32,
    /// Revision of the execution's record that it was written from; see [`ReportHead::outranks`].
    pub revision: u64,
    /// How often the execution had been redriven.
    pub redrive_count: u32,
    /// The execution's name.
    pub execution_name: String,
    /// The execution's ARN.
    pub execution_arn: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The status that the execution was seen to have ended with. Absent as long as nobody looked: a report is written
    /// just before the task is answered, and again only after an end of another kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_status: Option<ExecutionStatus>,
    /// The error that the execution ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_name: Option<String>,
    /// Why, in a person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Whether a copy of the version to the approved bucket was noted. It was made then, unless it was late and a newer
    /// version was there before it.
    #[serde(default)]
    pub published: bool,
    /// Whether the execution was stopped, expired or failed when the copy could no longer be prevented.
    #[serde(default)]
    pub stop_too_late: bool,
    /// The object version.
    pub video: ReportVideo,
    /// Hash of the policy that judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_hash: Option<String>,
    /// What the policy concluded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The rule that decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The labels that made it reject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// How the video was scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<ReportScan>,
    /// Every analysis, in order, and why it was needed.
    #[serde(default)]
    pub analyses: Vec<Analysis>,
    /// How often work on the execution was begun, looks at its job included.
    #[serde(default)]
    pub attempts: u32,
    /// When what happened.
    #[serde(default)]
    pub timings: Timings,
    /// Everything that Rekognition reported, by label.
    #[serde(default)]
    pub segments: Vec<LabelSegments>,
    /// Why the segments are not here, when they could not be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments_unavailable: Option<String>,
    /// Fields of a later writer, kept as they are.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The policy accepted the video: it is in the approved bucket, unless a newer version of its key already was.
    Approved,
    /// The policy rejected it.
    Rejected,
    /// It is no video that Rekognition can scan.
    Unsupported,
    /// An operational failure, a stop or an expiry. What the policy had concluded before, if anything, is in the verdict.
    Failed,
}

/// The object version that a report is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportVideo {
    /// The raw bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version that was scanned.
    pub version_id: String,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its size.
    pub size_bytes: u64,
    /// The Content-Type that the container calls for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The duration that Rekognition measured, else the one that the container states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// How a video was scanned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportScan {
    /// `ModerationModelVersion`.
    pub model_version: String,
    /// The `MinConfidence` of the job: labels below it are not in the report.
    pub min_confidence_percent: f32,
    /// How many rows Rekognition reported.
    pub row_count: u64,
}

/// One Rekognition job, and why it was paid for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// 1, 2, …
    pub number: u32,
    /// The execution's redrive count when it was begun.
    pub redrive_count: u32,
    /// The job, once Start answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// Why it was needed.
    pub reason: AnalysisReason,
    /// When Start answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the job was found to have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// `StatusMessage` of a job that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
}

/// The only reasons to pay for an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AnalysisReason {
    /// The first one of the version.
    First,
    /// The job before ended as FAILED.
    JobFailed,
    /// Results, or the client request token, were older than Rekognition's 7 days.
    ResultsExpired,
    /// The policy asks for labels of a lower confidence than the scan reported.
    PolicyStricter,
    /// The execution was redriven.
    Redrive,
    /// Rekognition refused the token for another job's parameters.
    ParameterMismatch,
}

/// When what happened; a time that is absent never came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// S3's time of the version: of an upload in parts, when it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded_at: Option<Timestamp>,
    /// Its first task was taken up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<Timestamp>,
    /// The verdict was fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_at: Option<Timestamp>,
    /// The copy was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
    /// The task was answered: known only to a report that was written again after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
}

/// All rows of one label: `{"label", "parent", "level", "segments": [[start_ms, end_ms, confidence_percent], …]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelSegments {
    /// The label as Rekognition named it.
    pub label: String,
    /// Its parent as Rekognition named it, empty at the top level.
    pub parent: String,
    /// 1 to 3; 0 when Rekognition did not say.
    pub level: u8,
    /// Start and end in milliseconds, confidence in percent; by start, then end.
    pub segments: Vec<(u32, u32, f32)>,
}

/// Why a document is not a report that this program can use.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Not JSON, or fields are missing.
    #[error("the report does not fit its schema")]
    Malformed(#[source] serde_json::Error),
    /// Written by a later release: to be left untouched.
    #[error(
        "the report has schema version {found}, this program knows up to {SCHEMA_VERSION}: update it"
    )]
    Newer {
        /// Its schema version.
        found: u32,
    },
}

impl Report {
    /// A report that knows nothing yet but how the execution ended.
    #[must_use]
    pub fn new(
        execution_arn: impl Into<String>,
        input: &ExecutionInput,
        outcome: Outcome,
        revision: u64,
    ) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            revision,
            redrive_count: 0,
            execution_name: input.execution_name(),
            execution_arn: execution_arn.into(),
            outcome,
            closed_status: None,
            error_name: None,
            cause: None,
            published: false,
            stop_too_late: false,
            video: ReportVideo {
                bucket: input.bucket.clone(),
                key: input.key.clone(),
                version_id: input.version_id.clone(),
                etag: input.etag.clone(),
                size_bytes: input.size_bytes,
                content_type: None,
                duration_ms: None,
            },
            policy_hash: None,
            verdict: None,
            rule: None,
            findings: Vec::new(),
            scan: None,
            analyses: Vec::new(),
            attempts: 0,
            timings: Timings::default(),
            segments: Vec::new(),
            segments_unavailable: None,
            unknown: BTreeMap::new(),
        }
    }

    /// Adds what Rekognition reported: model, confidence, duration and every row.
    pub fn set_scan(&mut self, scan: &Scan) {
        self.video.duration_ms = scan.duration_ms.or(self.video.duration_ms);
        self.scan = Some(ReportScan {
            model_version: scan.model_version.clone(),
            min_confidence_percent: scan.min_confidence_percent,
            row_count: scan.segments().len() as u64,
        });
        self.segments = LabelSegments::of(scan);
        self.segments_unavailable = None;
    }

    /// Adds what the policy concluded.
    pub fn set_judgement(&mut self, judgement: &Judgement, policy_hash: &str) {
        self.policy_hash = Some(policy_hash.to_owned());
        self.verdict = Some(judgement.verdict);
        self.rule = Some(judgement.rule.clone());
        self.findings.clone_from(&judgement.findings);
    }

    /// The JSON document, fields in a fixed order.
    ///
    /// # Errors
    /// Never for a report that this program made: JSON can hold all of its fields.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let rows: usize = self.segments.iter().map(|label| label.segments.len()).sum();
        // About what a row takes, so that 100,000 of them do not copy the buffer while it grows.
        let mut json = Vec::with_capacity(4096 + 28 * rows);
        serde_json::to_writer(&mut json, self)?;
        Ok(json)
    }

    /// Reads a report, keeping the fields that it does not know.
    ///
    /// # Errors
    /// When it is no report, or one of a later release.
    pub fn parse(json: &[u8]) -> Result<Self, ReportError> {
        ReportHead::parse(json)?;
        serde_json::from_slice(json).map_err(ReportError::Malformed)
    }

    /// The WebVTT track of what Rekognition reported (W3C, "WebVTT: The Web Video Text Tracks Format").
    ///
    /// One cue for each stretch of time of each label; labels that made the policy reject are marked.
    #[must_use]
    pub fn to_webvtt(&self) -> String {
        webvtt::track(self)
    }
}

impl LabelSegments {
    /// The rows of a scan by label, labels by name and rows by time.
    #[must_use]
    pub fn of(scan: &Scan) -> Vec<Self> {
        let mut counts = vec![0; scan.labels().len()];
        for row in scan.segments() {
            counts[usize::from(row.label)] += 1;
        }
        let mut labels: Vec<Self> = scan
            .labels()
            .iter()
            .zip(counts)
            .map(|(label, count)| Self {
                label: label.name.clone(),
                parent: label.parent_name.clone(),
                level: label.taxonomy_level,
                segments: Vec::with_capacity(count),
            })
            .collect();
        for row in scan.segments() {
            labels[usize::from(row.label)].segments.push((
                row.start_ms,
                row.end_ms,
                row.confidence_percent,
            ));
        }
        for label in &mut labels {
            label
                .segments
                .sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
        }
        labels.sort_by(|a, b| (&a.label, &a.parent, a.level).cmp(&(&b.label, &b.parent, b.level)));
        labels
    }
}

#[cfg(test)]
mod tests;
