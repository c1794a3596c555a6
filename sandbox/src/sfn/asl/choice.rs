//! Choice rules.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::fields::Fields;
use super::path::{EvaluationError, Expression, Scope};

/// A condition of a Choice state.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sfn) enum Rule {
    And(Vec<Rule>),
    Or(Vec<Rule>),
    Not(Box<Rule>),
    Test {
        variable: Expression,
        variable_text: String,
        test: Test,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::sfn) enum Test {
    /// `IsPresent` and its kin: the kind, and whether the value must or must not be of it.
    Is(Is, bool),
    StringMatches(String),
    Compare {
        of: Of,
        by: By,
        to: Operand,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sfn) enum Is {
    Present,
    Null,
    String,
    Numeric,
    Boolean,
    Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sfn) enum Of {
    String,
    Numeric,
    Boolean,
    Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sfn) enum By {
    Equals,
    LessThan,
    GreaterThan,
    LessThanEquals,
    GreaterThanEquals,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::sfn) enum Operand {
    Literal(Value),
    Path(Expression),
}

impl Rule {
    /// Parses a rule from the fields of its object; `Next` is the caller's. Problems are noted in the fields.
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        for (name, join) in [
            ("And", Rule::And as fn(Vec<Rule>) -> Rule),
            ("Or", Rule::Or),
        ] {
            if let Some(rules) = fields.objects(name) {
                if rules.is_empty() {
                    fields.problem_at(name, "The array must not be empty");
                }
                let rules = rules.into_iter().filter_map(Self::parse_nested);
                return Some(join(rules.collect()));
            }
        }
        if let Some(inner) = fields.object("Not") {
            return Some(Rule::Not(Box::new(Self::parse_nested(inner)?)));
        }
        let variable_text = fields.required_string("Variable")?;
        let variable = fields.expression_from("Variable", &variable_text)?;
        let name = fields.names().into_iter().find(|name| name != "Next")?;
        let test = Self::parse_test(fields, &name)?;
        Some(Rule::Test {
            variable,
            variable_text,
            test,
        })
    }

    fn parse_nested(mut fields: Fields<'_>) -> Option<Self> {
        let rule = Self::parse(&mut fields);
        if rule.is_none() {
            fields.problem("A choice rule needs And, Or, Not, or Variable and a comparison");
        }
        fields.finish();
        rule
    }

    /// The comparison of that name; None, with the field left to be refused, when there is no such comparison.
    fn parse_test(fields: &mut Fields<'_>, name: &str) -> Option<Test> {
        if let Some(kind) = is_kind(name) {
            return fields.boolean(name).map(|wanted| Test::Is(kind, wanted));
        }
        if name == "StringMatches" {
            return fields.string(name).map(Test::StringMatches);
        }
        let (plain, is_path) = match name.strip_suffix("Path") {
            Some(plain) => (plain, true),
            None => (name, false),
        };
        let (of, by) = comparison(plain)?;
        let to = if is_path {
            Operand::Path(fields.expression(name)?)
        } else {
            let value = fields.value(name)?;
            if !is_operand(of, &value) {
                fields.problem_at(name, "The value is not of the comparison's type");
            }
            Operand::Literal(value)
        };
        Some(Test::Compare { of, by, to })
    }

    /// Whether the rule holds.
    ///
    /// # Errors
    /// A variable, or the path of an operand, that selects nothing (but for IsPresent).
    pub(in crate::sfn) fn holds(&self, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
        match self {
            Rule::And(rules) => all(rules, scope, true),
            Rule::Or(rules) => all(rules, scope, false).map(|none| !none),
            Rule::Not(rule) => rule.holds(scope).map(|holds| !holds),
            Rule::Test {
                variable,
                test,
                variable_text,
            } => match (test, variable.evaluate(scope)) {
                (Test::Is(Is::Present, wanted), value) => Ok(value.is_ok() == *wanted),
                (_, Err(_)) => Err(EvaluationError::NoSuchPath(variable_text.clone())),
                (test, Ok(value)) => test.holds(&value, scope),
            },
        }
    }
}

/// Whether every rule is `wanted`, stopping at the first that is not.
fn all(rules: &[Rule], scope: &Scope<'_>, wanted: bool) -> Result<bool, EvaluationError> {
    for rule in rules {
        if rule.holds(scope)? != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Test {
    fn holds(&self, value: &Value, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
        Ok(match self {
            Test::Is(kind, wanted) => kind.fits(value) == *wanted,
            Test::StringMatches(pattern) => {
                value.as_str().is_some_and(|text| matches(pattern, text))
            }
            Test::Compare { of, by, to } => {
                let to = match to {
                    Operand::Literal(value) => value.clone(),
                    Operand::Path(path) => path.evaluate(scope)?,
                };
                of.order(value, &to).is_some_and(|order| by.accepts(order))
            }
        })
    }
}

impl Is {
    fn fits(self, value: &Value) -> bool {
        match self {
            Is::Present => true,
            Is::Null => value.is_null(),
            Is::String => value.is_string(),
            Is::Numeric => value.is_number(),
            Is::Boolean => value.is_boolean(),
            Is::Timestamp => timestamp(value).is_some(),
        }
    }
}

impl Of {
    /// How two values compare; None when they are not both of this type.
    fn order(self, left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
        match self {
            Of::String => Some(left.as_str()?.cmp(right.as_str()?)),
            Of::Numeric => left.as_f64()?.partial_cmp(&right.as_f64()?),
            Of::Boolean => Some(left.as_bool()?.cmp(&right.as_bool()?)),
            Of::Timestamp => Some(timestamp(left)?.cmp(&timestamp(right)?)),
        }
    }
}

impl By {
    fn accepts(self, order: std::cmp::Ordering) -> bool {
        match self {
            By::Equals => order.is_eq(),
            By::LessThan => order.is_lt(),
            By::GreaterThan => order.is_gt(),
            By::LessThanEquals => order.is_le(),
            By::GreaterThanEquals => order.is_ge(),
        }
    }
}

fn is_kind(name: &str) -> Option<Is> {
    Some(match name {
        "IsPresent" => Is::Present,
        "IsNull" => Is::Null,
        "IsString" => Is::String,
        "IsNumeric" => Is::Numeric,
        "IsBoolean" => Is::Boolean,
        "IsTimestamp" => Is::Timestamp,
        _ => return None,
    })
}

fn comparison(name: &str) -> Option<(Of, By)> {
    let (of, by) = [
        ("String", Of::String),
        ("Numeric", Of::Numeric),
        ("Boolean", Of::Boolean),
        ("Timestamp", Of::Timestamp),
    ]
    .into_iter()
    .find_map(|(prefix, of)| name.strip_prefix(prefix).map(|by| (of, by)))?;
    let by = match by {
        "Equals" => By::Equals,
        _ if of == Of::Boolean => return None,
        "LessThan" => By::LessThan,
        "GreaterThan" => By::GreaterThan,
        "LessThanEquals" => By::LessThanEquals,
        "GreaterThanEquals" => By::GreaterThanEquals,
        _ => return None,
    };
    Some((of, by))
}

fn is_operand(of: Of, value: &Value) -> bool {
    match of {
        Of::String => value.is_string(),
        Of::Numeric => value.is_number(),
        Of::Boolean => value.is_boolean(),
        Of::Timestamp => timestamp(value).is_some(),
    }
}

pub(super) fn timestamp(value: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()
}

/// Whether a text matches a pattern in which `*` stands for any characters and `\*` for an asterisk.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = vec![String::new()];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => parts.push(String::new()),
            '\\' => parts
                .last_mut()
                .into_iter()
                .for_each(|part| part.extend(chars.next())),
            c => parts.last_mut().into_iter().for_each(|part| part.push(c)),
        }
    }
    let [first, middle @ .., last] = parts.as_slice() else {
        return parts.first().is_some_and(|only| only == text);
    };
    let Some(mut rest) = text
        .strip_prefix(first.as_str())
        .and_then(|rest| rest.strip_suffix(last.as_str()))
    else {
        return false;
    };
    middle
        .iter()
        .all(|part| match rest.split_once(part.as_str()) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::fields::Problems;
    use super::*;
    use crate::rng::SharedRng;

    fn holds(rule: &Value, input: &Value) -> Result<bool, EvaluationError> {
        let problems = Problems::default();
        let mut fields = Fields::new(rule.as_object().unwrap().clone(), "", &problems);
        let rule = Rule::parse(&mut fields).unwrap();
        fields.finish();
        assert_eq!(problems.into_vec(), []);
        let rng = SharedRng::seeded(0);
        let scope = Scope {
            input,
            context: &Value::Null,
            rng: &rng,
        };
        rule.holds(&scope)
    }

    #[track_caller]
    #[allow(clippy::needless_pass_by_value)] // `json!` makes values
    fn check(operator: &str, operand: Value, expect: bool) {
        let input = json!({
            "x": {"s": "log-7.txt", "n": 20, "b": true, "z": null, "t": "2016-03-14T01:59:00Z"},
            "same": {"n": 20.0, "t": "2016-03-14T02:59:00+01:00"}
        });
        let variable = match operator {
            op if op.starts_with("String") => "$.x.s",
            op if op.starts_with("Boolean") => "$.x.b",
            op if op.starts_with("Timestamp") || op == "IsTimestamp" => "$.x.t",
            "IsNull" => "$.x.z",
            "IsString" => "$.x.s",
            "IsPresent" => "$.x.none",
            _ => "$.x.n",
        };
        let rule = json!({"Variable": variable, operator: operand});
        assert_eq!(holds(&rule, &input), Ok(expect), "{rule}");
    }

    #[test]
    fn every_operator_compares() {
        check("StringEquals", json!("log-7.txt"), true);
        check("StringLessThan", json!("log-8"), true);
        check("StringGreaterThanEquals", json!("log-8"), false);
        check("StringMatches", json!("log-*.txt"), true);
        check("StringMatches", json!("*.tx"), false);
        check("NumericEquals", json!(20), true);
        check("NumericEqualsPath", json!("$.same.n"), true);
        check("NumericLessThan", json!(20), false);
        check("NumericLessThanEquals", json!(20), true);
        check("NumericGreaterThan", json!(19.5), true);
        check("BooleanEquals", json!(true), true);
        check("TimestampEqualsPath", json!("$.same.t"), true);
        check("TimestampLessThan", json!("2016-03-14T01:58:59Z"), false);
        check("IsNull", json!(true), true);
        check("IsString", json!(false), false);
        check("IsNumeric", json!(true), true);
        check("IsBoolean", json!(true), false);
        check("IsTimestamp", json!(true), true);
        check("IsPresent", json!(false), true);
    }

    #[test]
    fn rules_combine() {
        let yes = json!({"Variable": "$.n", "NumericEquals": 1});
        let no = json!({"Variable": "$.n", "NumericEquals": 2});
        let input = json!({"n": 1});
        assert_eq!(holds(&json!({"And": [yes, no]}), &input), Ok(false));
        assert_eq!(holds(&json!({"Or": [no, yes]}), &input), Ok(true));
        assert_eq!(holds(&json!({"Not": no}), &input), Ok(true));
    }

    #[test]
    fn a_variable_that_is_missing_is_an_error() {
        let rule = json!({"Variable": "$.none", "StringEquals": "x"});
        assert_eq!(
            holds(&rule, &json!({})),
            Err(EvaluationError::NoSuchPath("$.none".to_owned()))
        );
    }

    #[test]
    fn values_of_another_type_do_not_compare() {
        let rule = json!({"Variable": "$.x", "StringEquals": "1"});
        assert_eq!(holds(&rule, &json!({"x": 1})), Ok(false));
    }

    proptest! {
        #[test]
        fn an_asterisk_matches_anything_between(a in "[a-c]*", b in "[a-c]*", c in "[a-c]*", fill in "[a-c]*") {
            let text = format!("{a}{fill}{b}{fill}{c}");
            let pattern = format!("{a}*{b}*{c}");
            prop_assert!(matches(&pattern, &text));
            prop_assert!(matches(&text, &text));
        }
    }

    #[test]
    fn an_escaped_asterisk_is_an_asterisk() {
        assert!(matches(r"a\*b", "a*b"));
        assert!(!matches(r"a\*b", "axb"));
        assert!(!matches("ab*ba", "aba"));
    }
}
