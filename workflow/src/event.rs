//! What the Lambdas are invoked with, decoded from foreign JSON into types that cannot be invalid.
//!
//! Nothing here is trusted: sizes are bounded, unknown fields are ignored, and whatever cannot be used becomes an
//! [`EventError`] that names the field, shows its value and says what to do. One bad record never hides the others.

mod completion;
mod execution_input;
mod s3_event;
mod sns;
mod trigger;

pub use completion::{Completion, JobStatus, completions, parse_completion};
pub use execution_input::{ExecutionInput, unquote_etag};
pub use s3_event::{
    IgnoredWhy, Upload, UploadedObject, decode_key, parse_s3_notification, uploads,
};
pub use sns::{SnsMessage, sns_messages};
pub use trigger::{ExecutionStatus, ExecutionStatusEvent, SweepCommand, Trigger};

use serde_json::Value;

/// The longest value that an error repeats, in characters.
const SHOWN_CHARS_MAX: usize = 120;
/// Amazon S3 user guide, "Creating object key names": at most 1,024 bytes of UTF-8.
const KEY_BYTES_MAX: usize = 1024;
/// A bound for identifiers (version ids, ETags, ARNs): the services' own limits are at most this.
const ID_BYTES_MAX: usize = 2048;

/// A part of an event that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}: {remedy}")]
pub struct EventError {
    /// The path of the field, for example `Records[0].s3.object.versionId`.
    pub field: String,
    /// What is wrong with it, with its value (shortened).
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl EventError {
    fn new(
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    fn missing(field: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(field, "is missing", remedy)
    }
}

/// A foreign value for an error's text: quoted, on one line, and never longer than a glance takes.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
        None => format!("{text:?}"),
    }
}

/// What serde says about a value, for an error's text: it repeats names and strings of that value whole.
fn said(error: &serde_json::Error) -> String {
    let line = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    let text = error.to_string();
    let mut said: String = text.chars().take(SHOWN_CHARS_MAX).map(line).collect();
    if said.len() < text.len() {
        said.push('…');
    }
    said
}

/// The name of a JSON value's kind, for errors.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Reads fields of one JSON object, remembering where it is for the errors.
#[derive(Clone)]
struct Fields<'a> {
    value: &'a Value,
    path: String,
    remedy: &'static str,
}

impl<'a> Fields<'a> {
    fn new(value: &'a Value, path: impl Into<String>, remedy: &'static str) -> Self {
        Self {
            value,
            path: path.into(),
            remedy,
        }
    }

    fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// The object in that field; an absent one reads as having no fields, so the error names what is really missing.
    fn object(&self, name: &str) -> Self {
        Self::new(&self.value[name], self.path(name), self.remedy)
    }

    /// The text of a field that may be absent, null or empty.
    fn optional(&self, name: &str) -> Result<Option<&'a str>, EventError> {
        match &self.value[name] {
            Value::Null => Ok(None),
            Value::String(text) if text.is_empty() => Ok(None),
            Value::String(text) if text.len() > ID_BYTES_MAX => Err(EventError::new(
                self.path(name),
                format!("is {}, longer than {ID_BYTES_MAX} bytes", shown(text)),
                self.remedy,
            )),
            Value::String(text) => Ok(Some(text)),
            other => Err(EventError::new(
                self.path(name),
                format!("is {}, not a string", kind(other)),
                self.remedy,
            )),
        }
    }

    fn required(&self, name: &str) -> Result<&'a str, EventError> {
        self.optional(name)?
            .ok_or_else(|| EventError::missing(self.path(name), self.remedy))
    }
}
