//! Upload events: S3's notifications in SNS's envelopes.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use workflow::event::{
    ExecutionInput, Upload, UploadedObject, decode_key, parse_s3_notification, uploads,
};
use workflow::names::is_execution_name;
use workflow::report::Timestamp;

use super::{Outcome, Target, check_error, check_same, event, must};

pub(super) const TARGET: Target = Target {
    name: "uploads",
    what: "S3 event notifications in SNS envelopes",
    folders: &["fuzz/corpus/uploads"],
    words: &[
        "%2B",
        "%",
        "+",
        "%C3%A9",
        "%F0%9F",
        "null",
        "aws:s3",
        "aws:sns",
        "ObjectCreated:Copy",
        "ObjectRemoved:Delete",
        "s3:TestEvent",
        "Records",
        "\"e\"",
        "W/",
        "raw",
        "a/",
    ],
    check,
};

const RAW: &str = "raw";

fn check(input: &[u8]) -> Outcome {
    let Some(event) = event(input) else {
        return Outcome::Refused;
    };
    let found = uploads(&event, RAW);
    assert!(found.len() <= records(&event), "{found:?}");
    for upload in &found {
        match upload {
            Upload::Object(object) => check_object(object),
            Upload::Ignored { key, .. } => assert!(key.as_deref() != Some("")),
            Upload::Refused(error) => check_error(error),
        }
    }
    // One bad record hides no other.
    if let Value::Array(records) = &event["Records"] {
        let each = |record| uploads(&json!({"Records": [record]}), RAW);
        let alone: Vec<_> = records.iter().flat_map(each).collect();
        assert_eq!(objects(&alone), objects(&found));
    }
    if objects(&found).is_empty() {
        Outcome::Refused
    } else {
        Outcome::Accepted
    }
}

fn objects(uploads: &[Upload]) -> Vec<&UploadedObject> {
    uploads
        .iter()
        .filter_map(|upload| match upload {
            Upload::Object(object) => Some(object),
            Upload::Ignored { .. } | Upload::Refused(_) => None,
        })
        .collect()
}

/// S3's records in an event, and one for each message that has none: nothing else may come of it.
fn records(event: &Value) -> usize {
    let Value::Array(records) = &event["Records"] else {
        return 1;
    };
    let inner = |record: &Value| {
        let message = record["Sns"]["Message"].as_str()?;
        let notification: Value = serde_json::from_str(message).ok()?;
        notification["Records"].as_array().map(Vec::len)
    };
    let of_record = |record| inner(record).unwrap_or(0).max(1);
    records.iter().map(of_record).sum()
}

/// What is to be moderated is pinned, and is found again from whatever is made of it.
fn check_object(object: &UploadedObject) {
    let input = &object.input;
    assert_eq!(input.bucket, RAW);
    assert!((1..=1024).contains(&input.key.len()) && input.size_bytes > 0);
    must(input.check(), "an upload pins nothing");
    let canonical = input.canonical_json();
    let read = must(ExecutionInput::parse(&canonical), "its own input");
    check_same(&read, input, "canonical JSON");
    assert!(is_execution_name(&input.execution_name()));
    if let Some(time) = object.event_time {
        let read = Timestamp::parse(&time.to_string());
        check_same(&read, &Some(time), "a time is read back");
    }

    let encoded = utf8_percent_encode(&input.key, NON_ALPHANUMERIC).to_string();
    assert_eq!(decode_key(&encoded).as_ref(), Some(&input.key));
    let spaces_as_plus = encoded.replace("%20", "+");
    assert_eq!(decode_key(&spaces_as_plus).as_ref(), Some(&input.key));
    let record = json!({
        "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "eventTime": object.event_time.map(|time| time.to_string()),
        "s3": {
            "bucket": {"name": input.bucket},
            "object": {
                "key": spaces_as_plus, "size": input.size_bytes, "eTag": input.etag,
                "versionId": input.version_id, "sequencer": object.sequencer,
            },
        },
    });
    let written = json!({"Records": [record]}).to_string();
    let read = parse_s3_notification(&written, RAW);
    check_same(
        &read,
        &vec![Upload::Object(object.clone())],
        "written again",
    );
}
