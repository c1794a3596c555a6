//! S3 event notifications as AWS writes them, and as nobody should.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Amazon S3 user guide, "Event message structure", with the values of its example.
fn record() -> Value {
    json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-west-2",
        "eventTime": "1970-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AIDAJDPLRKLG7UEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "testConfigRule",
            "bucket": {"name": "raw", "ownerIdentity": {"principalId": "A3NL1KOZZKExample"}, "arn": "arn:aws:s3:::raw"},
            "object": {"key": "HappyFace.mp4", "size": 1024, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko", "sequencer": "0055AED6DCD90281E5"}
        }
    })
}

fn with(path: &str, value: Value) -> Value {
    let mut record = record();
    *record.pointer_mut(path).unwrap() = value;
    record
}

/// The SNS event of the AWS Lambda developer guide, "Using AWS Lambda with Amazon SNS".
fn sns_event(messages: &[String]) -> Value {
    let records: Vec<Value> = messages
        .iter()
        .map(|message| {
            json!({
                "EventVersion": "1.0",
                "EventSubscriptionArn": "arn:aws:sns:us-east-1:123456789012:raw-uploads:21be56ed-a058-49f5-8c98-aedd2564c486",
                "EventSource": "aws:sns",
                "Sns": {
                    "SignatureVersion": "1",
                    "Timestamp": "2019-01-02T12:45:07.000Z",
                    "Signature": "tcc6faL2yUC6dgZdmrwh1Y4cGa/ebXEkAi6RibDsvpi+tE/1+82j...65r==",
                    "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-ac565b8b1a6c5d002d285f9598aa1d9b.pem",
                    "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
                    "Message": message,
                    "MessageAttributes": {},
                    "Type": "Notification",
                    "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
                    "TopicArn": "arn:aws:sns:us-east-1:123456789012:raw-uploads",
                    "Subject": "Amazon S3 Notification"
                }
            })
        })
        .collect();
    json!({ "Records": records })
}

fn notification(records: &[Value]) -> String {
    json!({ "Records": records }).to_string()
}

fn one(record: Value) -> Upload {
    let mut uploads = parse_s3_notification(&notification(&[record]), "raw");
    assert_eq!(uploads.len(), 1);
    uploads.remove(0)
}

#[track_caller]
fn check_refused(record: Value, expected: &str) {
    match one(record) {
        Upload::Refused(error) => assert_eq!(error.to_string(), expected),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_ignored(record: Value, expected: IgnoredWhy) {
    match one(record) {
        Upload::Ignored { why, .. } => assert_eq!(why, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_upload_is_read() {
    let uploads = uploads(&sns_event(&[notification(&[record()])]), "raw");
    let expected = UploadedObject {
        input: ExecutionInput::new(
            "raw",
            "HappyFace.mp4",
            "096fKKXTRTtl3on89fVO.nfljtsv6qko",
            "d41d8cd98f00b204e9800998ecf8427e",
            1024,
        ),
        sequencer: Some("0055AED6DCD90281E5".into()),
        event_time: Some(Timestamp::from_ms(0)),
    };
    assert_eq!(uploads, [Upload::Object(expected)]);
}

#[test]
fn the_event_as_the_lambda_library_types_it_is_read_too() {
    let typed: aws_lambda_events::event::sns::SnsEvent =
        serde_json::from_value(sns_event(&[notification(&[record()])])).unwrap();
    let value = serde_json::to_value(typed).unwrap();
    assert!(
        matches!(uploads(&value, "raw")[..], [Upload::Object(_)]),
        "{value}"
    );
}

#[test]
fn every_record_of_every_message_is_read_and_bad_ones_hide_nothing() {
    let messages = [
        "not json".to_owned(),
        notification(&[with("/s3/object/key", json!("%zz")), record()]),
        json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2014-10-13T15:57:02.089Z", "Bucket": "raw", "RequestId": "5582815E1AEA5ADF", "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE"}).to_string(),
        notification(&[record()]),
        json!({"Records": 7}).to_string(),
        "{}".to_owned(),
    ];
    let kinds: Vec<&str> = uploads(&sns_event(&messages), "raw")
        .iter()
        .map(|upload| match upload {
            Upload::Object(_) => "object",
            Upload::Ignored { why, .. } => why.name(),
            Upload::Refused(_) => "refused",
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "refused",
            "refused",
            "object",
            "TestEvent",
            "object",
            "refused",
            "refused"
        ]
    );
}

#[test]
fn keys_are_form_url_encoded() {
    for (encoded, key) in [
        ("a+b", "a b"),
        ("a%2Bb", "a+b"),
        ("100%25+%F0%9F%8E%AC.mp4", "100% 🎬.mp4"),
        ("films/%C3%A9t%c3%a9/..", "films/été/.."),
        ("a%2Fb", "a/b"),
    ] {
        assert_eq!(decode_key(encoded).as_deref(), Some(key));
    }
    for broken in ["%", "%2", "%zz", "%ff", "a%C3"] {
        assert_eq!(decode_key(broken), None, "{broken}");
    }
}

#[test]
fn folders_empty_objects_and_other_events_are_ignored() {
    let mut folder = with("/s3/object/key", json!("films/"));
    folder["s3"]["object"]["size"] = json!(0);
    check_ignored(folder, IgnoredWhy::FolderMarker);
    check_ignored(with("/s3/object/size", json!(0)), IgnoredWhy::Empty);
    check_ignored(
        with("/eventName", json!("ObjectRemoved:Delete")),
        IgnoredWhy::NotCreated,
    );
    // A key that ends in a slash and has bytes is an object like any other.
    assert!(matches!(
        one(with("/s3/object/key", json!("films/"))),
        Upload::Object(_)
    ));
}

#[test]
fn a_version_that_cannot_be_pinned_is_refused_with_the_remedy() {
    let mut unversioned = record();
    unversioned["s3"]["object"]
        .as_object_mut()
        .unwrap()
        .remove("versionId");
    check_refused(
        unversioned,
        "Records[0].s3.object.versionId is missing: enable versioning on the raw bucket (S3 asks for up to 15 minutes after that), then upload the object again",
    );
    check_refused(
        with("/s3/object/versionId", json!("null")),
        "Records[0].s3.object.versionId is \"null\": enable versioning on the raw bucket (S3 asks for up to 15 minutes after that), then upload the object again",
    );
    assert!(matches!(
        one(with("/s3/object/versionId", Value::Null)),
        Upload::Refused(_)
    ));
}

#[test]
fn refusals_name_the_field_its_value_and_the_remedy() {
    check_refused(
        with("/s3/bucket/name", json!("holiday")),
        "Records[0].s3.bucket.name is \"holiday\", not the raw bucket \"raw\": remove the notification of that bucket from the topic, or deploy a gate for it",
    );
    check_refused(
        with("/eventVersion", json!("3.0")),
        "Records[0].eventVersion is \"3.0\", not 2.x: update this program to one that knows the new version of S3's events",
    );
    check_refused(
        with("/s3/object/key", json!("a%ff")),
        "Records[0].s3.object.key is \"a%ff\", which is not URL-encoded UTF-8: the key of an S3 event is URL-encoded UTF-8; publish S3's own text unchanged",
    );
    check_refused(
        with("/s3/object/size", json!(-1)),
        &format!("Records[0].s3.object.size is \"-1\", not a number of bytes: {REMEDY}"),
    );
    check_refused(
        with("/s3/object", json!(7)),
        &format!("Records[0].s3.object.key is missing: {REMEDY}"),
    );
    check_refused(
        with("/s3/object/key", json!("a".repeat(1025))),
        "Records[0].s3.object.key decodes to 1025 bytes, not 1 to 1024: the key of an S3 event is URL-encoded UTF-8; publish S3's own text unchanged",
    );
}

/// An execution would have been started whose input the worker refuses.
#[test]
fn an_etag_of_nothing_but_quotes_is_refused() {
    match one(with("/s3/object/eTag", json!("\"\""))) {
        Upload::Refused(error) => assert_eq!(error.field, "Records[0].s3.object.eTag"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn later_minor_versions_are_read() {
    for version in ["2.0", "2.1", "2.5", "2.6", "2.99"] {
        assert!(matches!(
            one(with("/eventVersion", json!(version))),
            Upload::Object(_)
        ));
    }
}

#[test]
fn an_event_that_is_not_from_sns_is_refused() {
    let refused = |event: Value| match &uploads(&event, "raw")[..] {
        [Upload::Refused(error)] => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(json!({})),
        "Records is missing: subscribe the function to its SNS topic"
    );
    assert_eq!(
        refused(json!({"Records": [record()]})),
        "Records[0].EventSource is \"aws:s3\", not \"aws:sns\": subscribe the function to its SNS topic"
    );
}

#[test]
fn errors_stay_short_and_on_one_line() {
    let Upload::Refused(error) = &parse_s3_notification(&"é\n".repeat(50_000), "raw")[0] else {
        panic!("not refused");
    };
    let text = error.to_string();
    assert!(text.len() < 1000 && !text.contains('\n'), "{text}");
}

/// As S3 encodes: everything but unreserved characters and `/`, spaces as `+`.
fn encode_key(key: &str) -> String {
    key.bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            b'/' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

proptest! {
    #[test]
    fn every_key_is_decoded(key in "(?s).{1,60}") {
        prop_assert_eq!(decode_key(&encode_key(&key)), Some(key.clone()));
        let Upload::Object(object) = one(with("/s3/object/key", json!(encode_key(&key)))) else {
            return Err(TestCaseError::fail("not an object"));
        };
        prop_assert_eq!(object.input.key, key);
    }

    #[test]
    fn no_key_panics(encoded in "[%+0-9a-fA-F]{0,12}") {
        let _ = decode_key(&encoded);
    }

    #[test]
    fn no_field_of_any_kind_panics(
        path in prop::sample::select(vec!["/s3", "/s3/bucket", "/s3/object", "/s3/object/key", "/s3/object/size", "/s3/object/eTag", "/s3/object/versionId", "/eventName", "/eventVersion", "/eventSource", "/eventTime"]),
        value in prop_oneof![Just(json!(null)), Just(json!(-7.5)), Just(json!([])), Just(json!("")), Just(json!("x")), Just(json!({"a": 1})), Just(json!("x".repeat(5000)))],
    ) {
        let _ = one(with(path, value));
    }

    #[test]
    fn no_message_panics(message in "(?s).{0,200}") {
        prop_assert!(!parse_s3_notification(&message, "raw").is_empty());
    }
}
