//! How a state's input becomes what it works on, and its result the state's output.
//!
//! Source: Amazon States Language specification, "Input and Output Processing".

use serde_json::{Map, Value};

use super::fields::Fields;
use super::path::{EvaluationError, Expression, Path, Scope, Segment, position};

/// Why a state fails: the error's name and cause, as Retry, Catch and the history see them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::sfn) struct Failure {
    pub(in crate::sfn) error: Option<String>,
    pub(in crate::sfn) cause: Option<String>,
    /// The `States.Timeout` of a missed heartbeat.
    pub(in crate::sfn) missed_heartbeat: bool,
    /// Raised by the interpreter: the cause then begins with the state's name.
    pub(in crate::sfn) raised: bool,
}

impl Failure {
    pub(in crate::sfn) fn raised(error: &str, cause: impl Into<String>) -> Self {
        Self {
            error: Some(error.to_owned()),
            cause: Some(cause.into()),
            missed_heartbeat: false,
            raised: true,
        }
    }
}

/// The data fields of a state.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::sfn) struct DataFlow {
    pub(super) input_path: Selector,
    pub(super) parameters: Option<Template>,
    pub(super) result_selector: Option<Template>,
    pub(super) result_path: ResultPath,
    pub(super) output_path: Selector,
}

/// InputPath or OutputPath.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::sfn) enum Selector {
    #[default]
    Everything,
    /// `null`: an empty object.
    Nothing,
    Path(Path),
}

/// ResultPath: where in its raw input a state puts its result.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sfn) enum ResultPath {
    /// `null`
    Discard,
    /// Names and indices; none of them (`$`): the result takes the input's place.
    At(Vec<Segment>),
}

impl Default for ResultPath {
    fn default() -> Self {
        Self::At(Vec::new())
    }
}

/// A payload template: JSON in which fields whose names end in `.$` are computed.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sfn) enum Template {
    Literal(Value),
    Object(Vec<(String, Template)>),
    Array(Vec<Template>),
    Computed {
        field: String,
        path: String,
        expression: Expression,
    },
}

impl DataFlow {
    /// What the state works on: InputPath, then Parameters.
    pub(in crate::sfn) fn effective_input(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        let input = self.input_path.select(scope)?;
        match &self.parameters {
            None => Ok(input),
            Some(template) => template.evaluate(&Scope {
                input: &input,
                ..*scope
            }),
        }
    }

    /// The state's output from its result: ResultSelector, then ResultPath into the raw input, then OutputPath.
    pub(in crate::sfn) fn output(&self, result: Value, raw: &Scope<'_>) -> Result<Value, Failure> {
        let result = match &self.result_selector {
            None => result,
            Some(template) => template.evaluate(&Scope {
                input: &result,
                ..*raw
            })?,
        };
        let combined = self.result_path.put(raw.input.clone(), result)?;
        self.output_path.select(&Scope {
            input: &combined,
            ..*raw
        })
    }

    /// The output of a Wait state, which has no result: InputPath, then OutputPath.
    pub(in crate::sfn) fn pass_through(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        let input = self.effective_input(scope)?;
        self.output_path.select(&Scope {
            input: &input,
            ..*scope
        })
    }
}

impl Selector {
    pub(super) fn parse(fields: &mut Fields<'_>, name: &str) -> Self {
        match fields.value(name) {
            None => Self::Everything,
            Some(Value::Null) => Self::Nothing,
            Some(Value::String(text)) => match Path::parse(&text) {
                Ok(path) => Self::Path(path),
                Err(problem) => {
                    fields.problem_at(name, problem);
                    Self::Everything
                }
            },
            Some(_) => {
                fields.problem_at(name, "The value must be a path or null");
                Self::Everything
            }
        }
    }

    fn select(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        match self {
            Self::Everything => Ok(scope.input.clone()),
            Self::Nothing => Ok(Value::Object(Map::new())),
            Self::Path(path) => path.select(scope).map_err(|_| {
                Failure::raised(
                    "States.Runtime",
                    format!("Invalid path '{path}' : Missing property in path"),
                )
            }),
        }
    }
}

impl ResultPath {
    pub(super) fn parse(fields: &mut Fields<'_>, name: &str) -> Self {
        match fields.value(name) {
            None => Self::default(),
            Some(Value::Null) => Self::Discard,
            Some(Value::String(text)) => match Path::parse(&text) {
                Ok(path) if path.is_definite() && !path.is_context() => {
                    Self::At(path.segments().to_vec())
                }
                Ok(_) => {
                    fields.problem_at(name, "The value must be a reference path");
                    Self::default()
                }
                Err(problem) => {
                    fields.problem_at(name, problem);
                    Self::default()
                }
            },
            Some(_) => {
                fields.problem_at(name, "The value must be a reference path or null");
                Self::default()
            }
        }
    }

    /// Puts a result into the raw input, making objects on the way.
    pub(in crate::sfn) fn put(&self, raw: Value, result: Value) -> Result<Value, Failure> {
        let Self::At(segments) = self else {
            return Ok(raw);
        };
        let mut root = raw;
        let mut target = &mut root;
        for segment in segments {
            target = match (segment, target) {
                (Segment::Name(name), Value::Object(map)) => map
                    .entry(name.as_str())
                    .or_insert_with(|| Value::Object(Map::new())),
                (Segment::Index(index), Value::Array(items)) => position(*index, items.len())
                    .and_then(|at| items.get_mut(at))
                    .ok_or_else(|| mismatch(segment))?,
                _ => return Err(mismatch(segment)),
            };
        }
        *target = result;
        Ok(root)
    }
}

fn mismatch(segment: &Segment) -> Failure {
    let step = match segment {
        Segment::Name(name) => format!("'{name}'"),
        Segment::Index(index) => index.to_string(),
        Segment::Wildcard | Segment::Slice(..) | Segment::Descent(_) => "a selection".to_owned(),
    };
    Failure::raised(
        "States.ResultPathMatchFailure",
        format!("Unable to apply step {step} of the ResultPath to the state's input"),
    )
}

impl Template {
    /// Compiles a payload template; problems are noted with their locations.
    pub(super) fn parse(value: Value, fields: &Fields<'_>, at: &str) -> Self {
        match value {
            Value::Object(map) => Self::Object(
                map.into_iter()
                    .filter_map(|(key, value)| Self::parse_field(key, value, fields, at))
                    .collect(),
            ),
            Value::Array(items) => Self::Array(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| Self::parse(item, fields, &format!("{at}/{index}")))
                    .collect(),
            ),
            literal => Self::Literal(literal),
        }
    }

    fn parse_field(
        key: String,
        value: Value,
        fields: &Fields<'_>,
        at: &str,
    ) -> Option<(String, Self)> {
        let location = format!("{at}/{key}");
        let Some(name) = key.strip_suffix(".$") else {
            return Some((key, Self::parse(value, fields, &location)));
        };
        let Value::String(path) = value else {
            fields.problem_at(
                &location,
                "The value of a field whose name ends in '.$' must be a path",
            );
            return None;
        };
        let expression = fields.expression_from(&location, &path)?;
        let computed = Self::Computed {
            path,
            expression,
            field: key.clone(),
        };
        Some((name.to_owned(), computed))
    }

    pub(in crate::sfn) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Array(items) => items.iter().map(|item| item.evaluate(scope)).collect(),
            Self::Object(fields) => fields
                .iter()
                .map(|(name, field)| Ok((name.clone(), field.evaluate(scope)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
            Self::Computed {
                field,
                path,
                expression,
            } => expression
                .evaluate(scope)
                .map_err(|error| unresolved(error, field, path, scope)),
        }
    }
}

/// The failure of a path that selects nothing: `States.Runtime`, in the words of an execution on AWS
/// (aws-samples/serverless-coffee-workshop, issue 56).
pub(in crate::sfn) fn unresolved(
    error: EvaluationError,
    field: &str,
    path: &str,
    scope: &Scope<'_>,
) -> Failure {
    match error {
        EvaluationError::NoSuchPath(_) => Failure::raised(
            "States.Runtime",
            format!(
                "The JSONPath '{path}' specified for the field '{field}' could not be found in the input '{}'",
                scope.input
            ),
        ),
        EvaluationError::TooMuch(_) => {
            Failure::raised("States.DataLimitExceeded", error.to_string())
        }
        EvaluationError::Intrinsic(problem) => Failure::raised("States.IntrinsicFailure", problem),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::fields::Problems;
    use super::*;
    use crate::rng::SharedRng;

    fn put(path: &str, raw: Value, result: Value) -> Result<Value, Failure> {
        let problems = Problems::default();
        let map = json!({"ResultPath": path}).as_object().unwrap().clone();
        let parsed = ResultPath::parse(&mut Fields::new(map, "", &problems), "ResultPath");
        assert_eq!(problems.into_vec(), []);
        parsed.put(raw, result)
    }

    /// The specification's example of ResultPath `$.c.d`.
    #[test]
    fn result_path_makes_objects_on_its_way() {
        let done = put("$.c.d", json!({"a": 1}), json!(2));
        assert_eq!(done, Ok(json!({"a": 1, "c": {"d": 2}})));
    }

    #[test]
    fn result_path_cannot_enter_what_is_not_an_object() {
        let failure = put("$.a.b", json!({"a": 1}), json!(2)).unwrap_err();
        assert_eq!(
            failure.error.as_deref(),
            Some("States.ResultPathMatchFailure")
        );
    }

    fn evaluate(template: Value, input: &Value) -> Result<Value, Failure> {
        let problems = Problems::default();
        let fields = Fields::new(Map::new(), "", &problems);
        let template = Template::parse(template, &fields, "Parameters");
        assert_eq!(problems.into_vec(), []);
        template.evaluate(&Scope {
            input,
            context: &json!({"State": {"RetryCount": 2}}),
            rng: &SharedRng::seeded(0),
        })
    }

    /// The specification's example of Parameters.
    #[test]
    fn templates_compute_the_fields_that_end_in_dollar() {
        let template = json!({
            "flagged": true,
            "parts": {"first.$": "$.vals[0]", "last3.$": "$.vals[-3:]"},
            "attempt.$": "$$.State.RetryCount", "list": [{"x.$": "$.flagged"}, "$.flagged"]
        });
        let input = json!({"flagged": 7, "vals": [0, 10, 20, 30, 40, 50]});
        let expect = json!({
            "flagged": true, "parts": {"first": 0, "last3": [30, 40, 50]}, "attempt": 2, "list": [{"x": 7}, "$.flagged"]
        });
        assert_eq!(evaluate(template, &input), Ok(expect));
    }

    #[test]
    fn a_missing_field_fails_in_the_words_of_aws() {
        let failure = evaluate(
            json!({"orderId.$": "$.detail.orderId"}),
            &json!({"orderNumber": "10"}),
        )
        .unwrap_err();
        assert_eq!(failure.error.as_deref(), Some("States.Runtime"));
        assert_eq!(
            failure.cause.as_deref(),
            Some(
                r#"The JSONPath '$.detail.orderId' specified for the field 'orderId.$' could not be found in the input '{"orderNumber":"10"}'"#
            )
        );
    }

    proptest! {
        #[test]
        fn what_is_put_at_a_path_is_found_there(names in proptest::collection::vec("[a-z]{1,3}", 1..4), value in any::<u32>()) {
            let path = format!("$.{}", names.join("."));
            let whole = put(&path, json!({"untouched": true}), json!(value)).unwrap();
            prop_assert_eq!(whole.pointer(&format!("/{}", names.join("/"))), Some(&json!(value)));
            prop_assert_eq!(&whole["untouched"], &json!(true));
        }
    }
}
