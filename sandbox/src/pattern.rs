//! The matching language that SNS filter policies and EventBridge patterns share, as far as either is used here.
//!
//! Sources: SNS developer guide, "Subscription filter policies"; EventBridge user guide, "Comparison operators for event patterns".
//! An operator that is not implemented is refused by name when the pattern is set.

use serde_json::Value;

use crate::wire::ApiError;

/// Checks a pattern: every leaf a list of literals or implemented operators.
pub(crate) fn check(pattern: &Value, path: &str) -> Result<(), ApiError> {
    match pattern {
        Value::Object(fields) => fields.iter().try_for_each(|(name, below)| {
            if name == "$or" {
                return Err(refused(path, name));
            }
            check(below, &format!("{path}.{name}"))
        }),
        Value::Array(options) => options
            .iter()
            .try_for_each(|option| check_option(option, path)),
        _ => Err(ApiError::client(
            "InvalidParameter",
            format!("{path} must be an object or an array"),
        )),
    }
}

fn check_option(option: &Value, path: &str) -> Result<(), ApiError> {
    let Some(operators) = option.as_object() else {
        return Ok(());
    };
    for (name, operand) in operators {
        let supported = match name.as_str() {
            "prefix" | "suffix" => operand.is_string(),
            "exists" => operand.is_boolean(),
            "anything-but" => operand.is_array() || operand.is_string() || operand.is_number(),
            "numeric" => operand
                .as_array()
                .is_some_and(|terms| terms.len().is_multiple_of(2)),
            _ => false,
        };
        if !supported {
            return Err(refused(path, name));
        }
    }
    Ok(())
}

fn refused(path: &str, operator: &str) -> ApiError {
    ApiError::not_implemented(&format!("the operator {operator} of a pattern, at {path}"))
}

/// Whether a document matches a checked pattern: every field of the pattern, by any of its options.
pub(crate) fn matches(pattern: &Value, document: &Value) -> bool {
    let Some(fields) = pattern.as_object() else {
        return false;
    };
    fields.iter().all(|(name, below)| match below {
        Value::Array(options) => {
            let value = document.get(name);
            options.iter().any(|option| match value {
                Some(Value::Array(values)) => values
                    .iter()
                    .any(|value| option_matches(option, Some(value))),
                value => option_matches(option, value),
            })
        }
        below => document
            .get(name)
            .is_some_and(|document| matches(below, document)),
    })
}

fn option_matches(option: &Value, value: Option<&Value>) -> bool {
    let Some(operators) = option.as_object() else {
        return value == Some(option);
    };
    operators.iter().all(|(name, operand)| match name.as_str() {
        "exists" => operand.as_bool() == Some(value.is_some()),
        "prefix" => both_text(value, operand, |text, prefix| text.starts_with(prefix)),
        "suffix" => both_text(value, operand, |text, suffix| text.ends_with(suffix)),
        "anything-but" => value.is_some_and(|value| match operand {
            Value::Array(excluded) => !excluded.contains(value),
            excluded => value != excluded,
        }),
        "numeric" => value
            .and_then(Value::as_f64)
            .is_some_and(|number| numeric(number, operand)),
        _ => false,
    })
}

fn both_text(value: Option<&Value>, operand: &Value, test: impl Fn(&str, &str) -> bool) -> bool {
    matches!((value.and_then(Value::as_str), operand.as_str()), (Some(value), Some(operand)) if test(value, operand))
}

fn numeric(number: f64, terms: &Value) -> bool {
    let terms = terms.as_array().map(Vec::as_slice).unwrap_or_default();
    terms.chunks(2).all(|term| {
        let bound = term[1].as_f64().unwrap_or(f64::NAN);
        match term[0].as_str() {
            Some("=") => (number - bound).abs() < f64::EPSILON,
            Some("<") => number < bound,
            Some("<=") => number <= bound,
            Some(">") => number > bound,
            Some(">=") => number >= bound,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_fields_must_match_by_any_option() {
        let pattern = json!({"source": ["aws.states"], "detail": {"status": ["FAILED", {"prefix": "TIMED"}]}});
        check(&pattern, "$").unwrap();
        assert!(matches(
            &pattern,
            &json!({"source": "aws.states", "detail": {"status": "TIMED_OUT"}})
        ));
        assert!(!matches(
            &pattern,
            &json!({"source": "aws.states", "detail": {"status": "RUNNING"}})
        ));
        assert!(!matches(&pattern, &json!({"source": "aws.states"})));
    }

    #[test]
    fn operators_match_as_documented() {
        for (option, value, expected) in [
            (json!({"anything-but": ["a", "b"]}), json!("c"), true),
            (json!({"anything-but": "a"}), json!("a"), false),
            (json!({"numeric": [">", 0, "<=", 5]}), json!(5), true),
            (json!({"numeric": [">", 0, "<=", 5]}), json!(6), false),
            (json!({"suffix": ".mp4"}), json!("a.mp4"), true),
        ] {
            assert_eq!(
                matches(&json!({"x": [option]}), &json!({"x": value})),
                expected,
                "{option} {value}"
            );
        }
        assert!(matches(&json!({"x": [{"exists": false}]}), &json!({})));
    }

    #[test]
    fn an_unknown_operator_is_refused_by_name() {
        let error = check(&json!({"x": [{"cidr": "10.0.0.0/8"}]}), "$").unwrap_err();
        assert!(error.message.contains("cidr") && error.message.contains("$.x"));
    }
}
