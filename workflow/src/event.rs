//! What the Lambdas are invoked with, from foreign bytes to what the steps act on.

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an execution is started with: one version of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionInput {
    /// The raw bucket.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// The object's version.
    pub version_id: String,
    /// ETag without quotes.
    pub etag: String,
    /// Size in bytes.
    pub size_bytes: u64,
}

impl ExecutionInput {
    /// The input's one spelling: fields in a fixed order, nothing that differs between deliveries of the same upload.
    #[must_use]
    pub fn canonical_json(&self) -> String {
        serde_json::json!({
            "bucket": self.bucket,
            "etag": self.etag,
            "key": self.key,
            "sizeBytes": self.size_bytes,
            "versionId": self.version_id,
        })
        .to_string()
    }
}

/// An event that is not what the function is for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}: {remedy}")]
pub struct EventError {
    /// Where in the event.
    pub field: String,
    /// What is there, cut to a readable length.
    pub value: String,
    /// What should be there, and how to get it there.
    pub remedy: String,
}

impl EventError {
    fn new(field: &str, value: &Value, remedy: &str) -> Self {
        let mut value = value.to_string();
        if let Some((end, _)) = value.char_indices().nth(200) {
            value.truncate(end);
            value.push('…');
        }
        Self {
            field: field.to_owned(),
            value,
            remedy: remedy.to_owned(),
        }
    }
}

/// What one record of an upload notification asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upload {
    /// Moderate this version.
    Object(ExecutionInput),
    /// Nothing to do.
    Ignored(Ignored),
    /// Refused: the operator must mend something.
    Refused(EventError),
}

/// Why a record asks for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// S3 announces that notifications were configured.
    TestEvent,
    /// A key that ends in `/` marks a folder.
    FolderMarker,
    /// An object without bytes is no video.
    Empty,
    /// The event is not the creation of an object.
    NotCreated,
}

/// The messages of an SNS event for a Lambda: the `Message` of every record (Lambda developer guide, "Using Lambda with
/// Amazon SNS").
///
/// # Errors
/// [`EventError`] if the event is not one of SNS.
pub fn sns_messages(event: &Value) -> Result<Vec<&str>, EventError> {
    let records = event.get("Records").and_then(Value::as_array);
    let records = records.ok_or_else(|| {
        EventError::new("Records", event, "expected an event of an SNS subscription")
    })?;
    records
        .iter()
        .enumerate()
        .map(|(index, record)| {
            let message = record.pointer("/Sns/Message");
            message.and_then(Value::as_str).ok_or_else(|| {
                EventError::new(
                    &format!("Records[{index}].Sns.Message"),
                    record,
                    "expected the message of an SNS notification",
                )
            })
        })
        .collect()
}

/// What an S3 event notification asks for, record by record: one that is bad does not stop the rest.
///
/// The shape is that of the S3 user guide, "Event message structure": major version 2 of the event, keys form-encoded.
#[must_use]
pub fn uploads(message: &str, raw_bucket: &str) -> Vec<Upload> {
    let Ok(document) = serde_json::from_str::<Value>(message) else {
        let value = Value::String(message.to_owned());
        return vec![Upload::Refused(EventError::new(
            "Message",
            &value,
            "expected an S3 event notification in JSON",
        ))];
    };
    if document.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return vec![Upload::Ignored(Ignored::TestEvent)];
    }
    let Some(records) = document.get("Records").and_then(Value::as_array) else {
        return vec![Upload::Refused(EventError::new(
            "Records",
            &document,
            "expected an S3 event notification",
        ))];
    };
    records
        .iter()
        .map(|record| upload(record, raw_bucket).unwrap_or_else(Upload::Refused))
        .collect()
}

fn upload(record: &Value, raw_bucket: &str) -> Result<Upload, EventError> {
    let text = |path: &str| record.pointer(path).and_then(Value::as_str);
    let at = |path: &str| record.pointer(path).cloned().unwrap_or(Value::Null);
    let version = text("/eventVersion").unwrap_or_default();
    if version.split('.').next() != Some("2") {
        let remedy = "this function reads major version 2 of S3 event notifications";
        return Err(EventError::new(
            "eventVersion",
            &at("/eventVersion"),
            remedy,
        ));
    }
    if !text("/eventName")
        .is_some_and(|name| name.trim_start_matches("s3:").starts_with("ObjectCreated:"))
    {
        return Ok(Upload::Ignored(Ignored::NotCreated));
    }
    let bucket = text("/s3/bucket/name").unwrap_or_default();
    if bucket != raw_bucket {
        let remedy = format!(
            "this stack moderates uploads to {raw_bucket}: point that bucket's notification at its own topic"
        );
        return Err(EventError::new(
            "s3.bucket.name",
            &at("/s3/bucket/name"),
            &remedy,
        ));
    }
    let key = decode_key(text("/s3/object/key").unwrap_or_default())
        .filter(|key| !key.is_empty())
        .ok_or_else(|| {
            EventError::new(
                "s3.object.key",
                &at("/s3/object/key"),
                "expected a form-encoded key in UTF-8",
            )
        })?;
    if key.ends_with('/') {
        return Ok(Upload::Ignored(Ignored::FolderMarker));
    }
    let size_bytes = record.pointer("/s3/object/size").and_then(Value::as_u64);
    let size_bytes = size_bytes.ok_or_else(|| {
        EventError::new(
            "s3.object.size",
            &at("/s3/object/size"),
            "expected the object's size in bytes",
        )
    })?;
    if size_bytes == 0 {
        return Ok(Upload::Ignored(Ignored::Empty));
    }
    let version_id = text("/s3/object/versionId").filter(|id| !id.is_empty() && *id != "null").ok_or_else(|| {
        let remedy = "enable versioning on the raw bucket, wait 15 minutes, and upload again: without a version the scanned \
                      bytes cannot be told from later ones";
        EventError::new("s3.object.versionId", &at("/s3/object/versionId"), remedy)
    })?;
    let etag = text("/s3/object/eTag").ok_or_else(|| {
        EventError::new(
            "s3.object.eTag",
            &at("/s3/object/eTag"),
            "expected the object's ETag",
        )
    })?;
    Ok(Upload::Object(ExecutionInput {
        bucket: bucket.to_owned(),
        key,
        version_id: version_id.to_owned(),
        etag: etag.trim_matches('"').to_owned(),
        size_bytes,
    }))
}

/// Decodes a key as S3 events encode it: a plus is a space, then `%XX` are bytes of UTF-8.
#[must_use]
pub fn decode_key(encoded: &str) -> Option<String> {
    let spaced = encoded.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// The part of Rekognition's completion message that is used: which execution's record to look at.
///
/// Everything else about the job is read from Rekognition itself (developer guide, "Amazon Rekognition Video
/// notification payload").
///
/// # Errors
/// [`EventError`] if it is no such message, or its job carries no tag.
pub fn completed_job_tag(message: &str) -> Result<String, EventError> {
    let document: Value =
        serde_json::from_str(message).unwrap_or_else(|_| Value::String(message.to_owned()));
    match document.get("JobTag").and_then(Value::as_str) {
        Some(tag) => Ok(tag.to_owned()),
        None => Err(EventError::new(
            "JobTag",
            &document,
            "expected Rekognition's completion message of a job that this stack started; give other jobs another topic",
        )),
    }
}

/// What the worker and the reconciler are invoked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tick {
    /// The one-minute schedule.
    Schedule,
    /// An execution started: its task waits.
    ExecutionStarted,
    /// An execution ended.
    ExecutionClosed {
        /// Its ARN.
        execution_arn: String,
        /// Its name.
        name: String,
    },
    /// Walk the raw bucket.
    Sweep(SweepCommand),
}

/// What a sweep is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepCommand {
    /// Only keys that begin with this.
    #[serde(default)]
    pub prefix: Option<String>,
    /// How old versions may be, in milliseconds; the configured window if not given.
    #[serde(default)]
    pub window_ms: Option<i64>,
}

/// Reads an event of EventBridge's schedule or of an execution's status, or a sweep command `{"sweep": {…}}`.
///
/// The status event is best effort, so it only hastens what the schedule does anyway (EventBridge reference, "Step Functions
/// events").
///
/// # Errors
/// [`EventError`] for anything else.
pub fn tick(event: &Value) -> Result<Tick, EventError> {
    if let Some(command) = event.get("sweep") {
        return serde_json::from_value(command.clone())
            .map(Tick::Sweep)
            .map_err(|error| {
                EventError::new(
                    "sweep",
                    command,
                    &format!("expected {{\"prefix\": text, \"window_ms\": number}}: {error}"),
                )
            });
    }
    match event.get("detail-type").and_then(Value::as_str) {
        Some("Scheduled Event") => Ok(Tick::Schedule),
        Some("Step Functions Execution Status Change") => {
            let text = |path: &str| event.pointer(path).and_then(Value::as_str);
            match (
                text("/detail/status"),
                text("/detail/executionArn"),
                text("/detail/name"),
            ) {
                (Some("RUNNING"), ..) => Ok(Tick::ExecutionStarted),
                (Some(_), Some(execution_arn), Some(name)) => Ok(Tick::ExecutionClosed {
                    execution_arn: execution_arn.to_owned(),
                    name: name.to_owned(),
                }),
                _ => Err(EventError::new(
                    "detail",
                    &event["detail"],
                    "expected status, executionArn and name of an execution",
                )),
            }
        }
        _ => Err(EventError::new(
            "detail-type",
            event,
            "expected a scheduled event, a status change of an execution, or a sweep",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// The example of the S3 user guide, "Event message structure", with a versioned object.
    fn notification(changes: &[(&str, Value)]) -> String {
        let mut record = json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-west-2",
            "eventTime": "1970-01-01T00:00:00.000Z", "eventName": "ObjectCreated:Put",
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "testConfigRule",
                "bucket": {"name": "raw", "arn": "arn:aws:s3:::raw"},
                "object": {
                    "key": "happy+face%2B%F0%9F%8E%AC.mp4", "size": 1024,
                    "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                    "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko", "sequencer": "0055AED6DCD90281E5"
                }
            }
        });
        for (path, value) in changes {
            let (parent, field) = path.rsplit_once('/').unwrap();
            record.pointer_mut(parent).unwrap()[field] = value.clone();
        }
        json!({"Records": [record]}).to_string()
    }

    fn one(changes: &[(&str, Value)]) -> Upload {
        let uploads = uploads(&notification(changes), "raw");
        assert_eq!(uploads.len(), 1);
        uploads.into_iter().next().unwrap()
    }

    #[test]
    fn an_upload_is_decoded() {
        let Upload::Object(video) = one(&[]) else {
            panic!()
        };
        assert_eq!(video.key, "happy face+🎬.mp4");
        assert_eq!(video.version_id, "096fKKXTRTtl3on89fVO.nfljtsv6qko");
        assert_eq!(video.size_bytes, 1024);
    }

    #[test]
    fn folders_empty_objects_test_events_and_deletions_are_ignored() {
        assert_eq!(
            one(&[("/s3/object/key", json!("dir/"))]),
            Upload::Ignored(Ignored::FolderMarker)
        );
        assert_eq!(
            one(&[("/s3/object/size", json!(0))]),
            Upload::Ignored(Ignored::Empty)
        );
        assert_eq!(
            one(&[("/eventName", json!("ObjectRemoved:Delete"))]),
            Upload::Ignored(Ignored::NotCreated)
        );
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z","Bucket":"raw"}"#;
        assert_eq!(uploads(test, "raw"), [Upload::Ignored(Ignored::TestEvent)]);
    }

    #[test]
    fn what_cannot_be_pinned_or_is_not_ours_is_refused_with_the_remedy() {
        for (path, value, remedy) in [
            ("/s3/object/versionId", Value::Null, "enable versioning"),
            ("/s3/object/versionId", json!("null"), "enable versioning"),
            (
                "/s3/bucket/name",
                json!("other"),
                "moderates uploads to raw",
            ),
            ("/s3/object/key", json!("%FF"), "form-encoded key in UTF-8"),
            ("/eventVersion", json!("3.0"), "major version 2"),
            ("/s3/object/size", json!(-1), "size in bytes"),
        ] {
            let Upload::Refused(error) = one(&[(path, value.clone())]) else {
                panic!("{path} {value}");
            };
            assert!(error.remedy.contains(remedy), "{error}");
        }
    }

    #[test]
    fn later_minor_versions_are_read() {
        assert!(matches!(
            one(&[("/eventVersion", json!("2.6"))]),
            Upload::Object(_)
        ));
    }

    #[test]
    fn one_bad_record_does_not_stop_the_rest() {
        let mut document: Value = serde_json::from_str(&notification(&[])).unwrap();
        let good = document["Records"][0].clone();
        document["Records"] = json!([{"eventVersion": "2.1"}, good, 7]);
        let uploads = uploads(&document.to_string(), "raw");
        assert_eq!(uploads.len(), 3);
        assert!(matches!(uploads[1], Upload::Object(_)));
    }

    #[test]
    fn the_input_has_one_spelling() {
        let Upload::Object(video) = one(&[]) else {
            panic!()
        };
        assert_eq!(
            video.canonical_json(),
            "{\"bucket\":\"raw\",\"etag\":\"d41d8cd98f00b204e9800998ecf8427e\",\"key\":\"happy face+🎬.mp4\",\
             \"sizeBytes\":1024,\"versionId\":\"096fKKXTRTtl3on89fVO.nfljtsv6qko\"}"
        );
        assert_eq!(
            serde_json::from_str::<ExecutionInput>(&video.canonical_json()).unwrap(),
            video
        );
    }

    #[test]
    fn ticks_are_told_apart() {
        assert_eq!(
            tick(&json!({"detail-type": "Scheduled Event"})),
            Ok(Tick::Schedule)
        );
        let change = |status: &str| {
            json!({"detail-type": "Step Functions Execution Status Change",
                   "detail": {"status": status, "executionArn": "arn:x", "name": "x"}})
        };
        assert_eq!(tick(&change("RUNNING")), Ok(Tick::ExecutionStarted));
        assert!(matches!(
            tick(&change("TIMED_OUT")),
            Ok(Tick::ExecutionClosed { .. })
        ));
        let sweep = tick(&json!({"sweep": {"prefix": "a/"}})).unwrap();
        assert!(matches!(sweep, Tick::Sweep(command) if command.prefix.as_deref() == Some("a/")));
        assert!(
            tick(&json!({"sweep": {"perfix": "a/"}}))
                .unwrap_err()
                .to_string()
                .contains("perfix")
        );
        assert!(tick(&json!({})).is_err());
    }

    #[test]
    fn a_completion_message_names_its_record() {
        let message = r#"{"JobId":"f4","Status":"SUCCEEDED","API":"StartContentModeration","JobTag":"clip-1","Timestamp":1}"#;
        assert_eq!(completed_job_tag(message).as_deref(), Ok("clip-1"));
        assert!(completed_job_tag("{}").is_err());
        assert!(completed_job_tag("nonsense").is_err());
    }

    proptest! {
        #[test]
        fn no_message_panics(message in ".{0,200}") {
            let _ = uploads(&message, "raw");
            let _ = completed_job_tag(&message);
        }

        #[test]
        fn keys_decode_to_what_was_encoded(key in "\\PC{1,100}") {
            let encoded = percent_encoding::utf8_percent_encode(&key, percent_encoding::NON_ALPHANUMERIC).to_string();
            let encoded = encoded.replace("%20", "+");
            prop_assert_eq!(decode_key(&encoded), Some(key));
        }
    }
}
