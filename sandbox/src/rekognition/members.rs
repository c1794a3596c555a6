//! Reading a request's members: what the service model demands of each, and refusal by name of what it does not know.

use serde_json::{Map, Value};

use crate::wire::ApiError;

/// One structure of a request, and what was wrong with its members so far.
///
/// Violations of the model are collected and answered together, as AWS does: `2 validation errors detected: Value '…' at
/// 'video.s3Object.bucket' failed to satisfy constraint: Member must …; Value …`.
pub(super) struct Members<'a> {
    operation: &'static str,
    path: String,
    map: &'a Map<String, Value>,
}

/// A pattern as the model writes it, and the same as code.
type Pattern = (&'static str, fn(&str) -> bool);

/// The constraint on a string member.
pub(super) struct Text {
    pub(super) len: (usize, usize),
    pub(super) pattern: Option<Pattern>,
}

impl Text {
    pub(super) const fn up_to(len_max: usize) -> Self {
        Self {
            len: (1, len_max),
            pattern: None,
        }
    }
}

/// What was found wrong with a request.
#[derive(Debug, Default)]
pub(super) struct Violations(Vec<String>);

impl Violations {
    pub(super) fn add(&mut self, value: &str, path: &str, constraint: &str) {
        self.0.push(format!(
            "Value {value} at '{path}' failed to satisfy constraint: {constraint}"
        ));
    }

    /// All violations as one error.
    pub(super) fn into_result(self) -> Result<(), ApiError> {
        let plural = match self.0.len() {
            0 => return Ok(()),
            1 => "",
            _ => "s",
        };
        let message = format!(
            "{} validation error{plural} detected: {}",
            self.0.len(),
            self.0.join("; ")
        );
        Err(ApiError::client("ValidationException", message))
    }
}

impl<'a> Members<'a> {
    /// The members of a request. Those that are not in `known` are refused.
    pub(super) fn of_request(
        operation: &'static str,
        value: &'a Value,
        known: &[&str],
    ) -> Result<Self, ApiError> {
        Self::of(operation, String::new(), value, known)
    }

    fn of(
        operation: &'static str,
        path: String,
        value: &'a Value,
        known: &[&str],
    ) -> Result<Self, ApiError> {
        let map = value
            .as_object()
            .ok_or_else(|| wrong_type(&path, "a structure"))?;
        for name in map.keys() {
            if !known.contains(&name.as_str()) {
                let path = join(&path, name);
                return Err(ApiError::not_implemented(&format!(
                    "{path} of Rekognition {operation}"
                )));
            }
        }
        Ok(Self {
            operation,
            path,
            map,
        })
    }

    fn member(&self, name: &str) -> (String, Option<&'a Value>) {
        let value = self.map.get(name).filter(|value| !value.is_null());
        (join(&self.path, name), value)
    }

    /// An optional structure.
    pub(super) fn structure(&self, name: &str, known: &[&str]) -> Result<Option<Self>, ApiError> {
        let (path, value) = self.member(name);
        value
            .map(|value| Self::of(self.operation, path, value, known))
            .transpose()
    }

    /// An optional string.
    pub(super) fn text(
        &self,
        name: &str,
        constraint: &Text,
        violations: &mut Violations,
    ) -> Result<Option<String>, ApiError> {
        let (path, value) = self.member(name);
        let Some(value) = value else { return Ok(None) };
        let text = value
            .as_str()
            .ok_or_else(|| wrong_type(&path, "a string"))?;
        let shown = format!("'{text}'");
        let (min, max) = constraint.len;
        let len = text.chars().count();
        if len < min {
            let constraint = format!("Member must have length greater than or equal to {min}");
            violations.add(&shown, &path, &constraint);
        }
        if len > max {
            let constraint = format!("Member must have length less than or equal to {max}");
            violations.add(&shown, &path, &constraint);
        }
        if let Some((pattern, matches)) = constraint.pattern
            && !matches(text)
        {
            let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
            violations.add(&shown, &path, &constraint);
        }
        Ok(Some(text.to_owned()))
    }

    /// A string that must be there; an empty one stands for it if it is not, and the violation is noted.
    pub(super) fn required_text(
        &self,
        name: &str,
        constraint: &Text,
        violations: &mut Violations,
    ) -> Result<String, ApiError> {
        let text = self.text(name, constraint, violations)?;
        if text.is_none() {
            self.missing(name, violations);
        }
        Ok(text.unwrap_or_default())
    }

    /// Notes that a required member is not there.
    pub(super) fn missing(&self, name: &str, violations: &mut Violations) {
        violations.add("null", &join(&self.path, name), "Member must not be null");
    }

    /// An optional number within bounds.
    pub(super) fn float(
        &self,
        name: &str,
        (min, max): (f32, f32),
        violations: &mut Violations,
    ) -> Result<Option<f32>, ApiError> {
        let (path, value) = self.member(name);
        let Some(value) = value else { return Ok(None) };
        let number: f32 =
            serde_json::from_value(value.clone()).map_err(|_| wrong_type(&path, "a number"))?;
        if number < min {
            let constraint = format!("Member must have value greater than or equal to {min}");
            violations.add(&format!("'{value}'"), &path, &constraint);
        }
        if number > max {
            let constraint = format!("Member must have value less than or equal to {max}");
            violations.add(&format!("'{value}'"), &path, &constraint);
        }
        Ok(Some(number))
    }

    /// An optional count, at least 1.
    pub(super) fn count(
        &self,
        name: &str,
        violations: &mut Violations,
    ) -> Result<Option<usize>, ApiError> {
        let (path, value) = self.member(name);
        let Some(value) = value else { return Ok(None) };
        let number = value
            .as_i64()
            .ok_or_else(|| wrong_type(&path, "an integer"))?;
        if number < 1 {
            let constraint = "Member must have value greater than or equal to 1";
            violations.add(&format!("'{number}'"), &path, constraint);
        }
        Ok(usize::try_from(number).ok())
    }

    /// One of an enumeration's values, by its position in `values`; the first if it is not there.
    pub(super) fn choice(
        &self,
        name: &str,
        values: &[&str],
        violations: &mut Violations,
    ) -> Result<usize, ApiError> {
        let (path, value) = self.member(name);
        let Some(value) = value else { return Ok(0) };
        let text = value
            .as_str()
            .ok_or_else(|| wrong_type(&path, "a string"))?;
        let position = values.iter().position(|value| *value == text);
        if position.is_none() {
            let constraint = format!(
                "Member must satisfy enum value set: [{}]",
                values.join(", ")
            );
            violations.add(&format!("'{text}'"), &path, &constraint);
        }
        Ok(position.unwrap_or(0))
    }
}

fn wrong_type(path: &str, expected: &str) -> ApiError {
    ApiError::client(
        "SerializationException",
        format!("'{path}' must be {expected}"),
    )
}

/// AWS writes paths with members' first letters in lower case: `video.s3Object.bucket`.
fn join(path: &str, name: &str) -> String {
    let mut lower = name.to_owned();
    if let Some(first) = lower.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    if path.is_empty() {
        lower
    } else {
        format!("{path}.{lower}")
    }
}
