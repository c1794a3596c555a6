//! IAM policies: whoever is allowed something was granted it.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::iam::{Condition, Grant, Operator, Policy};
use serde_json::Value;

use super::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "iam",
    what: "IAM policies",
    folders: &["fuzz/corpus/iam"],
    words: &[
        "*",
        "?",
        "s3:*",
        "s3:GetObject",
        "arn:aws:s3:::*",
        "Condition",
        "StringLike",
        "StringEquals",
        "s3:prefix",
        "NotAction",
        "Deny",
        "Resource",
        "Action",
    ],
    check,
};

fn check(input: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(input) else {
        return Outcome::Refused;
    };
    let Ok(policy) = Policy::parse(text) else {
        return Outcome::Refused;
    };
    let grants = policy.grants();
    let (mut actions, mut resources) = (BTreeSet::new(), BTreeSet::new());
    let mut contexts = vec![BTreeMap::new()];
    for text in texts(input) {
        contexts.push(BTreeMap::from([("s3:prefix".to_owned(), text.clone())]));
        actions.insert(text.replace(['*', '?'], "x"));
        resources.insert(text.replace('*', "").replace('?', "é"));
    }
    // A few of each: all with all would be thousands.
    for (action, resource) in actions.iter().zip(resources.iter().cycle().skip(1)).take(8) {
        for context in contexts.iter().take(3) {
            let granted = grants
                .iter()
                .any(|grant| grant_covers(grant, action, resource, context));
            assert_eq!(
                policy.allows(action, resource, context),
                granted,
                "{action} on {resource} with {context:?}"
            );
        }
    }
    for grant in grants.iter().take(8) {
        let context = grant
            .condition
            .iter()
            .map(|Condition { key, value, .. }| (key.clone(), value.clone()));
        let own = context.collect();
        assert!(
            policy.allows(&grant.action, &grant.resource, &own),
            "{grant}"
        );
    }
    Outcome::Accepted
}

/// All strings of a document, the policy's own patterns among them.
fn texts(input: &[u8]) -> BTreeSet<String> {
    fn collect(value: &Value, texts: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => drop(texts.insert(text.clone())),
            Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
            Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    collect(
        &serde_json::from_slice(input).unwrap_or_default(),
        &mut found,
    );
    found.retain(|text| text.len() < 200);
    found
}

fn grant_covers(
    grant: &Grant,
    action: &str,
    resource: &str,
    context: &BTreeMap<String, String>,
) -> bool {
    let is_met = |condition: &Condition| {
        context
            .get(&condition.key)
            .is_some_and(|value| match condition.operator {
                Operator::StringEquals => condition.value == *value,
                Operator::StringLike => like(&condition.value, value),
            })
    };
    like(&grant.action, action)
        && like(&grant.resource, resource)
        && grant.condition.as_ref().is_none_or(is_met)
}

/// Whether a text is like a pattern of `*` and `?`, by the definition: row by row over what can be matched so far.
fn like(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut matched = vec![false; text.len() + 1];
    matched[0] = true;
    for wanted in pattern.chars() {
        let mut next = vec![false; text.len() + 1];
        next[0] = matched[0] && wanted == '*';
        for (at, given) in text.iter().enumerate() {
            next[at + 1] = match wanted {
                '*' => next[at] || matched[at + 1],
                '?' => matched[at],
                wanted => matched[at] && wanted == *given,
            };
        }
        matched = next;
    }
    matched[text.len()]
}
