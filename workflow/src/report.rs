//! The report of one execution: what was seen, what was decided, and why; and its cues for video players.
//!
//! No task token ever: the document has no field for one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::ExecutionInput;
use crate::policy::Finding;
use crate::scan::Scan;

/// Newest schema version of the document.
pub const SCHEMA_VERSION: u32 = 1;

/// `reports/<execution>.json`. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Schema version of this document.
    pub schema_version: u32,
    /// The record's revision when it was written: a report never replaces one of a higher revision.
    pub revision: u64,
    /// ARN of the execution.
    pub execution_arn: String,
    /// How often the execution had been redriven.
    pub redrive_count: u32,
    /// `approved`, `rejected`, `unsupported`, `failed`, or `ended` for an execution that ended without a verdict.
    pub outcome: String,
    /// The error that the task failed with, or the execution ended with.
    pub error_name: Option<String>,
    /// Why, for people.
    pub cause: Option<String>,
    /// Whether the version was copied to the approved bucket.
    pub published: bool,
    /// Whether the execution was stopped or expired after that: too late to prevent it.
    pub stopped_too_late: bool,
    /// Status of the execution, once it had ended without an answer to its task.
    pub closed_status: Option<String>,
    /// The object version.
    pub video: ExecutionInput,
    /// The container's content type.
    pub content_type: Option<String>,
    /// Length of the video.
    pub duration_ms: Option<u64>,
    /// Hash of the policy that decided.
    pub policy_hash: Option<String>,
    /// Version of the moderation model.
    pub model_version: Option<String>,
    /// Confidence from which on labels were asked for, 0 to 100.
    pub scan_min_confidence_percent: Option<f32>,
    /// Labels for which it was rejected.
    pub findings: Vec<Finding>,
    /// Every label that was found.
    pub labels: Vec<LabelSegments>,
    /// Why `labels` is empty although a scan was judged.
    pub labels_unavailable: Option<String>,
    /// Every scan, and why it was paid for.
    pub analyses: Vec<ReportedAnalysis>,
    /// When what happened.
    pub timings: BTreeMap<String, String>,
    /// Fields that a newer version of this schema added: kept as they are.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// A label and where it was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelSegments {
    /// The label.
    pub label: String,
    /// Its parent; empty for a top-level category.
    pub parent: String,
    /// 1 to 3.
    pub taxonomy_level: u8,
    /// Begin and end in milliseconds, and confidence from 0 to 100.
    pub segments: Vec<(u32, u32, f32)>,
}

/// One scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportedAnalysis {
    /// From 1, in each drive.
    pub number: u32,
    /// The drive that asked for it.
    pub redrive_count: u32,
    /// Why it was paid for.
    pub reason: String,
    /// Rekognition's job.
    pub job_id: Option<String>,
    /// When it was started.
    pub started: Option<String>,
    /// When it was seen to have ended.
    pub ended: Option<String>,
    /// Rekognition's words if it failed.
    pub status_message: Option<String>,
}

/// The labels of a scan as a report lists them.
#[must_use]
pub fn labels(scan: &Scan) -> Vec<LabelSegments> {
    scan.labels()
        .map(|(label, segments)| LabelSegments {
            label: label.name.clone(),
            parent: label.parent_name.clone(),
            taxonomy_level: label.taxonomy_level,
            segments: segments
                .iter()
                .map(|segment| (segment.start_ms, segment.end_ms, segment.confidence_percent))
                .collect(),
        })
        .collect()
}

/// Cues of all labels in WebVTT, for players that show them beside the video (W3C WebVTT, "WebVTT file structure").
///
/// Segments of one label that touch are one cue.
#[must_use]
pub fn webvtt(labels: &[LabelSegments]) -> String {
    let mut cues = Vec::new();
    for label in labels {
        let mut segments = label.segments.clone();
        segments.sort_by_key(|(start, end, _)| (*start, *end));
        let mut merged: Vec<(u32, u32, f32)> = Vec::new();
        for (start, end, confidence) in segments {
            match merged.last_mut() {
                Some(last) if start <= last.1 => {
                    last.1 = last.1.max(end);
                    last.2 = last.2.max(confidence);
                }
                _ => merged.push((start, end, confidence)),
            }
        }
        cues.extend(
            merged
                .into_iter()
                .map(|(start, end, confidence)| (start, end, label.label.as_str(), confidence)),
        );
    }
    cues.sort_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
    let mut text = "WEBVTT\n".to_owned();
    for (start, end, label, confidence) in cues {
        // A cue ends after it begins. Writing to a string cannot fail.
        let end = end.max(start + 1);
        let _ = write!(
            text,
            "\n{} --> {}\n{} {confidence:.1}%\n",
            timestamp(start),
            timestamp(end),
            escape(label)
        );
    }
    text
}

fn timestamp(ms: u32) -> String {
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1000 % 60,
        ms % 1000
    )
}

/// Cue text may hold neither markup nor line breaks, which would end the cue.
fn escape(text: &str) -> String {
    let one_line = text.replace(['\n', '\r'], " ");
    one_line
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(label: &str, segments: &[(u32, u32, f32)]) -> LabelSegments {
        LabelSegments {
            label: label.to_owned(),
            parent: String::new(),
            taxonomy_level: 1,
            segments: segments.to_vec(),
        }
    }

    #[test]
    fn cues_are_sorted_merged_and_escaped() {
        let labels = [
            label("Drugs & Tobacco", &[(3_600_000, 3_601_500, 60.0)]),
            label(
                "Violence",
                &[(1000, 2000, 90.0), (2000, 2500, 97.46), (500, 500, 55.0)],
            ),
        ];
        insta::assert_snapshot!(webvtt(&labels), @r"
        WEBVTT

        00:00:00.500 --> 00:00:00.501
        Violence 55.0%

        00:00:01.000 --> 00:00:02.500
        Violence 97.5%

        01:00:00.000 --> 01:00:01.500
        Drugs &amp; Tobacco 60.0%
        ");
    }

    #[test]
    fn no_labels_are_a_valid_file() {
        assert_eq!(webvtt(&[]), "WEBVTT\n");
    }
}
