//! Conditions as SNS filter policies and EventBridge patterns share them: a list of conditions, one of which must hold.

use serde_json::Value;

/// What one field or attribute must satisfy: any of the conditions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AnyOf(Vec<Condition>);

/// One condition on a value.
#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Equals(Value),
    EqualsIgnoreCase(String),
    Prefix(String),
    Suffix(String),
    AnythingBut(Vec<Value>),
    AnythingButPrefix(String),
    Exists(bool),
    /// All of the comparisons hold.
    Numeric(Vec<(Comparison, f64)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl AnyOf {
    /// Reads `["exact", {"prefix": "x"}, …]`.
    ///
    /// # Errors
    /// Text that names the path and what is wrong or not implemented there.
    pub(crate) fn parse(path: &str, conditions: &Value) -> Result<Self, String> {
        let conditions = conditions
            .as_array()
            .filter(|conditions| !conditions.is_empty())
            .ok_or_else(|| format!("{path}: must be a list with at least one condition"))?;
        let parsed = conditions
            .iter()
            .map(|condition| Condition::parse(path, condition));
        parsed.collect::<Result<_, _>>().map(Self)
    }

    /// Whether a field with these values (several when it is a list, none when it is absent) satisfies a condition.
    pub(crate) fn matches(&self, values: &[Value]) -> bool {
        self.0.iter().any(|condition| match condition {
            Condition::Exists(exists) => *exists != values.is_empty(),
            _ => values.iter().any(|value| condition.matches(value)),
        })
    }
}

impl Condition {
    fn parse(path: &str, condition: &Value) -> Result<Self, String> {
        let Value::Object(object) = condition else {
            return if condition.is_array() {
                Err(format!("{path}: a condition must not be a list"))
            } else {
                Ok(Self::Equals(condition.clone()))
            };
        };
        let mut operators = object.iter();
        let (Some((operator, operand)), None) = (operators.next(), operators.next()) else {
            return Err(format!(
                "{path}: a condition must have exactly one operator"
            ));
        };
        let text = || {
            let wrong = || format!("{path}: the operand of {operator} must be a string");
            operand.as_str().map(str::to_owned).ok_or_else(wrong)
        };
        match operator.as_str() {
            "prefix" => text().map(Self::Prefix),
            "suffix" => text().map(Self::Suffix),
            "equals-ignore-case" => text().map(Self::EqualsIgnoreCase),
            "exists" => operand
                .as_bool()
                .map(Self::Exists)
                .ok_or_else(|| format!("{path}: the operand of exists must be true or false")),
            "anything-but" => Self::parse_anything_but(path, operand),
            "numeric" => Self::parse_numeric(path, operand),
            _ => Err(format!("{path}: operator {operator} is not implemented")),
        }
    }

    fn parse_anything_but(path: &str, operand: &Value) -> Result<Self, String> {
        match operand {
            Value::Array(values) => Ok(Self::AnythingBut(values.clone())),
            Value::Object(object) => match object.get("prefix").and_then(Value::as_str) {
                Some(prefix) if object.len() == 1 => Ok(Self::AnythingButPrefix(prefix.to_owned())),
                _ => Err(format!("{path}: anything-but {operand} is not implemented")),
            },
            value => Ok(Self::AnythingBut(vec![value.clone()])),
        }
    }

    fn parse_numeric(path: &str, operand: &Value) -> Result<Self, String> {
        let wrong = || format!("{path}: numeric must be a list like [\">\", 0, \"<=\", 5]");
        let list = operand
            .as_array()
            .filter(|list| !list.is_empty() && list.len() % 2 == 0);
        let pairs = list.ok_or_else(wrong)?.chunks_exact(2);
        let comparisons = pairs.map(|pair| {
            let comparison = match pair[0].as_str() {
                Some("<") => Comparison::Less,
                Some("<=") => Comparison::LessOrEqual,
                Some("=") => Comparison::Equal,
                Some(">=") => Comparison::GreaterOrEqual,
                Some(">") => Comparison::Greater,
                _ => return Err(wrong()),
            };
            Ok((comparison, pair[1].as_f64().ok_or_else(wrong)?))
        });
        comparisons.collect::<Result<_, _>>().map(Self::Numeric)
    }

    /// Whether a present value satisfies the condition.
    fn matches(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Equals(expected) => same(expected, value),
            Self::EqualsIgnoreCase(expected) => {
                text.is_some_and(|text| text.to_lowercase() == expected.to_lowercase())
            }
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::AnythingBut(values) => !values.iter().any(|unwanted| same(unwanted, value)),
            Self::AnythingButPrefix(prefix) => text.is_some_and(|text| !text.starts_with(prefix)),
            Self::Exists(exists) => *exists,
            Self::Numeric(comparisons) => value.as_f64().is_some_and(|number| {
                comparisons
                    .iter()
                    .all(|(comparison, bound)| comparison.holds(number, *bound))
            }),
        }
    }
}

impl Comparison {
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Equal => number.total_cmp(&bound).is_eq(),
            Self::GreaterOrEqual => number >= bound,
            Self::Greater => number > bound,
        }
    }
}

/// Equality of JSON values where 1 and 1.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(conditions: &Value, value: &Value, expected: bool) {
        let values = match value {
            Value::Null => vec![],
            value => vec![value.clone()],
        };
        let parsed = AnyOf::parse("field", conditions).unwrap();
        assert_eq!(parsed.matches(&values), expected, "{conditions} on {value}");
    }

    #[test]
    fn each_operator_matches_what_it_says() {
        check(&json!(["a", "b"]), &json!("b"), true);
        check(&json!(["a", "b"]), &json!("c"), false);
        check(&json!([1]), &json!(1.0), true);
        check(&json!([1]), &json!("1"), false);
        check(&json!([{"prefix": "ap"}]), &json!("apple"), true);
        check(&json!([{"prefix": "ap"}]), &json!("maple"), false);
        check(&json!([{"suffix": ".mp4"}]), &json!("a.mp4"), true);
        check(&json!([{"suffix": ".mp4"}]), &json!("a.mov"), false);
        check(&json!([{"equals-ignore-case": "Yes"}]), &json!("yES"), true);
        check(&json!([{"equals-ignore-case": "Yes"}]), &json!("no"), false);
        check(&json!([{"anything-but": ["a"]}]), &json!("b"), true);
        check(&json!([{"anything-but": "a"}]), &json!("a"), false);
        check(
            &json!([{"anything-but": {"prefix": "a"}}]),
            &json!("ab"),
            false,
        );
        check(&json!([{"numeric": [">", 0, "<=", 5]}]), &json!(5), true);
        check(&json!([{"numeric": [">", 0, "<=", 5]}]), &json!(0), false);
        check(&json!([{"numeric": ["=", 5]}]), &json!("5"), false);
    }

    #[test]
    fn only_exists_false_matches_an_absent_field() {
        check(&json!([{"exists": false}]), &Value::Null, true);
        check(&json!([{"exists": true}]), &Value::Null, false);
        check(&json!([{"exists": true}]), &json!("x"), true);
        check(&json!([{"exists": false}]), &json!("x"), false);
        check(&json!([{"anything-but": ["a"]}]), &Value::Null, false);
    }

    #[test]
    fn what_is_not_implemented_is_named() {
        let refused = |conditions: Value| AnyOf::parse("x.y", &conditions).unwrap_err();
        let message = refused(json!([{"wildcard": "a*b"}]));
        assert_eq!(message, "x.y: operator wildcard is not implemented");
        assert!(
            refused(json!([{"anything-but": {"suffix": "a"}}])).starts_with("x.y: anything-but")
        );
        assert!(refused(json!("a")).starts_with("x.y: must be a list"));
        assert!(refused(json!([])).starts_with("x.y: must be a list"));
        assert!(refused(json!([{"prefix": 1}])).contains("prefix must be a string"));
        assert!(refused(json!([{"numeric": ["~", 1]}])).contains("numeric must be a list"));
    }
}
