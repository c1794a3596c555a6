//! The moderation policy: which labels, how sure, how long, make a video unacceptable.
//!
//! A policy is the operator's JSON file (`docs/policy.md`), [parsed](ModerationPolicy::parse) into rules that cannot be
//! invalid, and [judges](ModerationPolicy::judge) a complete [`Scan`]. Both are pure functions.
//! Whatever a policy leaves open is decided against the video.

mod document;
mod error;
mod judge;
mod judgement;
mod parents;
mod parse;
mod rule;
pub mod taxonomy;

use sha2::{Digest, Sha256};

use crate::scan::{Scan, Segment};
use rule::Rule;
use taxonomy::LabelId;

pub use error::{PolicyError, PolicyErrors};
pub use judgement::{Finding, Judgement, Verdict};

/// The committed policy, for operators that bring none: any label at 50 % or more rejects.
pub const DEFAULT_POLICY: &str = include_str!("../../policy/default.json");

/// A valid policy.
#[derive(Clone, Debug, PartialEq)]
pub struct ModerationPolicy {
    /// What governs a label that no rule matches.
    default: Rule,
    /// By label, restricted rules before unrestricted, strict ones before lenient ones: the first match governs.
    rules: Vec<Rule>,
    hash: String,
}

impl ModerationPolicy {
    /// Reads a policy document.
    ///
    /// # Errors
    /// All problems of the document together, each with its field, its value and a remedy.
    pub fn parse(json: &[u8]) -> Result<Self, PolicyErrors> {
        let (default, rules) = parse::parse(json)?;
        Ok(Self::new(default, rules))
    }

    fn new(default: Rule, mut rules: Vec<Rule>) -> Self {
        rules.sort_by(Rule::cmp_canonical);
        let mut policy = Self {
            default,
            rules,
            hash: String::new(),
        };
        policy.hash = hex::encode(Sha256::digest(policy.canonical_json()));
        policy
    }

    /// SHA-256 (64 hex digits) of [`Self::canonical_json`]: equal for documents that mean the same.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The document in its one canonical form: rules in a fixed order, labels as AWS spells them, no spaces.
    #[must_use]
    pub fn canonical_json(&self) -> String {
        let rules: Vec<String> = self.rules.iter().map(Rule::canonical_json).collect();
        format!(
            r#"{{"schema_version":{},"default":{},"rules":[{}]}}"#,
            parse::SCHEMA_VERSION,
            self.default.canonical_json(),
            rules.join(",")
        )
    }

    /// The `MinConfidence` to start a scan with: the lowest confidence that any rule asks about.
    ///
    /// Amazon Rekognition API reference, StartContentModeration: labels below it are not reported at all, and its
    /// default of 50 would hide them. A policy without thresholds asks for that default.
    #[must_use]
    pub fn min_confidence_percent(&self) -> f32 {
        std::iter::once(&self.default)
            .chain(&self.rules)
            .filter_map(Rule::min_confidence_percent)
            .reduce(f32::min)
            .unwrap_or(REKOGNITION_MIN_CONFIDENCE_PERCENT)
    }

    /// Whether this policy asks about labels that the scan was told not to report: it takes another scan to judge.
    #[must_use]
    pub fn is_stricter_than(&self, scan: &Scan) -> bool {
        // A scan whose confidence is not a number was told nothing that can be relied on.
        scan.min_confidence_percent
            .partial_cmp(&self.min_confidence_percent())
            .is_none_or(std::cmp::Ordering::is_gt)
    }

    /// Judges a complete scan. A pure function: the order of the rows does not matter.
    ///
    /// A scan that the policy [is stricter than](Self::is_stricter_than) rejects, since what it hides is not known;
    /// callers ask first and scan again.
    #[must_use]
    pub fn judge(&self, scan: &Scan) -> Judgement {
        judge::judge(self, scan)
    }

    /// The rule that governs a row: the most specific one whose label is the row's label or one of its ancestors.
    fn governing<'a>(&'a self, candidates: &[usize], row: &Segment) -> (usize, &'a Rule) {
        candidates
            .iter()
            .map(|index| (*index, &self.rules[*index]))
            .find(|(_, rule)| rule.applies_to(row))
            .unwrap_or((self.rules.len(), &self.default))
    }

    /// The rules that can govern a label, most specific first.
    fn candidates(&self, label: LabelId) -> Vec<usize> {
        taxonomy::known()
            .lineage(label)
            .flat_map(|ancestor| {
                self.rules
                    .iter()
                    .enumerate()
                    .filter(move |(_, rule)| rule.label == Some(ancestor))
                    .map(|(index, _)| index)
            })
            .collect()
    }
}

/// Amazon Rekognition API reference, StartContentModeration, `MinConfidence`.
const REKOGNITION_MIN_CONFIDENCE_PERCENT: f32 = 50.0;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
