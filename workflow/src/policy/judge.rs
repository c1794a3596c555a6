//! Applying a policy to a scan.

use std::collections::BTreeMap;

use super::judgement::{Finding, Judgement, Verdict};
use super::rule::{Action, Thresholds};
use super::taxonomy::{self, LabelId};
use super::{ModerationPolicy, parents};
use crate::scan::{Scan, ScanLabel, Segment};

/// How many rules a judgement names.
const RULES_SHOWN_MAX: usize = 10;

pub(super) fn judge(policy: &ModerationPolicy, scan: &Scan) -> Judgement {
    if policy.is_stricter_than(scan) {
        return Judgement {
            verdict: Verdict::Reject,
            rule: format!(
                "the scan left out labels below {} %, of which the policy asks from {} %",
                scan.min_confidence_percent,
                policy.min_confidence_percent()
            ),
            findings: Vec::new(),
        };
    }
    let sorted = Sorted::new(policy, scan);
    let mut rules = Vec::new();
    let mut rejecting: Vec<u32> = Vec::new();

    let mut unknown_labels: Vec<u16> = sorted
        .unknown
        .iter()
        .map(|row| scan.segments()[*row as usize].label)
        .collect();
    unknown_labels.sort_unstable();
    unknown_labels.dedup();
    for label in unknown_labels {
        rules.push(unknown_rule(scan, &scan.labels()[usize::from(label)]));
    }
    rejecting.extend(&sorted.unknown);

    for (index, rows) in sorted.by_rule.iter().enumerate() {
        let rule = policy.rules.get(index).unwrap_or(&policy.default);
        if let Action::Reject(thresholds) = &rule.action
            && reaches(thresholds, rows, scan)
        {
            rules.push(rule.describe());
            rejecting.extend(rows);
        }
    }
    if rejecting.is_empty() {
        return approval(scan);
    }
    // Rows come in any order; what is said about them must not.
    rules.sort();
    let more = rules.len().saturating_sub(RULES_SHOWN_MAX);
    rules.truncate(RULES_SHOWN_MAX);
    if more > 0 {
        rules.push(format!("and {more} more"));
    }
    Judgement {
        verdict: Verdict::Reject,
        rule: rules.join("; "),
        findings: findings(scan, &rejecting),
    }
}

fn approval(scan: &Scan) -> Judgement {
    let rule = if scan.segments().is_empty() {
        "Rekognition reported no label"
    } else {
        "no label that Rekognition reported is one that the policy rejects"
    };
    Judgement {
        verdict: Verdict::Approve,
        rule: rule.to_owned(),
        findings: Vec::new(),
    }
}

fn unknown_rule(scan: &Scan, label: &ScanLabel) -> String {
    let short = |text: &str| text.chars().take(80).collect::<String>();
    let parent = if label.parent_name.is_empty() {
        String::new()
    } else {
        format!(" below {:?}", short(&label.parent_name))
    };
    format!(
        "label {:?}{parent} is not in the known taxonomy of moderation model {:?}, so it rejects",
        short(&label.name),
        short(&scan.model_version)
    )
}

/// The rows of a scan by what decides about them.
struct Sorted {
    /// Rows of labels that the model's taxonomy does not have.
    unknown: Vec<u32>,
    /// By index of the governing rule, the default last: the rows at its confidence.
    by_rule: Vec<Vec<u32>>,
}

impl Sorted {
    fn new(policy: &ModerationPolicy, scan: &Scan) -> Self {
        let known: Vec<Option<LabelId>> = scan
            .labels()
            .iter()
            .map(|label| known_label(scan, label))
            .collect();
        let candidates: Vec<Vec<usize>> = known
            .iter()
            .map(|id| id.map_or_else(Vec::new, |id| policy.candidates(id)))
            .collect();
        let explained = parents::explained(scan, &known);

        let mut sorted = Self {
            unknown: Vec::new(),
            by_rule: vec![Vec::new(); policy.rules.len() + 1],
        };
        for (index, row) in (0_u32..).zip(scan.segments()) {
            let label = usize::from(row.label);
            if known[label].is_none() {
                sorted.unknown.push(index);
            } else if !explained[index as usize] {
                let (rule_index, rule) = policy.governing(&candidates[label], row);
                if rule
                    .min_confidence_percent()
                    .is_some_and(|min| row.confidence_percent >= min)
                {
                    sorted.by_rule[rule_index].push(index);
                }
            }
        }
        sorted
    }
}

/// The label's entry in the taxonomy of the scan's model. A label that moved to another parent is not the one that we know.
fn known_label(scan: &Scan, label: &ScanLabel) -> Option<LabelId> {
    let taxonomy = taxonomy::of_model(&scan.model_version)?;
    let id = taxonomy.find(&label.name)?;
    let parent = taxonomy.label(id).parent;
    let parent_agrees = label.parent_name.is_empty() || taxonomy.find(&label.parent_name) == parent;
    parent_agrees.then_some(id)
}

/// Whether rows at the rule's confidence are long or many enough; with both minimums given, either will do.
fn reaches(thresholds: &Thresholds, rows: &[u32], scan: &Scan) -> bool {
    let (min_total_ms, min_count) = (thresholds.min_total_ms, thresholds.min_count);
    if min_total_ms.is_none() && min_count.is_none() {
        return !rows.is_empty();
    }
    let rows = distinct(rows, scan);
    min_total_ms.is_some_and(|min| total_ms(&rows) >= min)
        || min_count.is_some_and(|min| rows.len() as u64 >= min)
}

/// The rows by time, each once: pages that were read twice change nothing.
fn distinct(rows: &[u32], scan: &Scan) -> Vec<Segment> {
    let mut rows: Vec<Segment> = rows
        .iter()
        .map(|row| scan.segments()[*row as usize])
        .collect();
    rows.sort_unstable_by_key(|row| (row.start_ms, row.end_ms, row.label));
    rows.dedup_by_key(|row| (row.start_ms, row.end_ms, row.label));
    rows
}

/// The length of the union of rows that are sorted by start.
fn total_ms(rows: &[Segment]) -> u64 {
    let mut total_ms = 0;
    let mut counted_until_ms = 0;
    for row in rows {
        let start_ms = row.start_ms.max(counted_until_ms);
        if row.end_ms > start_ms {
            total_ms += u64::from(row.end_ms - start_ms);
            counted_until_ms = row.end_ms;
        }
    }
    total_ms
}

fn findings(scan: &Scan, rejecting: &[u32]) -> Vec<Finding> {
    let mut by_label: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
    for row in rejecting {
        let label = scan.segments()[*row as usize].label;
        by_label.entry(label).or_default().push(*row);
    }
    let mut findings: Vec<Finding> = by_label
        .iter()
        .map(|(label, rows)| finding(scan, &scan.labels()[usize::from(*label)], rows))
        .collect();
    // Two labels may differ in their level alone, which a finding does not have: the rest decides, whatever came first.
    findings.sort_by(|a, b| {
        b.max_confidence_percent
            .total_cmp(&a.max_confidence_percent)
            .then_with(|| (&a.label, &a.parent).cmp(&(&b.label, &b.parent)))
            .then_with(|| (&a.segments, a.total_ms).cmp(&(&b.segments, b.total_ms)))
            .then(a.count.cmp(&b.count))
    });
    findings.truncate(Judgement::FINDINGS_MAX);
    findings
}

fn finding(scan: &Scan, label: &ScanLabel, rows: &[u32]) -> Finding {
    let max_confidence_percent = rows
        .iter()
        .map(|row| scan.segments()[*row as usize].confidence_percent)
        .fold(0.0, f32::max);
    let rows = distinct(rows, scan);
    Finding {
        label: label.name.clone(),
        parent: label.parent_name.clone(),
        max_confidence_percent,
        total_ms: total_ms(&rows),
        count: rows.len() as u64,
        segments: rows
            .iter()
            .take(Finding::SEGMENTS_MAX)
            .map(|row| (row.start_ms, row.end_ms))
            .collect(),
    }
}
