//! Every clause of the policy, each by the smallest scan that shows it.

use serde_json::{Value, json};

use super::*;
use crate::scan::Detection;

/// (name, parent, confidence, start, end)
type Row = (&'static str, &'static str, f32, i64, i64);

fn scan_with(model_version: &str, rows: &[Row], content_types: &[(&str, f32)]) -> Scan {
    let mut scan = Scan::new(model_version, 0.0, Some(60_000));
    for &(name, parent_name, confidence_percent, start_ms, end_ms) in rows {
        scan.push(Detection {
            name,
            parent_name,
            taxonomy_level: None,
            confidence_percent: Some(confidence_percent),
            start_ms,
            end_ms,
            content_types,
        });
    }
    scan
}

fn scan(rows: &[Row]) -> Scan {
    scan_with("7.0", rows, &[])
}

#[expect(clippy::needless_pass_by_value, reason = "keeps the calls short")]
fn policy(default: Value, rules: Value) -> ModerationPolicy {
    let document = json!({"schema_version": 1, "default": default, "rules": rules});
    ModerationPolicy::parse(document.to_string().as_bytes()).unwrap()
}

fn ignore() -> Value {
    json!({"action": "ignore"})
}

fn reject(min_confidence_percent: f64) -> Value {
    json!({"action": "reject", "min_confidence_percent": min_confidence_percent})
}

#[track_caller]
fn check(policy: &ModerationPolicy, rows: &[Row], expected: Verdict) -> Judgement {
    let judgement = policy.judge(&scan(rows));
    assert_eq!(judgement.verdict, expected, "{}", judgement.rule);
    judgement
}

use Verdict::{Approve, Reject};

fn built_in() -> ModerationPolicy {
    ModerationPolicy::parse(DEFAULT_POLICY.as_bytes()).unwrap()
}

#[test]
fn labels_that_differ_in_their_level_alone_are_told_in_one_order() {
    let judge = |levels: [i32; 2]| {
        let mut scan = Scan::new("7.0", 0.0, None);
        for level in levels {
            scan.push(Detection {
                name: "Weapons",
                parent_name: "Violence",
                taxonomy_level: Some(level),
                confidence_percent: Some(97.5),
                start_ms: i64::from(level) * 1000,
                end_ms: i64::from(level) * 1000 + 500,
                content_types: &[],
            });
        }
        ModerationPolicy::parse(DEFAULT_POLICY.as_bytes())
            .unwrap()
            .judge(&scan)
    };
    assert_eq!(judge([2, 3]), judge([3, 2]));
}

#[test]
fn the_built_in_policy_rejects_any_label_from_fifty() {
    let policy = built_in();
    assert_eq!(policy.min_confidence_percent().to_bits(), 50f32.to_bits());
    check(&policy, &[], Approve);
    check(&policy, &[("Alcohol", "", 49.9, 0, 1000)], Approve);
    check(&policy, &[("Alcohol", "", 50.0, 0, 1000)], Reject);
    assert_eq!(
        policy,
        ModerationPolicy::new(policy.default.clone(), vec![])
    );
}

#[test]
fn a_rejection_names_its_rule_labels_and_times() {
    let rows = [
        ("Violence", "", 97.5, 1200, 4000),
        ("Weapons", "Violence", 97.5, 1200, 4000),
        ("Weapons", "Violence", 60.0, 5000, 5000),
        ("Alcohol", "", 55.0, 3_600_000, 3_601_500),
    ];
    let judgement = check(&built_in(), &rows, Reject);
    insta::assert_snapshot!(judgement.cause(), @"Found Weapons (97.5 %) at 0:01.2-0:04.0, 0:05.0; Alcohol (55.0 %) at 1:00:00.0-1:00:01.5. Rule: by default, any label rejects at 50 % or more");
    assert_eq!(judgement.findings[0].total_ms, 2800);
    assert_eq!(judgement.findings[0].count, 2);
}

#[test]
fn causes_stay_short_however_much_was_found() {
    let mut scan = Scan::new("7.0", 0.0, None);
    let long = "x".repeat(5000);
    for n in 0..2000 {
        scan.push(Detection {
            name: &format!("{long}{n}"),
            parent_name: &long,
            taxonomy_level: None,
            confidence_percent: None,
            start_ms: n,
            end_ms: n,
            content_types: &[],
        });
    }
    let judgement = built_in().judge(&scan);
    assert_eq!(judgement.findings.len(), Judgement::FINDINGS_MAX);
    assert!(
        judgement.cause().len() < 8192,
        "{}",
        judgement.cause().len()
    );
}

#[test]
fn the_most_specific_rule_governs() {
    let rules = json!([
        {"label": "Violence", "action": "reject", "min_confidence_percent": 50},
        {"label": "Graphic Violence", "action": "ignore"},
        {"label": "Self-Harm", "action": "reject", "min_confidence_percent": 80},
    ]);
    let policy = policy(ignore(), rules);
    // Own rule, parent's rule, top-level category's rule, default.
    check(
        &policy,
        &[("Self-Harm", "Graphic Violence", 79.0, 0, 9)],
        Approve,
    );
    check(
        &policy,
        &[("Self-Harm", "Graphic Violence", 80.0, 0, 9)],
        Reject,
    );
    check(
        &policy,
        &[("Blood & Gore", "Graphic Violence", 99.0, 0, 9)],
        Approve,
    );
    check(&policy, &[("Weapons", "Violence", 50.0, 0, 9)], Reject);
    check(&policy, &[("Violence", "", 50.0, 0, 9)], Reject);
    check(&policy, &[("Gambling", "", 99.0, 0, 9)], Approve);
}

#[test]
fn rules_reach_two_levels_down() {
    let policy = policy(
        ignore(),
        json!([{"label": "violence", "action": "reject", "min_confidence_percent": 50}]),
    );
    check(
        &policy,
        &[("BLOOD & GORE", "graphic violence", 50.0, 0, 9)],
        Reject,
    );
}

#[test]
fn a_parents_row_that_a_child_explains_is_not_judged_again() {
    let rules = json!([
        {"label": "Violence", "action": "reject", "min_confidence_percent": 50},
        {"label": "Weapons", "action": "ignore"},
        {"label": "Explosions and Blasts", "action": "ignore"},
    ]);
    let policy = policy(ignore(), rules);
    let weapons = ("Weapons", "Violence", 90.0, 0, 5000);
    // The same detection, one level up.
    check(
        &policy,
        &[weapons, ("Violence", "", 90.0, 0, 5000)],
        Approve,
    );
    // Elsewhere in time, for longer, or more surely: that is violence of another kind.
    check(
        &policy,
        &[weapons, ("Violence", "", 90.0, 6000, 7000)],
        Reject,
    );
    check(&policy, &[weapons, ("Violence", "", 90.0, 0, 5001)], Reject);
    check(&policy, &[weapons, ("Violence", "", 91.0, 0, 5000)], Reject);
    // Two labels in turn, below one row of the category.
    let blast = (
        "Explosions and Blasts",
        "Graphic Violence",
        70.0,
        5000,
        9000,
    );
    let graphic = ("Graphic Violence", "Violence", 70.0, 5000, 9000);
    check(
        &policy,
        &[weapons, blast, graphic, ("Violence", "", 90.0, 0, 9000)],
        Approve,
    );
    // A gap between them is not explained.
    let late = (
        "Explosions and Blasts",
        "Graphic Violence",
        70.0,
        5001,
        9000,
    );
    check(
        &policy,
        &[weapons, late, ("Violence", "", 90.0, 0, 9000)],
        Reject,
    );
    // Another category explains nothing.
    let smoking = (
        "Smoking",
        "Drugs & Tobacco Paraphernalia & Use",
        99.0,
        0,
        9000,
    );
    check(&policy, &[smoking, ("Violence", "", 90.0, 0, 9000)], Reject);
    // Single frames.
    check(
        &policy,
        &[
            ("Weapons", "Violence", 90.0, 40, 40),
            ("Violence", "", 90.0, 40, 40),
        ],
        Approve,
    );
    // A neighbour that only touches does not lend its confidence.
    let weak = ("Weapons", "Violence", 60.0, 5000, 9000);
    check(
        &policy,
        &[weapons, weak, ("Violence", "", 90.0, 5000, 9000)],
        Reject,
    );
}

#[test]
fn durations_are_unions_over_everything_that_a_rule_governs() {
    let rules = json!([{"label": "Alcohol", "action": "reject", "min_confidence_percent": 50, "min_total_ms": 3000}]);
    let policy = policy(ignore(), rules);
    let drinking = |start, end| ("Drinking", "Alcohol Use", 80.0, start, end);
    let bottles = |start, end| ("Alcoholic Beverages", "Alcohol", 80.0, start, end);
    check(&policy, &[drinking(0, 2000), bottles(1000, 2500)], Approve);
    check(
        &policy,
        &[drinking(0, 2000), drinking(0, 2000), drinking(500, 1500)],
        Approve,
    );
    check(&policy, &[drinking(0, 2000), bottles(5000, 6000)], Reject);
    // Rows below the confidence do not count.
    check(
        &policy,
        &[drinking(0, 2000), ("Alcohol", "", 49.0, 5000, 9000)],
        Approve,
    );
}

#[test]
fn counts_are_rows_each_once() {
    let rules = json!([{"label": "Alcohol", "action": "reject", "min_confidence_percent": 50, "min_count": 2}]);
    let policy = policy(ignore(), rules);
    let row = |start| ("Drinking", "Alcohol Use", 80.0, start, start + 5);
    check(&policy, &[row(0), row(0)], Approve);
    check(&policy, &[row(0), row(9)], Reject);
}

#[test]
fn either_of_two_minimums_rejects() {
    let rules = json!([{"label": "Alcohol", "action": "reject", "min_confidence_percent": 50, "min_count": 3, "min_total_ms": 1000}]);
    let policy = policy(ignore(), rules);
    let row = |start, end| ("Alcohol", "", 80.0, start, end);
    check(&policy, &[row(0, 400), row(500, 900)], Approve);
    check(&policy, &[row(0, 1000)], Reject);
    check(&policy, &[row(0, 1), row(2, 3), row(4, 5)], Reject);
}

#[test]
fn rules_for_drawings_apply_to_drawings_alone() {
    let rules = json!([
        {"label": "Violence", "action": "reject", "min_confidence_percent": 50},
        {"label": "Violence", "action": "ignore", "content_types": ["Animated"], "min_content_type_confidence_percent": 90},
        {"label": "Violence", "action": "reject", "min_confidence_percent": 70, "content_types": ["Illustrated"], "min_content_type_confidence_percent": 60},
    ]);
    let policy = policy(ignore(), rules);
    let verdict = |confidence: f32, content_types: &[(&str, f32)]| {
        let rows = [("Weapons", "Violence", confidence, 0, 1000)];
        policy
            .judge(&scan_with("7.0", &rows, content_types))
            .verdict
    };
    assert_eq!(verdict(60.0, &[]), Reject);
    assert_eq!(verdict(60.0, &[("Animated", 89.9)]), Reject);
    assert_eq!(verdict(60.0, &[("Animated", 90.0)]), Approve);
    assert_eq!(verdict(60.0, &[("Illustrated", 60.0)]), Approve);
    assert_eq!(verdict(70.0, &[("Illustrated", 60.0)]), Reject);
    // Both apply: the strict one governs.
    assert_eq!(
        verdict(70.0, &[("Illustrated", 60.0), ("Animated", 99.0)]),
        Reject
    );
}

#[test]
fn unknown_labels_reject_whatever_the_default() {
    let policy = policy(ignore(), json!([{"label": "Violence", "action": "ignore"}]));
    let judgement = check(&policy, &[("Fireworks", "Violence", 1.0, 0, 9)], Reject);
    insta::assert_snapshot!(judgement.rule, @r#"label "Fireworks" below "Violence" is not in the known taxonomy of moderation model "7.0", so it rejects"#);
    assert_eq!(judgement.findings[0].label, "Fireworks");
    check(&policy, &[("", "", 1.0, 0, 9)], Reject);
    // A known name in another place is another label.
    check(&policy, &[("Weapons", "Gambling", 1.0, 0, 9)], Reject);
    check(&policy, &[("Weapons", "", 1.0, 0, 9)], Approve);
}

#[test]
fn no_label_of_an_unknown_model_is_known_but_a_clean_video_stays_clean() {
    let policy = policy(ignore(), json!([]));
    for model in ["8.0", "6.1", ""] {
        let judge = |rows: &[Row]| policy.judge(&scan_with(model, rows, &[])).verdict;
        assert_eq!(judge(&[("Violence", "", 1.0, 0, 9)]), Reject);
        assert_eq!(judge(&[]), Approve);
    }
}

#[test]
fn the_scan_is_asked_for_the_lowest_threshold() {
    let lowest = |default, rules| policy(default, rules).min_confidence_percent();
    let rules = json!([
        {"label": "Violence", "action": "reject", "min_confidence_percent": 30.5},
        {"label": "Alcohol", "action": "ignore"},
    ]);
    assert_eq!(
        lowest(reject(50.0), rules.clone()).to_bits(),
        30.5f32.to_bits()
    );
    assert_eq!(lowest(reject(20.0), rules).to_bits(), 20f32.to_bits());
    assert_eq!(lowest(ignore(), json!([])).to_bits(), 50f32.to_bits());
}

#[test]
fn a_scan_that_hides_what_the_policy_asks_about_does_not_approve() {
    let policy = policy(reject(40.0), json!([]));
    for (min_confidence_percent, hides) in
        [(40.0, false), (0.0, false), (50.0, true), (f32::NAN, true)]
    {
        let scan = Scan::new("7.0", min_confidence_percent, None);
        assert_eq!(policy.is_stricter_than(&scan), hides);
        let expected = if hides { Reject } else { Approve };
        assert_eq!(policy.judge(&scan).verdict, expected);
    }
}

#[test]
fn doubtful_confidence_counts_as_certain() {
    check(
        &policy(reject(100.0), json!([])),
        &[("Gambling", "", f32::NAN, 0, 9)],
        Reject,
    );
}

#[test]
fn documents_that_mean_the_same_have_the_same_hash() {
    let rule =
        |label: &str| json!({"label": label, "action": "reject", "min_confidence_percent": 80});
    let a = policy(reject(50.0), json!([rule("Violence"), rule("Gambling")]));
    let b = policy(reject(50.00), json!([rule("gambling"), rule("VIOLENCE")]));
    assert_eq!(a.hash(), b.hash());
    assert_eq!(a.hash().len(), 64);
    let c = policy(reject(51.0), json!([rule("Violence"), rule("Gambling")]));
    assert_ne!(a.hash(), c.hash());
}

/// A hundred thousand rows are one callback's work.
#[test]
fn a_long_flagged_video_is_judged_in_no_time() {
    let mut scan = Scan::new("7.0", 0.0, None);
    for n in 0..50_000_i64 {
        for (name, parent_name) in [("Violence", ""), ("Weapons", "Violence")] {
            scan.push(Detection {
                name,
                parent_name,
                taxonomy_level: None,
                confidence_percent: Some(90.0),
                start_ms: n * 400,
                end_ms: n * 400 + 300,
                content_types: &[],
            });
        }
    }
    let judgement = built_in().judge(&scan);
    assert_eq!(judgement.findings.len(), 1);
    assert_eq!(judgement.findings[0].count, 50_000);
    assert_eq!(judgement.findings[0].total_ms, 15_000_000);
}

mod errors;
