//! Documents that are refused, and what is said about them.

use serde_json::{Value, json};

use super::*;

#[track_caller]
fn errors(document: &Value) -> String {
    errors_of(&document.to_string())
}

#[track_caller]
fn errors_of(document: &str) -> String {
    ModerationPolicy::parse(document.as_bytes())
        .unwrap_err()
        .to_string()
}

#[test]
fn all_problems_are_told_at_once() {
    let document = json!({
        "schema_version": 2,
        "default": {"action": "allow", "min_count": 1},
        "rule": [],
        "rules": [
            {"label": "Wepons", "action": "reject", "min_confidence_percent": 101},
            {"label": "Weapons", "action": "ignore", "min_confidence_percent": 50, "min_total_ms": 5},
            {"action": "reject", "min_total_ms": 0, "min_count": 1.5},
            {"label": "Violence", "action": "ignore", "content_types": ["Animated", "Photo", "Animated"], "min_content_type_confidence_percent": 0},
            {"label": "violence", "action": "ignore", "min_content_type_confidence_percent": 90},
            {"label": 7, "action": null},
            "Violence",
            {"label": "Corpses", "action": "reject", "min_confidence_percent": "80", "min_total_ms": 21_600_001},
            {"label": "Weapons", "action": "ignore", "content_types": [], "min_content_type_confidence_percent": 90},
            {"label": "Weapons", "action": "ignore", "content_types": "Animated"},
        ],
    });
    insta::assert_snapshot!(errors(&document));
}

#[test]
fn what_is_missing_is_named() {
    insta::assert_snapshot!(errors(&json!({})));
}

/// A field's name is repeated, and problems are told one a line: a line end in the name would forge another.
#[test]
fn a_name_cannot_add_a_line() {
    let document = r#"{"schema_version":1,"default":{"action":"ignore"},"rules":[],"a\n- b":0}"#;
    let errors = errors_of(document);
    assert!(errors.contains(r"a\n- b is not a field"), "{errors}");
    assert_eq!(errors.lines().count(), 2, "{errors}");
}

#[test]
fn duplicates_are_refused() {
    let drawn = |kinds: Value| json!({"label": "Violence", "action": "ignore", "content_types": kinds, "min_content_type_confidence_percent": 90});
    let document = json!({"schema_version": 1, "default": {"action": "ignore"}, "rules": [
        {"label": "Violence", "action": "ignore"},
        {"label": "VIOLENCE", "action": "reject", "min_confidence_percent": 5},
        drawn(json!(["Animated", "Illustrated"])),
        drawn(json!(["Illustrated"])),
    ]});
    insta::assert_snapshot!(errors(&document));
    assert!(
        errors_of(r#"{"schema_version":1,"schema_version":1,"default":{"action":"ignore","action":"reject"},"rules":[]}"#)
            .contains("default.action is given twice: keep one of the two")
    );
}

#[test]
fn what_is_no_policy_is_refused() {
    for document in [
        "",
        "[]",
        "null",
        "{",
        "\u{feff}{}",
        "7",
        &"[".repeat(5000),
        &" ".repeat(300_000),
    ] {
        let text = errors_of(document);
        assert!(
            text.starts_with("the policy has 1 problem\n- policy "),
            "{text}"
        );
    }
}
