//! What a state reads from its input and from the context object.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::super::asl::choice::Rule;
use super::super::asl::data_flow::{Failure, unresolved};
use super::super::asl::path::{EvaluationError, Expression, Scope};
use super::super::asl::{Seconds, Text};
use super::super::state::{Ended, Execution};
use super::{Driver, Visit};

impl Driver {
    /// The context object (Developer Guide, "Accessing execution data from the Context object"). RedriveTime is there
    /// only after a redrive.
    pub(super) fn context(
        &self,
        visit: &Visit<'_>,
        raw: &Value,
        retry_count: u64,
    ) -> Result<Value, Ended> {
        self.change(|state, _| {
            let execution = &state.executions[self.id];
            let mut context = json!({
                "Execution": {
                    "Id": *execution.arn,
                    "Input": input_value(execution, visit, raw),
                    "Name": execution.name,
                    "RoleArn": *self.revision.role_arn,
                    "StartTime": timestamp(execution.started.ms),
                    "RedriveCount": execution.redrive_count,
                },
                "State": {
                    "EnteredTime": timestamp(visit.position.entered_ms),
                    "Name": *visit.state.name,
                    "RetryCount": retry_count,
                },
                "StateMachine": {
                    "Id": self.revision.machine_arn,
                    "Name": self.revision.machine_name,
                },
            });
            if let Some(ms) = execution.redriven_ms {
                context["Execution"]["RedriveTime"] = timestamp(ms).into();
            }
            context
        })
    }
}

fn input_value(execution: &Execution, visit: &Visit<'_>, raw: &Value) -> Value {
    if Arc::ptr_eq(&execution.input, &visit.position.input) {
        return raw.clone();
    }
    serde_json::from_str(&execution.input).unwrap_or_default()
}

pub(super) fn choose(
    choices: &[(Rule, Arc<str>)],
    default: Option<&Arc<str>>,
    scope: &Scope<'_>,
) -> Result<Arc<str>, Failure> {
    for (rule, next) in choices {
        let holds = rule.holds(scope).map_err(|error| match error {
            EvaluationError::NoSuchPath(path) => Failure::raised(
                "States.Runtime",
                format!("Invalid path '{path}': The choice state's condition path references an invalid value."),
            ),
            error => unresolved(error, "Variable", "", scope),
        })?;
        if holds {
            return Ok(Arc::clone(next));
        }
    }
    default.cloned().ok_or_else(|| {
        Failure::raised(
            "States.Runtime",
            "Failed to transition out of the state. The state does not point to a next state.",
        )
    })
}

pub(super) fn fail_state(error: Option<&Text>, cause: Option<&Text>, scope: &Scope<'_>) -> Failure {
    let evaluate = |text: Option<&Text>, field: &str| match text {
        None => Ok(None),
        Some(Text::Literal(text)) => Ok(Some(text.clone())),
        Some(Text::Path(path)) => match value_at(path, field, scope)? {
            Value::String(text) => Ok(Some(text)),
            other => Err(Failure::raised(
                "States.Runtime",
                format!("The {field} field does not reference a string: {other}"),
            )),
        },
    };
    let evaluated = evaluate(error, "ErrorPath").and_then(|error| {
        let cause = evaluate(cause, "CausePath")?;
        Ok(Failure {
            error,
            cause,
            ..Failure::default()
        })
    });
    evaluated.unwrap_or_else(|failure| failure)
}

/// A number of seconds, from the definition or the input; None when the field is not there.
pub(super) fn seconds(
    given: Option<&Seconds>,
    field: &str,
    scope: &Scope<'_>,
) -> Result<Option<u64>, Failure> {
    match given {
        None => Ok(None),
        Some(Seconds::Literal(s)) => Ok(Some(*s)),
        Some(Seconds::Path(path)) => {
            let value = value_at(path, field, scope)?;
            let valid = value
                .as_u64()
                .filter(|s| (1..=99_999_999).contains(s) || field == "SecondsPath");
            valid.map(Some).ok_or_else(|| {
                let cause = format!(
                    "The {field} parameter does not reference a valid number of seconds: {value}"
                );
                Failure::raised("States.Runtime", cause)
            })
        }
    }
}

pub(super) fn value_at(
    path: &Expression,
    field: &str,
    scope: &Scope<'_>,
) -> Result<Value, Failure> {
    let text = match path {
        Expression::Path(path) => path.to_string(),
        Expression::Call(_) => String::new(),
    };
    path.evaluate(scope)
        .map_err(|error| unresolved(error, field, &text, scope))
}

/// `2026-11-01T12:00:00.000Z`
fn timestamp(ms: i64) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_default()
}
