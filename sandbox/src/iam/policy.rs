//! IAM policies, as far as the gate's need them: what is allowed, and at most one condition a statement.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

/// An identity policy whose statements all allow something.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct Policy {
    #[serde(rename = "Version")]
    _version: Version,
    statement: Vec<Statement>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Version {
    #[serde(rename = "2012-10-17")]
    Current,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Statement {
    #[serde(rename = "Sid")]
    _sid: String,
    #[serde(rename = "Effect")]
    _effect: Effect,
    action: OneOrMany,
    resource: OneOrMany,
    #[serde(default, deserialize_with = "one_condition")]
    condition: Option<Conditions>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(BTreeSet<String>),
}

/// Operator and key of a statement's condition, and the values of which one must fit.
type Conditions = (Operator, String, BTreeSet<String>);

/// How a condition compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Operator {
    /// The value itself.
    StringEquals,
    /// With `*` and `?`.
    StringLike,
}

/// What a request's context must be like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// How it compares.
    pub operator: Operator,
    /// The key of the request's context.
    pub key: String,
    /// What the key's value is compared with.
    pub value: String,
}

/// The smallest part of a policy: one action on one resource under one value of its condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// For example `s3:GetObject`.
    pub action: String,
    /// An ARN, in which `*` and `?` stand for any characters and any one, or `*`.
    pub resource: String,
    /// When it holds.
    pub condition: Option<Condition>,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.action, self.resource)?;
        match &self.condition {
            Some(Condition {
                operator,
                key,
                value,
            }) => write!(f, " if {key} {operator:?} {value}"),
            None => Ok(()),
        }
    }
}

impl Condition {
    /// Whether a request's context meets it. A key that is absent meets no condition.
    pub(super) fn is_met(&self, context: &BTreeMap<String, String>) -> bool {
        context
            .get(&self.key)
            .is_some_and(|value| match self.operator {
                Operator::StringEquals => self.value == *value,
                Operator::StringLike => is_like(&self.value, value),
            })
    }
}

impl Policy {
    /// Reads a policy document.
    ///
    /// # Errors
    /// For anything but statements that allow, with what this module knows.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Whether it allows an action on a resource in the context of a request.
    #[must_use]
    pub fn allows(&self, action: &str, resource: &str, context: &BTreeMap<String, String>) -> bool {
        self.statement.iter().any(|statement| {
            let mut actions = statement.action.iter();
            actions.any(|pattern| is_like(pattern, action))
                && statement
                    .resource
                    .iter()
                    .any(|pattern| is_like(pattern, resource))
                && (statement.condition.is_none()
                    || statement
                        .conditions()
                        .any(|condition| condition.is_met(context)))
        })
    }

    /// Everything that it grants, one by one.
    #[must_use]
    pub fn grants(&self) -> BTreeSet<Grant> {
        let mut grants = BTreeSet::new();
        for statement in &self.statement {
            let conditions: Vec<_> = match statement.condition {
                None => vec![None],
                Some(_) => statement.conditions().map(Some).collect(),
            };
            for action in statement.action.iter() {
                for resource in statement.resource.iter() {
                    grants.extend(conditions.iter().map(|condition| Grant {
                        action: action.to_owned(),
                        resource: resource.to_owned(),
                        condition: condition.clone(),
                    }));
                }
            }
        }
        grants
    }
}

impl Statement {
    fn conditions(&self) -> impl Iterator<Item = Condition> {
        self.condition.iter().flat_map(|(operator, key, values)| {
            values.iter().map(|value| Condition {
                operator: *operator,
                key: key.clone(),
                value: value.clone(),
            })
        })
    }
}

impl OneOrMany {
    fn iter(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(many) => (None, Some(many)),
        };
        one.into_iter()
            .chain(many.into_iter().flatten())
            .map(String::as_str)
    }
}

/// Reads `{"<operator>": {"<key>": "<value>"}}` or the same with a list of values: one operator and one key.
fn one_condition<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Conditions>, D::Error> {
    use serde::de::Error as _;
    let given = BTreeMap::<Operator, BTreeMap<String, OneOrMany>>::deserialize(deserializer)?;
    let mut pairs = given.into_iter().flat_map(|(operator, keys)| {
        keys.into_iter()
            .map(move |(key, values)| (operator, key, values))
    });
    match (pairs.next(), pairs.next()) {
        (Some((operator, key, values)), None) => {
            let values = values.iter().map(str::to_owned).collect();
            Ok(Some((operator, key, values)))
        }
        _ => Err(D::Error::custom(
            "a Condition has one operator and one key here",
        )),
    }
}

/// Whether a text is like a pattern, in which `*` stands for any characters and `?` for any one (IAM User Guide, "IAM JSON policy
/// elements: Resource").
pub(super) fn is_like(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where to go on when what follows the last star does not fit: one character more goes to the star.
    let mut retry = None;
    while let Some(given) = text.clone().next() {
        match pattern.next() {
            Some('*') => retry = Some((pattern.clone(), text.clone())),
            Some(wanted) if wanted == '?' || wanted == given => {
                text.next();
            }
            _ => {
                let Some((after_star, taken)) = &mut retry else {
                    return false;
                };
                taken.next();
                (pattern, text) = (after_star.clone(), taken.clone());
            }
        }
    }
    pattern.all(|rest| rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(is_like(pattern, text), expected, "{pattern} {text}");
    }

    #[test]
    fn stars_and_question_marks_match_as_in_iam() {
        check("*", "", true);
        check("jobs/*", "jobs/", true);
        check("jobs/*", "jobs/a/b.json", true);
        check("jobs/*", "jobs", false);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-b-b-d", false);
        check("sl?ts", "slots", true);
        check("sl?ts", "slts", false);
        check("a?c", "a🎬c", true);
        check("policy.json", "policyxjson", false);
        check("a/*", "a/\u{1}🎬", true);
    }

    fn policy(condition: &str) -> Result<Policy, serde_json::Error> {
        Policy::parse(&format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Sid": "List", "Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"],
                "Resource": "b" {condition}}}]}}"#
        ))
    }

    #[test]
    fn a_condition_holds_for_the_values_that_it_names_and_not_without_its_key() {
        let policy =
            policy(r#", "Condition": {"StringLike": {"s3:prefix": ["jobs/*", "slots/*"]}}"#);
        let policy = policy.unwrap();
        let context = |prefix: &str| BTreeMap::from([("s3:prefix".to_owned(), prefix.to_owned())]);
        assert!(policy.allows("s3:ListBucket", "b", &context("slots/")));
        assert!(!policy.allows("s3:ListBucket", "b", &context("heads/")));
        assert!(!policy.allows("s3:ListBucket", "b", &BTreeMap::new()));
        assert!(!policy.allows("s3:PutObject", "b", &context("slots/")));
        assert!(!policy.allows("s3:ListBucket", "c", &context("slots/")));
        assert_eq!(policy.grants().len(), 4);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for condition in [
            r#", "NotAction": "s3:*""#,
            r#", "Condition": {"Bool": {"aws:SecureTransport": "true"}}"#,
            r#", "Condition": {"StringLike": {"a": "1", "b": "2"}}"#,
            r#", "Condition": {}"#,
        ] {
            assert!(policy(condition).is_err(), "{condition}");
        }
        let deny = r#"{"Version": "2012-10-17", "Statement": [{"Sid": "No", "Effect": "Deny", "Action": "a", "Resource": "b"}]}"#;
        assert!(Policy::parse(deny).is_err());
    }
}
