//! Event patterns.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::pattern::AnyOf;

/// An event pattern: every field that it names, at any depth, must satisfy one of its conditions (EventBridge user
/// guide, "Amazon EventBridge event patterns").
#[derive(Debug)]
pub(super) struct Pattern(BTreeMap<String, Field>);

#[derive(Debug)]
enum Field {
    Nested(Pattern),
    Leaf(AnyOf),
}

impl Pattern {
    pub(super) fn parse(pattern: &Value) -> Result<Self, String> {
        Self::parse_at("$", pattern)
    }

    fn parse_at(path: &str, pattern: &Value) -> Result<Self, String> {
        let object = pattern
            .as_object()
            .filter(|object| !object.is_empty())
            .ok_or_else(|| format!("{path}: must be an object with at least one field"))?;
        let fields = object.iter().map(|(name, value)| {
            let path = format!("{path}.{name}");
            if name.starts_with('$') {
                return Err(format!("{path}: operator {name} is not implemented"));
            }
            let field = if value.is_object() {
                Field::Nested(Self::parse_at(&path, value)?)
            } else {
                Field::Leaf(AnyOf::parse(&path, value)?)
            };
            Ok((name.clone(), field))
        });
        fields.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn matches(&self, event: &Value) -> bool {
        self.0
            .iter()
            .all(|(name, field)| match (field, &event[name.as_str()]) {
                // A list of objects matches when one of them does.
                (Field::Nested(pattern), Value::Array(list)) => {
                    list.iter().any(|v| pattern.matches(v))
                }
                (Field::Nested(pattern), value) => pattern.matches(value),
                (Field::Leaf(conditions), Value::Array(values)) => conditions.matches(values),
                (Field::Leaf(conditions), value) => match event.get(name) {
                    None => conditions.matches(&[]),
                    Some(_) => conditions.matches(std::slice::from_ref(value)),
                },
            })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_fields_and_lists_match() {
        let pattern = Pattern::parse(&json!({
            "source": ["aws.states"],
            "detail": {"status": ["FAILED", {"prefix": "TIMED"}], "error": [{"exists": false}]},
        }));
        let pattern = pattern.unwrap();
        let event = |status: &str| json!({"source": "aws.states", "detail": {"status": status}});
        assert!(pattern.matches(&event("FAILED")));
        assert!(pattern.matches(&event("TIMED_OUT")));
        assert!(!pattern.matches(&event("RUNNING")));
        assert!(!pattern.matches(&json!({"source": "aws.states"})));
        let failed = json!({"source": "aws.states", "detail": {"status": "FAILED", "error": null}});
        assert!(!pattern.matches(&failed));
        let resources = Pattern::parse(&json!({"resources": ["a"]})).unwrap();
        assert!(resources.matches(&json!({"resources": ["b", "a"]})));
        assert!(!resources.matches(&json!({"resources": []})));
    }

    #[test]
    fn what_is_not_implemented_is_named_with_its_path() {
        let refused = |pattern: Value| Pattern::parse(&pattern).unwrap_err();
        assert_eq!(
            refused(json!({"detail": {"ip": [{"cidr": "10.0.0.0/8"}]}})),
            "$.detail.ip: operator cidr is not implemented"
        );
        assert_eq!(
            refused(json!({"$or": []})),
            "$.$or: operator $or is not implemented"
        );
        assert!(refused(json!({"detail": {}})).starts_with("$.detail: must be an object"));
        assert!(refused(json!({"source": "aws.s3"})).starts_with("$.source: must be a list"));
    }
}
