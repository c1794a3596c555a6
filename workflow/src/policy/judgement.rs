//! What a policy concludes from a scan.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// What the policy concludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The video may be published.
    Approve,
    /// It may not.
    Reject,
}

/// A verdict and its reasons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The rule or rules that decided it, in a person's words.
    pub rule: String,
    /// The labels that made it reject, surest first; empty when it approves.
    pub findings: Vec<Finding>,
}

/// One label that made the policy reject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The label as Rekognition named it.
    pub label: String,
    /// Its parent, empty at the top level.
    #[serde(default)]
    pub parent: String,
    /// The highest confidence of its rows, 0 to 100.
    pub max_confidence_percent: f32,
    /// How long it is in the picture; overlapping rows count once.
    pub total_ms: u64,
    /// How many rows there are.
    pub count: u64,
    /// The first rows as (start, end) in milliseconds, at most [`Finding::SEGMENTS_MAX`].
    pub segments: Vec<(u32, u32)>,
}

impl Finding {
    /// How many rows a finding repeats; the report has all of them.
    pub const SEGMENTS_MAX: usize = 10;
}

impl Judgement {
    /// How many labels a judgement repeats.
    pub const FINDINGS_MAX: usize = 100;
    /// How many labels a cause names, and how many times for each.
    const CAUSE_FINDINGS_MAX: usize = 12;
    const CAUSE_SEGMENTS_MAX: usize = 3;
    /// The longest label that a cause repeats; AWS's own have at most 49 characters.
    const CAUSE_LABEL_CHARS_MAX: usize = 80;

    /// The verdict in one sentence for a person: labels, confidences, times and the rule.
    ///
    /// At most a few thousand characters (AWS Step Functions API reference, SendTaskFailure: `cause` has at most 32,768).
    #[must_use]
    pub fn cause(&self) -> String {
        if self.findings.is_empty() {
            return self.rule.clone();
        }
        let mut cause = String::from("Found ");
        for (index, finding) in self
            .findings
            .iter()
            .take(Self::CAUSE_FINDINGS_MAX)
            .enumerate()
        {
            if index > 0 {
                cause.push_str("; ");
            }
            finding.describe(&mut cause);
        }
        if let Some(more @ 1..) = self.findings.len().checked_sub(Self::CAUSE_FINDINGS_MAX) {
            let _ = write!(cause, "; and {more} more labels");
        }
        let _ = write!(cause, ". Rule: {}", self.rule);
        cause
    }
}

impl Finding {
    fn describe(&self, text: &mut String) {
        let label: String = self
            .label
            .chars()
            .take(Judgement::CAUSE_LABEL_CHARS_MAX)
            .collect();
        // Writing to a String cannot fail.
        let _ = write!(text, "{label} ({:.1} %) at ", self.max_confidence_percent);
        let shown = self.segments.len().min(Judgement::CAUSE_SEGMENTS_MAX);
        for (index, (start_ms, end_ms)) in self.segments[..shown].iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            let _ = write!(text, "{separator}{}", clock(*start_ms));
            if end_ms > start_ms {
                let _ = write!(text, "-{}", clock(*end_ms));
            }
        }
        if let Some(more @ 1..) = self.count.checked_sub(shown as u64) {
            let _ = write!(text, " and {more} more times");
        }
    }
}

/// `m:ss.t` or `h:mm:ss.t`, as players show it.
fn clock(ms: u32) -> String {
    let (seconds, tenths) = (ms / 1000, ms % 1000 / 100);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    if minutes < 60 {
        format!("{minutes}:{seconds:02}.{tenths}")
    } else {
        format!("{}:{:02}:{seconds:02}.{tenths}", minutes / 60, minutes % 60)
    }
}
