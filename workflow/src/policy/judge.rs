//! Applies a policy to a scan.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::taxonomy::{Known, Taxonomy};
use super::{Action, Conditions, ModerationPolicy};
use crate::scan::{Label, Scan, Segment};

/// Findings that a cause names.
const CAUSE_FINDINGS_MAX: usize = 20;

/// Segments that a finding lists.
const FINDING_SEGMENTS_MAX: usize = 20;

/// What a policy concludes from a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The video may be published.
    Approve,
    /// It may not.
    Reject,
}

/// A label for which the video is rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The label.
    pub label: String,
    /// Its parent; empty for a top-level category.
    pub parent: String,
    /// The highest confidence, 0 to 100.
    pub confidence_percent: f32,
    /// Segments that count.
    pub count: usize,
    /// Time that they cover, overlaps once.
    pub duration_ms: u64,
    /// Begin and end of the first of them, in milliseconds.
    pub segments_ms: Vec<(u32, u32)>,
    /// The rule that decided.
    pub rule: String,
}

/// A verdict and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is rejected, the most certain label first; empty if it is approved.
    pub findings: Vec<Finding>,
    /// Rows that were looked at.
    pub rows: usize,
}

impl Judgement {
    /// The verdict's reason, for people.
    #[must_use]
    pub fn cause(&self) -> String {
        if self.findings.is_empty() {
            return format!(
                "none of {} detected segments met a rejecting rule",
                self.rows
            );
        }
        let mut cause = String::new();
        for finding in self.findings.iter().take(CAUSE_FINDINGS_MAX) {
            if !cause.is_empty() {
                cause.push_str("; ");
            }
            let times: Vec<String> = finding
                .segments_ms
                .iter()
                .take(3)
                .map(|(start, end)| format!("{}-{}", clock(*start), clock(*end)))
                .collect();
            let more = if finding.count > times.len() {
                ", …"
            } else {
                ""
            };
            // Writing to a string cannot fail.
            let _ = write!(
                cause,
                "{} {:.1}% at {}{more} ({})",
                finding.label,
                finding.confidence_percent,
                times.join(", "),
                finding.rule
            );
        }
        if self.findings.len() > CAUSE_FINDINGS_MAX {
            let _ = write!(
                cause,
                "; and {} more labels",
                self.findings.len() - CAUSE_FINDINGS_MAX
            );
        }
        cause
    }
}

/// A time in a video: minutes, seconds, tenths.
fn clock(ms: u32) -> String {
    format!("{}:{:02}.{}", ms / 60_000, ms / 1000 % 60, ms / 100 % 10)
}

impl ModerationPolicy {
    /// Judges a scan.
    ///
    /// A label that the taxonomy of the scan's model version does not know rejects, whatever the default: the policy cannot
    /// have been written with it in mind.
    #[must_use]
    pub fn judge(&self, scan: &Scan) -> Judgement {
        let explained = Explained::by_children(scan);
        let mut findings: Vec<Finding> = scan
            .labels()
            .filter_map(|(label, segments)| self.judge_label(scan, label, segments, &explained))
            .collect();
        findings.sort_by(|a, b| {
            b.confidence_percent
                .total_cmp(&a.confidence_percent)
                .then_with(|| a.label.cmp(&b.label))
        });
        Judgement {
            verdict: if findings.is_empty() {
                Verdict::Approve
            } else {
                Verdict::Reject
            },
            findings,
            rows: scan.rows(),
        }
    }

    fn judge_label(
        &self,
        scan: &Scan,
        label: &Label,
        segments: &[Segment],
        explained: &Explained,
    ) -> Option<Finding> {
        let Some(known) = Taxonomy::committed().find(scan.model_version(), &label.name) else {
            let rule = format!(
                "model version {} knows no label of this name in the committed taxonomy",
                scan.model_version()
            );
            return Some(finding(label, segments.to_vec(), rule));
        };
        let (rule, conditions) = self.most_specific(known);
        if conditions.action == Action::Allow {
            return None;
        }
        let counted: Vec<Segment> = segments
            .iter()
            .filter(|segment| conditions.counts(segment) && !explained.covers(&label.name, segment))
            .copied()
            .collect();
        if counted.is_empty() {
            return None;
        }
        let found = finding(label, counted, format!("rule {rule}: {conditions}"));
        conditions.are_met_by(&found).then_some(found)
    }

    /// The rule of the label itself, else of its nearest ancestor that has one, else the default.
    fn most_specific(&self, known: &Known) -> (&str, &Conditions) {
        [&known.name]
            .into_iter()
            .chain(&known.ancestors)
            .find_map(|name| self.rules.iter().find(|rule| rule.label == *name))
            .map_or(("default", &self.default), |rule| {
                (rule.label.as_str(), &rule.conditions)
            })
    }
}

impl Conditions {
    fn counts(&self, segment: &Segment) -> bool {
        let excepted = |limit: Option<u8>, percent: u8| limit.is_some_and(|limit| percent >= limit);
        segment.confidence_percent >= self.min_confidence_percent
            && !excepted(self.except_animated_percent, segment.animated_percent)
            && !excepted(self.except_illustrated_percent, segment.illustrated_percent)
    }

    /// Whether there is enough of it: long enough, or often enough; any, if the rule asks for neither.
    fn are_met_by(&self, finding: &Finding) -> bool {
        let by_duration = self.min_duration_ms.map(|min| finding.duration_ms >= min);
        let by_count = self.min_count.map(|min| finding.count >= min);
        match (by_duration, by_count) {
            (None, None) => true,
            (duration, count) => duration == Some(true) || count == Some(true),
        }
    }
}

impl std::fmt::Display for Conditions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at least {}%", self.min_confidence_percent)?;
        if let Some(min) = self.min_duration_ms {
            write!(f, ", {min} ms in all")?;
        }
        if let Some(min) = self.min_count {
            write!(
                f,
                "{} {min} times",
                if self.min_duration_ms.is_some() {
                    " or"
                } else {
                    ","
                }
            )?;
        }
        Ok(())
    }
}

fn finding(label: &Label, mut segments: Vec<Segment>, rule: String) -> Finding {
    segments.sort_by_key(|segment| (segment.start_ms, segment.end_ms));
    Finding {
        label: label.name.clone(),
        parent: label.parent_name.clone(),
        confidence_percent: segments
            .iter()
            .map(|segment| segment.confidence_percent)
            .fold(0.0, f32::max),
        count: segments.len(),
        duration_ms: covered_ms(&segments),
        segments_ms: segments
            .iter()
            .take(FINDING_SEGMENTS_MAX)
            .map(|segment| (segment.start_ms, segment.end_ms))
            .collect(),
        rule,
    }
}

/// Time that segments, sorted by their begin, cover together.
fn covered_ms(sorted: &[Segment]) -> u64 {
    let mut covered = 0;
    let mut reached = 0;
    for segment in sorted {
        let start = segment.start_ms.max(reached);
        covered += u64::from(segment.end_ms.saturating_sub(start));
        reached = reached.max(segment.end_ms);
    }
    covered
}

/// What the children of each label explain. Rekognition reports a detection at every level of its hierarchy; the parent's
/// row says nothing that the child's row at the same time did not say already.
struct Explained {
    /// By a parent's lower-case name, its children's segments, sorted by their begin.
    children: BTreeMap<String, Vec<Segment>>,
}

impl Explained {
    fn by_children(scan: &Scan) -> Self {
        let mut children: BTreeMap<String, Vec<Segment>> = BTreeMap::new();
        for (label, segments) in scan.labels() {
            // Only a label whose place is known explains another.
            let Some(known) = Taxonomy::committed().find(scan.model_version(), &label.name) else {
                continue;
            };
            if let Some(parent) = known.ancestors.first() {
                children
                    .entry(parent.to_lowercase())
                    .or_default()
                    .extend(segments);
            }
        }
        for segments in children.values_mut() {
            segments.sort_by_key(|segment| (segment.start_ms, segment.end_ms));
        }
        Self { children }
    }

    /// Whether children that are at least as certain cover the whole of a parent's segment.
    fn covers(&self, parent: &str, segment: &Segment) -> bool {
        let Some(children) = self.children.get(&parent.to_lowercase()) else {
            return false;
        };
        let mut reached = segment.start_ms;
        for child in children
            .iter()
            .filter(|child| child.confidence_percent >= segment.confidence_percent)
        {
            if child.start_ms > reached {
                return false;
            }
            if child.end_ms >= segment.end_ms {
                return true;
            }
            reached = reached.max(child.end_ms);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Detection;
    use proptest::prelude::*;

    fn policy(text: &str) -> ModerationPolicy {
        ModerationPolicy::parse(text.as_bytes()).unwrap()
    }

    fn row(name: &str, confidence_percent: f32, start_ms: u64, end_ms: u64) -> Detection {
        Detection {
            name: name.to_owned(),
            parent_name: String::new(),
            taxonomy_level: 1,
            confidence_percent,
            start_ms,
            end_ms,
            content_types: Vec::new(),
        }
    }

    fn scan(rows: &[Detection]) -> Scan {
        let mut scan = Scan::new("7.0".to_owned(), 0.0, 60_000);
        for row in rows {
            scan.push(row.clone());
        }
        scan
    }

    #[track_caller]
    fn check(policy_text: &str, rows: &[Detection], expected: Verdict) {
        let judgement = policy(policy_text).judge(&scan(rows));
        assert_eq!(judgement.verdict, expected, "{}", judgement.cause());
    }

    const DEFAULT: &str = super::super::DEFAULT_POLICY;

    #[test]
    fn low_confidence_labels_do_not_reject() {
        check(DEFAULT, &[row("Violence", 49.9, 0, 1000)], Verdict::Approve);
        check(DEFAULT, &[row("Violence", 50.0, 0, 1000)], Verdict::Reject);
        check(DEFAULT, &[], Verdict::Approve);
    }

    #[test]
    fn unknown_labels_reject_whatever_the_default() {
        let allow = r#"{"version":1,"default":{"action":"allow"}}"#;
        check(allow, &[row("Violence", 99.0, 0, 1)], Verdict::Approve);
        check(allow, &[row("Time Travel", 1.0, 0, 1)], Verdict::Reject);
        let mut unknown_model = Scan::new("9.1".to_owned(), 0.0, 1);
        assert_eq!(
            policy(allow).judge(&unknown_model).verdict,
            Verdict::Approve
        );
        unknown_model.push(row("Violence", 1.0, 0, 1));
        assert_eq!(policy(allow).judge(&unknown_model).verdict, Verdict::Reject);
    }

    #[test]
    fn the_most_specific_rule_wins() {
        let text = r#"{"version":1,"default":{"action":"allow"},"rules":[
            {"label":"Violence","action":"reject","min_confidence_percent":50},
            {"label":"Graphic Violence","action":"allow"},
            {"label":"Self-Harm","action":"reject","min_confidence_percent":10}]}"#;
        check(text, &[row("Weapons", 60.0, 0, 1)], Verdict::Reject);
        check(
            text,
            &[row("Explosions and Blasts", 99.0, 0, 1)],
            Verdict::Approve,
        );
        check(text, &[row("Self-Harm", 11.0, 0, 1)], Verdict::Reject);
    }

    #[test]
    fn a_parents_row_that_a_child_explains_is_not_judged_again() {
        let text = r#"{"version":1,"default":{"action":"reject","min_confidence_percent":50},"rules":[{"label":"Drinking","action":"allow"},{"label":"Alcohol Use","action":"reject","min_confidence_percent":50}]}"#;
        let child = row("Drinking", 90.0, 1000, 2000);
        check(
            text,
            &[child.clone(), row("Alcohol Use", 90.0, 1000, 2000)],
            Verdict::Approve,
        );
        // Longer than the child, or more certain, or at another time: something else was seen.
        check(
            text,
            &[child.clone(), row("Alcohol Use", 90.0, 1000, 2500)],
            Verdict::Reject,
        );
        check(
            text,
            &[child.clone(), row("Alcohol Use", 95.0, 1000, 2000)],
            Verdict::Reject,
        );
        check(
            text,
            &[child, row("Alcohol Use", 90.0, 5000, 6000)],
            Verdict::Reject,
        );
    }

    #[test]
    fn enough_is_long_enough_or_often_enough() {
        let text = r#"{"version":1,"default":{"action":"allow"},"rules":[{"label":"Gambling","action":"reject","min_confidence_percent":50,"min_duration_ms":3000,"min_count":4}]}"#;
        check(
            text,
            &[
                row("Gambling", 60.0, 0, 2000),
                row("Gambling", 60.0, 1000, 2500),
            ],
            Verdict::Approve,
        );
        check(
            text,
            &[
                row("Gambling", 60.0, 0, 2000),
                row("Gambling", 60.0, 5000, 6000),
            ],
            Verdict::Reject,
        );
        let points: Vec<_> = (0..4)
            .map(|second| row("Gambling", 60.0, second * 1000, second * 1000))
            .collect();
        check(text, &points[..3], Verdict::Approve);
        check(text, &points, Verdict::Reject);
    }

    #[test]
    fn excepted_content_types_do_not_count() {
        let text = r#"{"version":1,"default":{"action":"reject","min_confidence_percent":50,"except":{"animated":80}}}"#;
        let mut cartoon = row("Violence", 99.0, 0, 1000);
        cartoon.content_types = vec![("Animated".to_owned(), 80.5)];
        check(text, &[cartoon.clone()], Verdict::Approve);
        cartoon.content_types = vec![("Animated".to_owned(), 79.9)];
        check(text, &[cartoon], Verdict::Reject);
    }

    #[test]
    fn a_confidence_that_is_no_number_rejects() {
        check(DEFAULT, &[row("Violence", f32::NAN, 0, 1)], Verdict::Reject);
    }

    #[test]
    fn the_cause_names_label_confidence_and_time() {
        let judgement = policy(DEFAULT).judge(&scan(&[row("Violence", 97.46, 61_200, 64_000)]));
        assert_eq!(
            judgement.cause(),
            "Violence 97.5% at 1:01.2-1:04.0 (rule default: at least 50%)"
        );
    }

    fn any_rows() -> impl Strategy<Value = Vec<Detection>> {
        let names = prop::sample::select(vec![
            "Violence", "Weapons", "Alcohol", "Drinking", "Smoking", "Gambling",
        ]);
        let one = (names, 0.0..100.0_f32, 0..50_u64, 0..20_u64).prop_map(
            |(name, confidence, start, length)| {
                row(name, confidence, start * 100, (start + length) * 100)
            },
        );
        prop::collection::vec(one, 0..12)
    }

    proptest! {
        #[test]
        fn the_order_of_rows_is_irrelevant(rows in any_rows()) {
            let mut reversed = rows.clone();
            reversed.reverse();
            let policy = policy(DEFAULT);
            let judged = policy.judge(&scan(&rows));
            prop_assert_eq!(&judged.findings, &policy.judge(&scan(&reversed)).findings);
        }

        /// Without rules that allow, more rows and more certain rows never make a video acceptable.
        #[test]
        fn more_never_approves(rows in any_rows(), more in any_rows(), raise in 0.0..50.0_f32) {
            let policy = policy(DEFAULT);
            if policy.judge(&scan(&rows)).verdict == Verdict::Reject {
                let all: Vec<_> = rows.iter().chain(&more).cloned().collect();
                prop_assert_eq!(policy.judge(&scan(&all)).verdict, Verdict::Reject);
                let mut raised = rows;
                for row in &mut raised {
                    row.confidence_percent += raise;
                }
                prop_assert_eq!(policy.judge(&scan(&raised)).verdict, Verdict::Reject);
            }
        }
    }
}
