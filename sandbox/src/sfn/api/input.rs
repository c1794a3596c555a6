//! The members of a request, read one by one, so that what no operation asked for is refused.

use serde_json::{Map, Value};

use crate::params;
use crate::wire::ApiError;

/// The members of a request that are not read yet. Every operation ends its reading with [`Input::finish`].
pub(super) struct Input {
    operation: String,
    members: Map<String, Value>,
}

impl Input {
    pub(super) fn parse(operation: &str, body: &[u8]) -> Result<Self, ApiError> {
        Ok(Self {
            operation: operation.to_owned(),
            members: params::parse(operation, body)?,
        })
    }

    /// Refuses every member that was not read.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => Err(ApiError::not_implemented(&format!(
                "the member {name} of {}",
                self.operation
            ))),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type(name, "a string")),
        }
    }

    pub(super) fn required(&mut self, name: &str) -> Result<String, ApiError> {
        self.text(name)?
            .ok_or_else(|| invalid("null", name, "Member must not be null"))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(wrong_type(name, "a boolean")),
        }
    }

    /// maxResults: 100 when absent or 0, at most 1000 (ListExecutions and its kin).
    pub(super) fn max_results(&mut self) -> Result<usize, ApiError> {
        let name = "maxResults";
        let Some(value) = self.take(name) else {
            return Ok(100);
        };
        let number = value
            .as_i64()
            .ok_or_else(|| wrong_type(name, "an integer"))?;
        let problem = match number {
            0 => return Ok(100),
            1..=1000 => return Ok(usize::try_from(number).unwrap_or(100)),
            ..0 => "Member must have value greater than or equal to 0",
            1001.. => "Member must have value less than or equal to 1000",
        };
        Err(invalid(&format!("'{number}'"), name, problem))
    }

    /// The name of an execution, state machine, activity or worker: 1 to 80 characters.
    pub(super) fn name(&mut self, member: &str) -> Result<Option<String>, ApiError> {
        let Some(name) = self.text(member)? else {
            return Ok(None);
        };
        check_length(&name, member, 1, 80)?;
        if name.chars().any(is_forbidden) {
            return Err(ApiError::client(
                "InvalidName",
                format!("Invalid Name: '{name}'"),
            ));
        }
        Ok(Some(name))
    }

    pub(super) fn required_name(&mut self, member: &str) -> Result<String, ApiError> {
        self.name(member)?
            .ok_or_else(|| invalid("null", member, "Member must not be null"))
    }

    /// An ARN of the given type of resource: `execution`, `stateMachine`, `activity`.
    pub(super) fn arn(&mut self, member: &str, resource: &str) -> Result<String, ApiError> {
        let arn = self.required(member)?;
        check_length(&arn, member, 1, 256)?;
        let invalid_arn =
            |problem: String| ApiError::client("InvalidArn", format!("Invalid Arn: '{problem}'"));
        let parts: Vec<&str> = arn.splitn(7, ':').collect();
        match parts.as_slice() {
            ["arn", _, "states", _, _, kind, _] if *kind == resource => Ok(arn),
            ["arn", _, "states", _, _, kind, _] => Err(invalid_arn(format!(
                "Resource type not valid in this context: {kind}"
            ))),
            _ => Err(invalid_arn(format!("Invalid ARN prefix: {arn}"))),
        }
    }

    /// A text whose value an error never repeats: tokens, inputs, outputs, errors and causes are `sensitive` in the model.
    pub(super) fn sensitive(
        &mut self,
        name: &str,
        max_bytes: usize,
    ) -> Result<Option<String>, ApiError> {
        let text = self.text(name)?;
        match &text {
            Some(text) if text.len() > max_bytes => Err(too_long("", name, max_bytes)),
            _ => Ok(text),
        }
    }

    pub(super) fn required_sensitive(
        &mut self,
        name: &str,
        max_bytes: usize,
    ) -> Result<String, ApiError> {
        self.sensitive(name, max_bytes)?
            .ok_or_else(|| invalid("null", name, "Member must not be null"))
    }

    /// A task token: 1 to 2048 characters.
    pub(super) fn task_token(&mut self) -> Result<String, ApiError> {
        let name = "taskToken";
        let token = self.required_sensitive(name, 2048)?;
        if token.is_empty() {
            return Err(invalid(
                "",
                name,
                "Member must have length greater than or equal to 1",
            ));
        }
        Ok(token)
    }
}

/// A constraint of the model that a value breaks: `1 validation error detected: Value '…' at 'maxResults' failed to
/// satisfy constraint: …`, recorded by LocalStack's test_sfn_api. `value` is quoted by the caller, or empty when sensitive.
pub(super) fn invalid(value: &str, member: &str, constraint: &str) -> ApiError {
    let space = if value.is_empty() { "" } else { " " };
    ApiError::client(
        "ValidationException",
        format!(
            "1 validation error detected: Value{space}{value} at '{member}' failed to satisfy constraint: {constraint}"
        ),
    )
}

fn too_long(value: &str, member: &str, max: usize) -> ApiError {
    let constraint = format!("Member must have length less than or equal to {max}");
    invalid(value, member, &constraint)
}

pub(super) fn check_length(
    text: &str,
    member: &str,
    min: usize,
    max: usize,
) -> Result<(), ApiError> {
    let length = text.chars().count();
    if length > max {
        return Err(too_long(&format!("'{text}'"), member, max));
    }
    if length < min {
        let constraint = format!("Member must have length greater than or equal to {min}");
        return Err(invalid(&format!("'{text}'"), member, &constraint));
    }
    Ok(())
}

fn wrong_type(name: &str, expected: &str) -> ApiError {
    ApiError::client(
        "SerializationException",
        format!("{name} must be {expected}"),
    )
}

/// The characters that a name must not contain (API reference, StartExecution, name).
fn is_forbidden(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c)
        || matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{10ffff}')
}

/// What is wrong with a JSON text, in the words of the parser that AWS uses where they were recorded (LocalStack,
/// test_invalid_start_execution_input); None when nothing is.
pub(super) fn json_problem(text: &str) -> Option<String> {
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    let trimmed = text.trim_start();
    let word: String = trimmed
        .chars()
        .take_while(|c| c.is_alphanumeric())
        .collect();
    let after_brace = trimmed.strip_prefix('{').map(str::trim_start);
    Some(if word.starts_with(char::is_alphabetic) {
        format!(
            "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        )
    } else if let Some(c) = after_brace
        .and_then(|rest| rest.chars().next())
        .filter(|c| !"\"}".contains(*c))
    {
        format!(
            "Unexpected character ('{c}' (code {})): was expecting double-quote to start field name",
            u32::from(c)
        )
    } else {
        error.to_string()
    })
}
