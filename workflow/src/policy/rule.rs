//! One rule of a policy.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::Value;

use super::taxonomy::{self, LabelId};
use crate::scan::{ContentType, Segment};

/// What to do about a label and all labels below it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    /// `None`: the default, for labels that no rule matches.
    pub(super) label: Option<LabelId>,
    /// Restricts the rule to some kinds of picture.
    pub(super) content: Option<ContentCondition>,
    pub(super) action: Action,
}

/// The kinds of picture that a rule is restricted to: any one of them will do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ContentCondition {
    /// Sorted, not empty, no duplicates.
    pub(super) kinds: Vec<ContentType>,
    /// 1 to 100.
    pub(super) min_confidence_percent: u8,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Reject(Thresholds),
    Ignore,
}

/// When a rule rejects: rows at that confidence, and, where minimums are given, one of them reached.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_field_names,
    reason = "the names of the document's fields"
)]
pub(super) struct Thresholds {
    /// 0 to 100.
    pub(super) min_confidence_percent: f32,
    /// How long the rows are, overlaps counted once.
    pub(super) min_total_ms: Option<u64>,
    /// How many rows there are.
    pub(super) min_count: Option<u64>,
}

impl Rule {
    /// The lowest confidence that the rule asks about; none when it ignores.
    pub(super) fn min_confidence_percent(&self) -> Option<f32> {
        match &self.action {
            Action::Reject(thresholds) => Some(thresholds.min_confidence_percent),
            Action::Ignore => None,
        }
    }

    /// Whether the row shows a kind of picture that the rule is for.
    pub(super) fn applies_to(&self, row: &Segment) -> bool {
        self.content.as_ref().is_none_or(|content| {
            content
                .kinds
                .iter()
                .any(|kind| row.content_type_percent(*kind) >= content.min_confidence_percent)
        })
    }

    /// The order of the canonical form, in which the first rule that applies governs: restricted rules first, and of
    /// two that both apply the stricter one.
    pub(super) fn cmp_canonical(&self, other: &Self) -> Ordering {
        self.label
            .cmp(&other.label)
            .then(self.content.is_none().cmp(&other.content.is_none()))
            .then_with(|| self.action.cmp_strictness(&other.action))
            .then_with(|| self.content.cmp(&other.content))
    }

    pub(super) fn canonical_json(&self) -> String {
        let mut fields = Vec::new();
        if let Some(label) = self.label {
            let name = &taxonomy::known().label(label).name;
            fields.push(format!(r#""label":{}"#, Value::String(name.clone())));
        }
        match &self.action {
            Action::Ignore => fields.push(r#""action":"ignore""#.to_owned()),
            Action::Reject(thresholds) => {
                fields.push(format!(
                    r#""action":"reject","min_confidence_percent":{}"#,
                    thresholds.min_confidence_percent
                ));
                if let Some(ms) = thresholds.min_total_ms {
                    fields.push(format!(r#""min_total_ms":{ms}"#));
                }
                if let Some(count) = thresholds.min_count {
                    fields.push(format!(r#""min_count":{count}"#));
                }
            }
        }
        if let Some(content) = &self.content {
            let kinds: Vec<String> = content
                .kinds
                .iter()
                .map(|kind| format!("\"{}\"", kind.name()))
                .collect();
            fields.push(format!(
                r#""content_types":[{}],"min_content_type_confidence_percent":{}"#,
                kinds.join(","),
                content.min_confidence_percent
            ));
        }
        format!("{{{}}}", fields.join(","))
    }

    /// The rule in a person's words, for reports and causes.
    pub(super) fn describe(&self) -> String {
        let mut text = match self.label {
            Some(label) => taxonomy::known().label(label).name.clone(),
            None => "by default, any label".to_owned(),
        };
        if let Some(content) = &self.content {
            let kinds: Vec<&str> = content.kinds.iter().map(|kind| kind.name()).collect();
            let _ = write!(
                text,
                " ({} at {} % or more)",
                kinds.join(" or "),
                content.min_confidence_percent
            );
        }
        match &self.action {
            Action::Ignore => text.push_str(" is ignored"),
            Action::Reject(thresholds) => {
                let _ = write!(
                    text,
                    " rejects at {} % or more",
                    thresholds.min_confidence_percent
                );
                match (thresholds.min_total_ms, thresholds.min_count) {
                    (Some(ms), Some(count)) => {
                        let _ = write!(text, ", from {ms} ms in total or {count} rows");
                    }
                    (Some(ms), None) => {
                        let _ = write!(text, ", from {ms} ms in total");
                    }
                    (None, Some(count)) => {
                        let _ = write!(text, ", from {count} rows");
                    }
                    (None, None) => {}
                }
            }
        }
        text
    }
}

impl Action {
    fn cmp_strictness(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Ignore, Self::Ignore) => Ordering::Equal,
            (Self::Reject(_), Self::Ignore) => Ordering::Less,
            (Self::Ignore, Self::Reject(_)) => Ordering::Greater,
            (Self::Reject(a), Self::Reject(b)) => a
                .min_confidence_percent
                .total_cmp(&b.min_confidence_percent)
                .then((a.min_total_ms, a.min_count).cmp(&(b.min_total_ms, b.min_count))),
        }
    }
}
