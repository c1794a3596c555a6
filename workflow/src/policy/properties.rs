//! What holds for every policy and every scan.

use proptest::prelude::*;
use proptest::sample::Index;

use super::rule::{Action, ContentCondition, Thresholds};
use super::*;
use crate::scan::{ContentType, Detection};

/// A few labels that are related, so that rules, children and parents meet.
const LABELS: [&str; 8] = [
    "Violence",
    "Weapons",
    "Graphic Violence",
    "Self-Harm",
    "Blood & Gore",
    "Alcohol",
    "Alcohol Use",
    "Drinking",
];

#[derive(Clone, Debug)]
struct Row {
    name: String,
    confidence_percent: f32,
    start_ms: i64,
    end_ms: i64,
    animated_percent: f32,
}

fn scan(rows: &[Row]) -> Scan {
    let mut scan = Scan::new("7.0", 0.0, None);
    for row in rows {
        scan.push(Detection {
            name: &row.name,
            parent_name: "",
            taxonomy_level: None,
            confidence_percent: Some(row.confidence_percent),
            start_ms: row.start_ms,
            end_ms: row.end_ms,
            content_types: &[("Animated", row.animated_percent)],
        });
    }
    scan
}

/// Rows as Rekognition lists them: each detection once for each level, at the same time and with the same confidence.
fn with_ancestors(rows: &[Row]) -> Vec<Row> {
    let taxonomy = taxonomy::known();
    rows.iter()
        .flat_map(|row| {
            let id = taxonomy.find(&row.name).unwrap();
            taxonomy.lineage(id).map(|ancestor| Row {
                name: taxonomy.label(ancestor).name.clone(),
                ..row.clone()
            })
        })
        .collect()
}

prop_compose! {
    fn row()(
        label in 0..LABELS.len(),
        tenths in 0_u16..=1000,
        start in 0_i64..40,
        length in 0_i64..20,
        animated in prop_oneof![Just(0.0_f32), 50.0_f32..100.0],
    ) -> Row {
        Row {
            name: LABELS[label].to_owned(),
            confidence_percent: f32::from(tenths) / 10.0,
            start_ms: start * 100,
            end_ms: (start + length) * 100,
            animated_percent: animated,
        }
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(row(), 0..12)
}

fn action() -> impl Strategy<Value = Action> {
    let thresholds = (
        0_u16..=1000,
        prop::option::of(1_u64..3000),
        prop::option::of(1_u64..4),
    );
    prop_oneof![
        Just(Action::Ignore),
        thresholds.prop_map(|(tenths, min_total_ms, min_count)| {
            Action::Reject(Thresholds {
                min_confidence_percent: f32::from(tenths) / 10.0,
                min_total_ms,
                min_count,
            })
        }),
    ]
}

fn content() -> impl Strategy<Value = Option<ContentCondition>> {
    let kinds = prop::sample::subsequence(ContentType::ALL.to_vec(), 1..=2);
    prop::option::of(
        (kinds, 1_u8..=100).prop_map(|(kinds, min_confidence_percent)| ContentCondition {
            kinds,
            min_confidence_percent,
        }),
    )
}

prop_compose! {
    fn policy()(
        default_percent in prop::option::of(0_u8..=100),
        rules in prop::collection::btree_map((0..LABELS.len(), any::<bool>()), (action(), content()), 0..6),
    ) -> ModerationPolicy {
        let default = default_percent.map_or(Action::Ignore, |percent| Action::Reject(Thresholds {
            min_confidence_percent: f32::from(percent),
            min_total_ms: None,
            min_count: None,
        }));
        let rules = rules
            .into_iter()
            .filter(|((_, restricted), (_, content))| *restricted == content.is_some())
            .map(|((label, _), (action, content))| Rule {
                label: taxonomy::known().find(LABELS[label]),
                content,
                action,
            })
            .collect();
        ModerationPolicy::new(Rule { label: None, content: None, action: default }, rules)
    }
}

/// Whether a row of `below` could explain one of `above` away.
fn may_explain(below: &Row, above: &Row) -> bool {
    let taxonomy = taxonomy::known();
    let [below, above] = [below, above].map(|row| taxonomy.find(&row.name).unwrap());
    taxonomy.is_below(below, above)
}

proptest! {
    #[test]
    fn the_order_of_rows_does_not_matter(policy in policy(), (rows, shuffled) in rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))) {
        prop_assert_eq!(policy.judge(&scan(&rows)), policy.judge(&scan(&shuffled)));
    }

    /// As long as the surer detection does not explain another one away, which it may start to do.
    #[test]
    fn more_confidence_never_approves(policy in policy(), rows in rows(), surer in row(), more in 0.0_f32..100.0) {
        let mut rows: Vec<Row> = rows.into_iter().filter(|row| !may_explain(&surer, row)).collect();
        rows.push(surer);
        let before = policy.judge(&scan(&with_ancestors(&rows))).verdict;
        if let Some(surer) = rows.last_mut() {
            surer.confidence_percent = (surer.confidence_percent + more).min(100.0);
        }
        prop_assert!(policy.judge(&scan(&with_ancestors(&rows))).verdict >= before);
    }

    /// For one row alone no other can explain it, so the rule holds for every label.
    #[test]
    fn more_confidence_in_one_row_never_approves(policy in policy(), row in row(), more in 0.0_f32..100.0) {
        let before = policy.judge(&scan(std::slice::from_ref(&row))).verdict;
        let surer = Row { confidence_percent: (row.confidence_percent + more).min(100.0), ..row };
        prop_assert!(policy.judge(&scan(&[surer])).verdict >= before);
    }

    #[test]
    fn a_further_row_never_approves(policy in policy(), rows in rows(), added in row()) {
        let rows: Vec<Row> = rows.into_iter().filter(|row| !may_explain(&added, row)).collect();
        let before = policy.judge(&scan(&rows)).verdict;
        let mut more = rows;
        more.push(added);
        prop_assert!(policy.judge(&scan(&more)).verdict >= before);
    }

    /// Not even what explains others away gets past a rule that judges all labels alike.
    #[test]
    fn without_exceptions_no_further_row_approves(percent in 0_u8..=100, rows in rows(), added in row()) {
        let json = format!(r#"{{"schema_version":1,"default":{{"action":"reject","min_confidence_percent":{percent}}},"rules":[]}}"#);
        let policy = ModerationPolicy::parse(json.as_bytes()).unwrap();
        let before = policy.judge(&scan(&rows)).verdict;
        let mut more = rows;
        more.push(added);
        prop_assert!(policy.judge(&scan(&more)).verdict >= before);
    }

    #[test]
    fn an_unknown_label_always_rejects(policy in policy(), rows in rows(), name in "[A-Z]{9}", percent in 0.0_f32..100.0) {
        let mut rows = rows;
        rows.push(Row { name, confidence_percent: percent, start_ms: 0, end_ms: 9, animated_percent: 100.0 });
        prop_assert_eq!(policy.judge(&scan(&rows)).verdict, Verdict::Reject);
    }

    #[test]
    fn reading_a_row_twice_changes_nothing(policy in policy(), rows in rows()) {
        let twice: Vec<Row> = rows.iter().chain(&rows).cloned().collect();
        prop_assert_eq!(policy.judge(&scan(&twice)), policy.judge(&scan(&rows)));
    }

    /// Rows below every threshold decide nothing. All they can do is explain, together with surer ones, a parent's row.
    #[test]
    fn what_the_scan_hides_never_approves(policy in policy(), rows in rows()) {
        let seen: Vec<Row> = rows
            .iter()
            .filter(|row| row.confidence_percent >= policy.min_confidence_percent())
            .cloned()
            .collect();
        prop_assert!(
            policy.judge(&scan(&with_ancestors(&seen))).verdict
                >= policy.judge(&scan(&with_ancestors(&rows))).verdict
        );
    }

    #[test]
    fn a_rejection_has_reasons(policy in policy(), rows in rows()) {
        let judgement = policy.judge(&scan(&rows));
        prop_assert_eq!(judgement.findings.is_empty(), judgement.verdict == Verdict::Approve);
        prop_assert!(!judgement.rule.is_empty());
    }

    #[test]
    fn what_is_written_is_read(policy in policy()) {
        let json = policy.canonical_json();
        prop_assert_eq!(ModerationPolicy::parse(json.as_bytes()).unwrap(), policy, "{}", json);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ModerationPolicy::parse(&bytes);
    }

    /// Near misses reach further into the parser than noise does.
    #[test]
    fn no_damaged_document_panics(policy in policy(), at: Index, byte: u8, cut: Index) {
        let mut json = policy.canonical_json().into_bytes();
        let at = at.index(json.len());
        json[at] = byte;
        json.truncate(cut.index(json.len()) + 1);
        if let Err(errors) = ModerationPolicy::parse(&json) {
            prop_assert!(!errors.problems().is_empty());
        }
    }
}
