//! Reads a policy document: all problems together, each with its field, its value and the remedy.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::taxonomy::Taxonomy;
use super::{Action, Conditions, ModerationPolicy, Rule};

/// Largest policy document.
const BYTES_MAX: usize = 256 * 1024;

/// Everything that is wrong with a policy document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyErrors(Vec<String>);

impl PolicyErrors {
    /// The problems, one each.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the policy is not usable: {}", self.0.join("; "))
    }
}

impl ModerationPolicy {
    /// Reads and checks a policy document.
    ///
    /// # Errors
    /// [`PolicyErrors`] with every problem that it has.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyErrors> {
        if bytes.len() > BYTES_MAX {
            return Err(PolicyErrors(vec![format!(
                "it has {} bytes: at most {BYTES_MAX} are read",
                bytes.len()
            )]));
        }
        let document: Value = serde_json::from_slice(bytes)
            .map_err(|error| PolicyErrors(vec![format!("it is not JSON: {error}")]))?;
        let mut problems = Problems(Vec::new());
        let policy = problems.policy(&document);
        if problems.0.is_empty() {
            Ok(policy)
        } else {
            Err(PolicyErrors(problems.0))
        }
    }
}

struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, field: &str, value: &Value, remedy: &str) {
        let mut value = value.to_string();
        if let Some((end, _)) = value.char_indices().nth(80) {
            value.truncate(end);
            value.push('…');
        }
        self.0.push(format!("{field} is {value}: {remedy}"));
    }

    fn policy(&mut self, document: &Value) -> ModerationPolicy {
        let empty = Map::new();
        let fields = document.as_object().unwrap_or_else(|| {
            self.add(
                "the document",
                document,
                "expected an object with version, default and rules",
            );
            &empty
        });
        self.unknown("", fields, &["version", "default", "rules"]);
        if fields.get("version") != Some(&json!(1)) {
            self.add(
                "version",
                fields.get("version").unwrap_or(&Value::Null),
                "expected 1, the version of the format",
            );
        }
        let default = if let Some(value) = fields.get("default") {
            self.conditions("default", value, &[])
        } else {
            self.add(
                "default",
                &Value::Null,
                "expected what is done about labels without a rule",
            );
            None
        };
        let mut rules = Vec::new();
        let mut named = BTreeSet::new();
        match fields.get("rules") {
            Some(Value::Array(values)) => {
                for (index, value) in values.iter().enumerate() {
                    let Some(rule) = self.rule(&format!("rules[{index}]"), value) else {
                        continue;
                    };
                    if !named.insert(rule.label.clone()) {
                        self.add(
                            &format!("rules[{index}].label"),
                            &json!(rule.label),
                            "has a rule already: keep one of them",
                        );
                    }
                    rules.push(rule);
                }
            }
            Some(value) => self.add("rules", value, "expected a list of rules"),
            None => {}
        }
        rules.sort_by(|a, b| a.label.cmp(&b.label));
        let default = default.unwrap_or(Conditions {
            action: Action::Reject,
            min_confidence_percent: 0.0,
            min_duration_ms: None,
            min_count: None,
            except_animated_percent: None,
            except_illustrated_percent: None,
        });
        let hash = hash(&default, &rules);
        ModerationPolicy {
            default,
            rules,
            hash,
        }
    }

    fn rule(&mut self, field: &str, value: &Value) -> Option<Rule> {
        let conditions = self.conditions(field, value, &["label"]);
        let label = value.get("label").unwrap_or(&Value::Null);
        let Some(name) = label.as_str() else {
            self.add(
                &format!("{field}.label"),
                label,
                "expected the name of a moderation label",
            );
            return None;
        };
        let taxonomy = Taxonomy::committed();
        let Some(known) = taxonomy.by_name(name) else {
            let nearest = taxonomy.nearest(name).unwrap_or_default();
            self.add(
                &format!("{field}.label"),
                label,
                &format!("is no label of the taxonomy; did you mean {nearest:?}?"),
            );
            return None;
        };
        Some(Rule {
            label: known.name.clone(),
            conditions: conditions?,
        })
    }

    fn conditions(&mut self, field: &str, value: &Value, more: &[&str]) -> Option<Conditions> {
        let Some(fields) = value.as_object() else {
            self.add(field, value, "expected an object");
            return None;
        };
        let known = [
            "action",
            "min_confidence_percent",
            "min_duration_ms",
            "min_count",
            "except",
        ];
        self.unknown(&format!("{field}."), fields, &[&known[..], more].concat());
        let action = match fields.get("action").and_then(Value::as_str) {
            Some("reject") => Some(Action::Reject),
            Some("allow") => Some(Action::Allow),
            _ => {
                let value = fields.get("action").unwrap_or(&Value::Null);
                self.add(
                    &format!("{field}.action"),
                    value,
                    "expected \"reject\" or \"allow\"",
                );
                None
            }
        };
        if action == Some(Action::Allow) {
            for name in fields
                .keys()
                .filter(|name| known[1..].contains(&name.as_str()))
            {
                self.add(
                    &format!("{field}.{name}"),
                    &fields[name],
                    "has no meaning for action \"allow\": remove it",
                );
            }
        }
        let min_confidence_percent = self.confidence(field, fields, action);
        let min_duration_ms = self.count(field, fields, "min_duration_ms");
        let min_count = self
            .count(field, fields, "min_count")
            .and_then(|count| usize::try_from(count).ok());
        let (except_animated_percent, except_illustrated_percent) =
            self.exceptions(field, fields.get("except"));
        Some(Conditions {
            action: action?,
            min_confidence_percent,
            min_duration_ms,
            min_count,
            except_animated_percent,
            except_illustrated_percent,
        })
    }

    fn confidence(
        &mut self,
        field: &str,
        fields: &Map<String, Value>,
        action: Option<Action>,
    ) -> f32 {
        let value = fields.get("min_confidence_percent");
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a percentage, which needs no more precision"
        )]
        match value.and_then(Value::as_f64) {
            Some(percent) if (0.0..=100.0).contains(&percent) => percent as f32,
            None if value.is_none() && action != Some(Action::Reject) => 0.0,
            _ => {
                let value = value.unwrap_or(&Value::Null);
                self.add(
                    &format!("{field}.min_confidence_percent"),
                    value,
                    "expected a number from 0 to 100",
                );
                0.0
            }
        }
    }

    /// A whole number from 1 on, if there is one.
    fn count(&mut self, field: &str, fields: &Map<String, Value>, name: &str) -> Option<u64> {
        let value = fields.get(name)?;
        let number = value.as_u64().filter(|number| *number >= 1);
        if number.is_none() {
            self.add(
                &format!("{field}.{name}"),
                value,
                "expected a whole number from 1 on, or no such field",
            );
        }
        number
    }

    fn exceptions(&mut self, field: &str, value: Option<&Value>) -> (Option<u8>, Option<u8>) {
        let Some(value) = value else {
            return (None, None);
        };
        let Some(fields) = value.as_object() else {
            self.add(
                &format!("{field}.except"),
                value,
                "expected an object of content types",
            );
            return (None, None);
        };
        self.unknown(
            &format!("{field}.except."),
            fields,
            &["animated", "illustrated"],
        );
        let mut percent = |name: &str| {
            let value = fields.get(name)?;
            let percent = value
                .as_u64()
                .filter(|percent| (1..=100).contains(percent))
                .and_then(|percent| u8::try_from(percent).ok());
            if percent.is_none() {
                self.add(
                    &format!("{field}.except.{name}"),
                    value,
                    "expected a whole number of percent from 1 to 100",
                );
            }
            percent
        };
        (percent("animated"), percent("illustrated"))
    }

    fn unknown(&mut self, prefix: &str, fields: &Map<String, Value>, known: &[&str]) {
        for (name, value) in fields
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_str()))
        {
            self.add(
                &format!("{prefix}{name}"),
                value,
                &format!(
                    "is no field of a policy here; there are {}",
                    known.join(", ")
                ),
            );
        }
    }
}

fn hash(default: &Conditions, rules: &[Rule]) -> String {
    let canonical = |conditions: &Conditions| {
        json!([
            conditions.action == Action::Reject,
            conditions.min_confidence_percent,
            conditions.min_duration_ms,
            conditions.min_count,
            conditions.except_animated_percent,
            conditions.except_illustrated_percent,
        ])
    };
    let rules: Vec<Value> = rules
        .iter()
        .map(|rule| json!([rule.label, canonical(&rule.conditions)]))
        .collect();
    hex::encode(Sha256::digest(
        json!([1, canonical(default), rules]).to_string(),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::DEFAULT_POLICY;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_policy_is_usable() {
        let policy = ModerationPolicy::parse(DEFAULT_POLICY.as_bytes()).unwrap();
        assert!((policy.min_confidence_percent() - 50.0).abs() < f32::EPSILON);
    }

    #[test]
    fn every_problem_is_reported_with_field_value_and_remedy() {
        let document = json!({
            "version": 2,
            "default": {"action": "deny", "min_confidence_percent": 120},
            "rules": [
                {"label": "Violense", "action": "reject", "min_confidence_percent": 50},
                {"label": "Alcohol", "action": "allow", "min_count": 2},
                {"label": "alcohol", "action": "reject"},
                {"label": "Gambling", "action": "reject", "min_confidence_percent": 1, "min_duration_ms": 0, "except": {"cartoon": 1}},
                7
            ],
            "rulez": []
        });
        let errors = ModerationPolicy::parse(document.to_string().as_bytes()).unwrap_err();
        let text = errors.to_string();
        for expected in [
            "version is 2: expected 1",
            "rulez is []",
            "default.action is \"deny\": expected \"reject\" or \"allow\"",
            "default.min_confidence_percent is 120",
            "rules[0].label is \"Violense\": is no label of the taxonomy; did you mean \"Violence\"?",
            "rules[1].min_count is 2: has no meaning",
            "rules[2].min_confidence_percent is null",
            "rules[2].label is \"Alcohol\": has a rule already",
            "rules[3].min_duration_ms is 0",
            "rules[3].except.cartoon is 1",
            "rules[4] is 7: expected an object",
        ] {
            assert!(
                text.contains(expected),
                "{expected}\nnot in\n{}",
                errors.problems().join("\n")
            );
        }
    }

    #[test]
    fn the_hash_tells_policies_apart_and_spellings_not() {
        let parse = |text: &str| ModerationPolicy::parse(text.as_bytes()).unwrap();
        let one = parse(
            r#"{"version":1,"default":{"action":"allow"},"rules":[{"label":"violence","action":"reject","min_confidence_percent":60.0}]}"#,
        );
        let same = parse(
            r#"{"rules":[{"min_confidence_percent":60,"action":"reject","label":"Violence"}],"default":{"action":"allow"},"version":1}"#,
        );
        let other = parse(
            r#"{"version":1,"default":{"action":"allow"},"rules":[{"label":"violence","action":"reject","min_confidence_percent":61}]}"#,
        );
        assert_eq!(one.hash(), same.hash());
        assert_ne!(one.hash(), other.hash());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = ModerationPolicy::parse(&bytes);
        }
    }
}
