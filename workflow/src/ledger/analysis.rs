//! The scans of a record.

use serde::{Deserialize, Serialize};

use super::Unknown;
use crate::report::AnalysisReason;

/// One scan: its frozen parameters, so that a repeated start is the same start, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// From 1, in each drive of the execution.
    pub number: u32,
    /// The drive of the execution that asked for it: frozen, part of the request token.
    pub redrive_count: u32,
    /// Why it is paid for.
    pub reason: AnalysisReason,
    /// MinConfidence, 0 to 100.
    pub min_confidence_percent: f32,
    /// Where the job's end is announced.
    pub results_topic_arn: String,
    /// The role that Rekognition assumes to announce it.
    pub results_role_arn: String,
    /// How it was counted against the day's cap, before it was started; None without a cap.
    #[serde(default)]
    pub counted: Option<Counted>,
    /// The job, once the start was answered.
    #[serde(default)]
    pub job_id: Option<String>,
    /// When the start was answered, in milliseconds since 1970.
    #[serde(default)]
    pub started_ms: Option<i64>,
    /// When the job was seen to have ended, in milliseconds since 1970.
    #[serde(default)]
    pub ended_ms: Option<i64>,
    /// Rekognition's words about a job that failed.
    #[serde(default)]
    pub status_message: Option<String>,
    /// As [`Record::unknown`](super::Record::unknown).
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A scan that was counted against the cap of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The day, in UTC: `2026-11-24`.
    pub day: String,
    /// Minutes that it was counted with.
    pub minutes: u32,
    /// As [`Record::unknown`](super::Record::unknown).
    #[serde(flatten)]
    pub unknown: Unknown,
}
