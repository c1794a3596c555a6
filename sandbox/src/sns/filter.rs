//! Filter policies on message attributes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::pattern::AnyOf;
use crate::sqs::MessageAttribute;

/// A filter policy: every attribute that it names must satisfy one of its conditions (SNS developer guide, "Amazon SNS
/// subscription filter policies", scope MessageAttributes).
#[derive(Debug)]
pub(super) struct FilterPolicy(BTreeMap<String, AnyOf>);

impl FilterPolicy {
    pub(super) fn parse(policy: &Value) -> Result<Self, String> {
        let object = policy.as_object().ok_or("must be a JSON object")?;
        let parsed = object.iter().map(|(name, conditions)| {
            // Names that begin with a dollar are operators, `$or` for one.
            if name.starts_with('$') {
                return Err(format!("{name}: operator {name} is not implemented"));
            }
            Ok((name.clone(), AnyOf::parse(name, conditions)?))
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn matches(&self, attributes: &BTreeMap<String, MessageAttribute>) -> bool {
        self.0.iter().all(|(name, conditions)| {
            let values = attributes.get(name).map(values).unwrap_or_default();
            conditions.matches(&values)
        })
    }
}

/// What conditions compare: a Number is a number, a String.Array its members, and Binary is ignored.
fn values(attribute: &MessageAttribute) -> Vec<Value> {
    if attribute.is_binary() {
        return Vec::new();
    }
    let json = || serde_json::from_str::<Value>(&attribute.value).ok();
    match attribute.data_type.as_str() {
        "Number" => json().filter(Value::is_number).into_iter().collect(),
        "String.Array" => match json() {
            Some(Value::Array(values)) => values,
            _ => Vec::new(),
        },
        _ => vec![Value::String(attribute.value.clone())],
    }
}
