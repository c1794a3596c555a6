//! The head of a report: what a writer must know about the one that is already there.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Analysis, Outcome, ReportError, SCHEMA_VERSION};

/// What a writer must know about the report that is already there, without reading its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportHead {
    /// Version of the document.
    pub schema_version: u32,
    /// Its revision.
    pub revision: u64,
    /// How often the execution had been redriven.
    pub redrive_count: u32,
    /// How the execution ended, as far as that writer knew.
    pub outcome: Outcome,
    /// Whether a copy of the version to the approved bucket was noted.
    pub published: bool,
    /// Every analysis so far.
    pub analyses: Vec<Analysis>,
    /// Fields of a later writer, to be kept.
    pub unknown: BTreeMap<String, Value>,
}

impl ReportHead {
    /// Reads the head of a report, skipping its rows.
    ///
    /// # Errors
    /// When it is no report, or one of a later release.
    pub fn parse(json: &[u8]) -> Result<Self, ReportError> {
        #[derive(Deserialize)]
        struct Versioned {
            schema_version: u32,
        }
        // The version alone first: a later schema need not have today's fields.
        let Versioned { schema_version } =
            serde_json::from_slice(json).map_err(ReportError::Malformed)?;
        if schema_version > SCHEMA_VERSION {
            return Err(ReportError::Newer {
                found: schema_version,
            });
        }
        let fields: HeadFields = serde_json::from_slice(json).map_err(ReportError::Malformed)?;
        Ok(Self {
            schema_version,
            revision: fields.revision,
            redrive_count: fields.redrive_count,
            outcome: fields.outcome,
            published: fields.published,
            analyses: fields.analyses,
            unknown: fields.unknown,
        })
    }

    /// Whether a report stays as it is rather than being replaced by one of that drive and revision: it is of a later
    /// drive of the execution, or of a later state of the same one. Every drive may count its revisions from the start.
    #[must_use]
    pub fn outranks(&self, redrive_count: u32, revision: u64) -> bool {
        (self.redrive_count, self.revision) > (redrive_count, revision)
    }
}

/// The fields of a [`Report`]: what a head does not need is named too, so that it is skipped as it is read and what is left
/// over is what this program does not know.
#[derive(Deserialize)]
#[expect(dead_code, reason = "named to be skipped")]
struct HeadFields {
    revision: u64,
    redrive_count: u32,
    outcome: Outcome,
    #[serde(default)]
    published: bool,
    #[serde(default)]
    analyses: Vec<Analysis>,
    #[serde(default)]
    schema_version: IgnoredAny,
    #[serde(default)]
    execution_name: IgnoredAny,
    #[serde(default)]
    execution_arn: IgnoredAny,
    #[serde(default)]
    closed_status: IgnoredAny,
    #[serde(default)]
    error_name: IgnoredAny,
    #[serde(default)]
    cause: IgnoredAny,
    #[serde(default)]
    stop_too_late: IgnoredAny,
    #[serde(default)]
    video: IgnoredAny,
    #[serde(default)]
    policy_hash: IgnoredAny,
    #[serde(default)]
    verdict: IgnoredAny,
    #[serde(default)]
    rule: IgnoredAny,
    #[serde(default)]
    findings: IgnoredAny,
    #[serde(default)]
    scan: IgnoredAny,
    #[serde(default)]
    attempts: IgnoredAny,
    #[serde(default)]
    timings: IgnoredAny,
    #[serde(default)]
    segments: IgnoredAny,
    #[serde(default)]
    segments_unavailable: IgnoredAny,
    #[serde(flatten)]
    unknown: BTreeMap<String, Value>,
}
