//! The operator's policy.

use std::sync::LazyLock;

use workflow::contract::CAUSE_CHARS_MAX;
use workflow::policy::{ModerationPolicy, PolicyErrors, Verdict};
use workflow::scan::{Detection, Scan};

use super::{Outcome, Target, check_same, must};

pub(super) const TARGET: Target = Target {
    name: "policy",
    what: "the operator's policy",
    folders: &["fuzz/corpus/policy", "workflow/policy/examples"],
    words: &[
        "reject",
        "ignore",
        "Violence",
        "weapons",
        "Explicit",
        "Animated",
        "Illustrated",
        "content_types",
        "min_count",
        "min_total_ms",
        "min_confidence_percent",
        "min_content_type_confidence_percent",
        "schema_version",
        "label",
    ],
    check,
};

/// Problems that one document may have are many; each is a line.
const PROBLEM_CHARS_MAX: usize = 1000;

/// A finished scan of every kind: nothing, known labels sure and unsure, drawings, and what no taxonomy knows.
static SCANS: LazyLock<Vec<Scan>> = LazyLock::new(|| {
    let labels = ["Explicit", "Violence", "Weapons", "Alcohol", "Corpses"];
    let mut scans = vec![Scan::new("7.0", 0.0, None)];
    for (confidence, content) in [(0.0, 0.0), (49.9, 95.0), (100.0, 0.0), (f32::NAN, 50.0)] {
        let mut scan = Scan::new("7.0", 0.0, Some(60_000));
        for (index, name) in (0_u32..).zip(labels.iter().copied()) {
            let start_ms = i64::from(index) * 500;
            scan.push(row(name, confidence, start_ms, &[("Animated", content)]));
            scan.push(row(name, confidence / 2.0, start_ms + 400, &[]));
        }
        scans.push(scan);
    }
    scans
});

fn row<'a>(
    name: &'a str,
    confidence: f32,
    start_ms: i64,
    content_types: &'a [(&'a str, f32)],
) -> Detection<'a> {
    Detection {
        name,
        parent_name: "",
        taxonomy_level: Some(1),
        confidence_percent: Some(confidence),
        start_ms,
        end_ms: start_ms + 500,
        content_types,
    }
}

fn check(input: &[u8]) -> Outcome {
    let policy = match ModerationPolicy::parse(input) {
        Ok(policy) => policy,
        Err(errors) => {
            check_errors(&errors);
            return Outcome::Refused;
        }
    };
    let canonical = policy.canonical_json();
    let read = must(ModerationPolicy::parse(canonical.as_bytes()), &canonical);
    check_same(&read, &policy, "canonical JSON");
    assert_eq!(read.canonical_json(), canonical);
    assert!(policy.hash().len() == 64 && read.hash() == policy.hash());
    assert!((0.0..=100.0).contains(&policy.min_confidence_percent()));
    for scan in SCANS.iter() {
        check_judgement(&policy, scan);
    }
    Outcome::Accepted
}

/// Any scan is judged, and what nobody knows is never approved.
fn check_judgement(policy: &ModerationPolicy, scan: &Scan) {
    let judgement = policy.judge(scan);
    check_same(&policy.judge(scan), &judgement, "judged twice");
    let cause = judgement.cause();
    assert!(!cause.is_empty() && cause.chars().count() <= CAUSE_CHARS_MAX);
    match judgement.verdict {
        Verdict::Approve => assert!(judgement.findings.is_empty()),
        Verdict::Reject => assert!(!judgement.findings.is_empty(), "{cause}"),
    }
    if scan.segments().is_empty() {
        assert_eq!(judgement.verdict, Verdict::Approve);
    }
    let mut unknown = scan.clone();
    unknown.push(row("Nobody knows", 1.0, 0, &[]));
    assert_eq!(policy.judge(&unknown).verdict, Verdict::Reject);

    let told_less = Scan::new("7.0", policy.min_confidence_percent() + 0.5, None);
    assert!(policy.is_stricter_than(&told_less));
    assert_eq!(policy.judge(&told_less).verdict, Verdict::Reject);
}

fn check_errors(errors: &PolicyErrors) {
    assert!(!errors.problems().is_empty(), "refused without a reason");
    for problem in errors.problems() {
        let text = problem.to_string();
        assert!(!problem.problem.is_empty() && !problem.remedy.is_empty());
        assert!(!text.chars().any(char::is_control), "no line: {text:?}");
        assert!(text.chars().count() <= PROBLEM_CHARS_MAX, "{text}");
    }
}
