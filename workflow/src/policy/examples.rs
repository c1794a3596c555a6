//! The committed policies are valid, do what `docs/policy.md` says of them, and stand there as they are.

use super::*;
use crate::scan::Detection;

const GUIDE: &str = include_str!("../../../docs/policy.md");
const FAMILY: &str = include_str!("../../policy/examples/family.json");
const NEWS: &str = include_str!("../../policy/examples/news.json");
const CARTOONS: &str = include_str!("../../policy/examples/cartoons.json");

#[track_caller]
fn check(
    policy: &str,
    label: (&str, &str),
    confidence_percent: f32,
    length_ms: i64,
    expected: Verdict,
) {
    let policy = ModerationPolicy::parse(policy.as_bytes()).unwrap();
    let mut scan = Scan::new("7.0", policy.min_confidence_percent(), None);
    scan.push(Detection {
        name: label.0,
        parent_name: label.1,
        taxonomy_level: None,
        confidence_percent: Some(confidence_percent),
        start_ms: 0,
        end_ms: length_ms,
        content_types: &[],
    });
    assert_eq!(policy.judge(&scan).verdict, expected);
}

#[test]
fn the_guide_shows_the_committed_files_and_all_of_them_are_valid() {
    let shown: Vec<&str> = GUIDE
        .split("```json\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .collect();
    assert_eq!(shown, [DEFAULT_POLICY, FAMILY, NEWS, CARTOONS]);
    for policy in shown {
        ModerationPolicy::parse(policy.as_bytes()).unwrap();
    }
}

#[test]
fn the_guide_names_every_field() {
    for field in parse::POLICY_FIELDS.iter().chain(parse::RULE_FIELDS) {
        assert!(GUIDE.contains(&format!("| `{field}` |")), "{field}");
    }
}

#[test]
fn a_family_channel_lets_the_beach_pass() {
    check(
        FAMILY,
        ("Female Swimwear or Underwear", "Swimwear or Underwear"),
        99.0,
        9000,
        Verdict::Approve,
    );
    check(
        FAMILY,
        ("Drinking", "Alcohol Use"),
        90.0,
        2999,
        Verdict::Approve,
    );
    check(
        FAMILY,
        ("Drinking", "Alcohol Use"),
        90.0,
        3000,
        Verdict::Reject,
    );
    check(FAMILY, ("Gambling", ""), 50.0, 100, Verdict::Reject);
}

#[test]
fn a_news_desk_shows_explosions() {
    check(
        NEWS,
        ("Explosions and Blasts", "Graphic Violence"),
        99.0,
        60_000,
        Verdict::Approve,
    );
    check(
        NEWS,
        ("Blood & Gore", "Graphic Violence"),
        75.0,
        4000,
        Verdict::Approve,
    );
    check(
        NEWS,
        ("Blood & Gore", "Graphic Violence"),
        75.0,
        5000,
        Verdict::Reject,
    );
    check(
        NEWS,
        ("Self-Harm", "Graphic Violence"),
        30.0,
        0,
        Verdict::Reject,
    );
}

#[test]
fn a_cartoon_platform_still_rejects_violence_that_is_not_drawn() {
    check(
        CARTOONS,
        ("Weapons", "Violence"),
        60.0,
        100,
        Verdict::Reject,
    );
}
