//! The envelope in which SNS hands messages to Lambda.

use serde_json::Value;

use super::{EventError, Fields, kind, shown};

/// Amazon SNS, `MaximumMessageSize`: at most 1 MiB.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
const REMEDY: &str = "subscribe the function to its SNS topic";

/// One message of an SNS event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnsMessage<'a> {
    /// The topic that it was published to.
    pub topic_arn: Option<&'a str>,
    /// SNS's id of the message: the same for every delivery of it.
    pub message_id: Option<&'a str>,
    /// The published text.
    pub message: &'a str,
}

/// The messages of an event as SNS hands it to Lambda (AWS Lambda developer guide, "Using AWS Lambda with Amazon SNS").
///
/// Only the fields that are needed are looked at, so both spellings of `SigningCertURL` and `UnsubscribeURL` pass.
/// An event of another shape gives one error.
#[must_use]
pub fn sns_messages(event: &Value) -> Vec<Result<SnsMessage<'_>, EventError>> {
    match &event["Records"] {
        Value::Array(records) => records
            .iter()
            .enumerate()
            .map(|(index, record)| message(record, index))
            .collect(),
        Value::Null => vec![Err(EventError::missing("Records", REMEDY))],
        other => vec![Err(EventError::new(
            "Records",
            format!("is {}, not an array", kind(other)),
            REMEDY,
        ))],
    }
}

fn message(record: &Value, index: usize) -> Result<SnsMessage<'_>, EventError> {
    let fields = Fields::new(record, format!("Records[{index}]"), REMEDY);
    let source = fields.required("EventSource").or_else(|error| {
        // S3 invoking the function by itself spells it `eventSource`: worth naming, since it is one click away.
        fields.required("eventSource").map_err(|_| error)
    })?;
    if source != "aws:sns" {
        return Err(EventError::new(
            fields.path("EventSource"),
            format!("is {}, not \"aws:sns\"", shown(source)),
            REMEDY,
        ));
    }
    let sns = fields.object("Sns");
    let path = sns.path("Message");
    match &record["Sns"]["Message"] {
        Value::String(text) if text.len() <= MESSAGE_BYTES_MAX => Ok(SnsMessage {
            topic_arn: sns.optional("TopicArn")?,
            message_id: sns.optional("MessageId")?,
            message: text,
        }),
        Value::String(text) => Err(EventError::new(
            path,
            format!("has {} bytes, more than {MESSAGE_BYTES_MAX}", text.len()),
            REMEDY,
        )),
        Value::Null => Err(EventError::missing(path, REMEDY)),
        other => Err(EventError::new(
            path,
            format!("is {}, not a string", kind(other)),
            REMEDY,
        )),
    }
}
