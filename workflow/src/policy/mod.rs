//! The operator's policy: which labels, how certain and for how long, make a video unacceptable.
//!
//! A pure function of the policy and the scan. The format is documented in `docs/policy.md`.

mod judge;
mod parse;
mod taxonomy;

pub use judge::{Finding, Judgement, Verdict};
pub use parse::PolicyErrors;

/// The policy that is used unless the operator gives another: any label at 50 or more rejects.
pub const DEFAULT_POLICY: &str = include_str!("../../policy/default.json");

/// What is done about labels that a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// They make the video unacceptable, if they meet the rule's conditions.
    Reject,
    /// They are acceptable.
    Allow,
}

/// The conditions under which matched labels are looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conditions {
    pub(crate) action: Action,
    /// Segments below are not counted, 0 to 100.
    pub(crate) min_confidence_percent: f32,
    /// Total time from which on the label rejects; None: not by time.
    pub(crate) min_duration_ms: Option<u64>,
    /// Number of segments from which on the label rejects; None: not by number.
    pub(crate) min_count: Option<usize>,
    /// Segments that are animated with at least this confidence are not counted, in percent.
    pub(crate) except_animated_percent: Option<u8>,
    /// Segments that are illustrated with at least this confidence are not counted, in percent.
    pub(crate) except_illustrated_percent: Option<u8>,
}

/// A rule for a label and everything below it that has no rule of its own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    /// The label, spelled as in the taxonomy.
    pub(crate) label: String,
    pub(crate) conditions: Conditions,
}

/// A validated policy.
#[derive(Debug, Clone, PartialEq)]
pub struct ModerationPolicy {
    pub(crate) default: Conditions,
    pub(crate) rules: Vec<Rule>,
    hash: String,
}

impl ModerationPolicy {
    /// SHA-256 of the policy's canonical form, in hexadecimal: equal policies have equal hashes, however they are written.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The confidence from which on Rekognition must be asked for labels: the lowest threshold of any rule. Rekognition's own
    /// default of 50 would hide what lies below.
    #[must_use]
    pub fn min_confidence_percent(&self) -> f32 {
        let all = self
            .rules
            .iter()
            .map(|rule| &rule.conditions)
            .chain([&self.default]);
        let rejecting = all.filter(|conditions| conditions.action == Action::Reject);
        let lowest = rejecting
            .map(|conditions| conditions.min_confidence_percent)
            .fold(f32::INFINITY, f32::min);
        // A policy that allows everything still rejects unknown labels, as certain as Rekognition reports them by default.
        lowest.min(50.0)
    }
}
