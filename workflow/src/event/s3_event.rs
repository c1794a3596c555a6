//! S3 event notifications: which object versions were uploaded.

use serde_json::Value;

use super::{EventError, ExecutionInput, Fields, KEY_BYTES_MAX, kind, shown, sns_messages};
use crate::report::Timestamp;

pub(super) const ENABLE_VERSIONING: &str = "enable versioning on the raw bucket (S3 asks for up to 15 minutes after that), then upload the object again";
const REMEDY: &str =
    "let S3 event notifications of the raw bucket, and nothing else, publish to this topic";

/// What one S3 record asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Upload {
    /// A version to moderate.
    Object(UploadedObject),
    /// Nothing to do; worth counting.
    Ignored {
        /// Why it needs no execution.
        why: IgnoredWhy,
        /// The decoded key, where there is one.
        key: Option<String>,
    },
    /// A record that cannot be used; the others of the event still are.
    Refused(EventError),
}

/// One object version that S3 announced.
#[derive(Clone, Debug, PartialEq)]
pub struct UploadedObject {
    /// Bucket, key, version, ETag and size.
    pub input: ExecutionInput,
    /// S3's order of the events of one key. Nothing relies on it: versions are ordered by S3's own listing.
    pub sequencer: Option<String>,
    /// When S3 finished the upload.
    pub event_time: Option<Timestamp>,
}

/// Why an S3 record needs no execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IgnoredWhy {
    /// An empty object whose key ends in `/`: what consoles make for a folder.
    FolderMarker,
    /// An object without bytes.
    Empty,
    /// `s3:TestEvent`, sent whenever the notification is configured.
    TestEvent,
    /// An event other than `ObjectCreated`.
    NotCreated,
}

impl IgnoredWhy {
    /// The name in logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FolderMarker => "FolderMarker",
            Self::Empty => "Empty",
            Self::TestEvent => "TestEvent",
            Self::NotCreated => "NotCreated",
        }
    }
}

/// Every S3 record in every SNS record of a Lambda event; never empty for an event that holds none.
#[must_use]
pub fn uploads(event: &Value, raw_bucket: &str) -> Vec<Upload> {
    sns_messages(event)
        .into_iter()
        .flat_map(|message| match message {
            Ok(message) => parse_s3_notification(message.message, raw_bucket),
            Err(error) => vec![Upload::Refused(error)],
        })
        .collect()
}

/// The records of one S3 event notification (Amazon S3 user guide, "Event message structure").
#[must_use]
pub fn parse_s3_notification(message: &str, raw_bucket: &str) -> Vec<Upload> {
    let refused = |error| vec![Upload::Refused(error)];
    let notification: Value = match serde_json::from_str(message) {
        Ok(notification) => notification,
        Err(_) => {
            return refused(EventError::new(
                "Sns.Message",
                format!("is {}, which is not JSON", shown(message)),
                REMEDY,
            ));
        }
    };
    // The test event has no Records (Amazon S3 user guide, "Event message structure").
    if notification["Event"] == "s3:TestEvent" {
        return vec![Upload::Ignored {
            why: IgnoredWhy::TestEvent,
            key: None,
        }];
    }
    match &notification["Records"] {
        Value::Array(records) => records
            .iter()
            .enumerate()
            .map(|(index, record)| {
                upload(record, index, raw_bucket).unwrap_or_else(Upload::Refused)
            })
            .collect(),
        Value::Null => refused(EventError::missing("Records", REMEDY)),
        other => refused(EventError::new(
            "Records",
            format!("is {}, not an array", kind(other)),
            REMEDY,
        )),
    }
}

fn upload(record: &Value, index: usize, raw_bucket: &str) -> Result<Upload, EventError> {
    let fields = Fields::new(record, format!("Records[{index}]"), REMEDY);
    let source = fields.required("eventSource")?;
    if source != "aws:s3" {
        return Err(EventError::new(
            fields.path("eventSource"),
            format!("is {}, not \"aws:s3\"", shown(source)),
            REMEDY,
        ));
    }
    check_event_version(&fields)?;
    let ignored = |why, key| Upload::Ignored { why, key };
    // Without the `s3:` prefix that the bucket's configuration has.
    if !fields.required("eventName")?.starts_with("ObjectCreated:") {
        return Ok(ignored(IgnoredWhy::NotCreated, None));
    }

    let bucket_fields = fields.object("s3").object("bucket");
    let bucket = bucket_fields.required("name")?;
    if bucket != raw_bucket {
        return Err(EventError::new(
            bucket_fields.path("name"),
            format!("is {}, not the raw bucket {raw_bucket:?}", shown(bucket)),
            "remove the notification of that bucket from the topic, or deploy a gate for it",
        ));
    }
    let object = fields.object("s3").object("object");
    let key = key_of(&object)?;
    let size_bytes = size_of_object(&object)?;
    if size_bytes == 0 {
        let why = if key.ends_with('/') {
            IgnoredWhy::FolderMarker
        } else {
            IgnoredWhy::Empty
        };
        return Ok(ignored(why, Some(key)));
    }
    // "null or not present" for a bucket without versioning: such bytes cannot be pinned from scan to copy.
    let version_id = match object.optional("versionId")? {
        Some("null") => {
            return Err(EventError::new(
                object.path("versionId"),
                "is \"null\"",
                ENABLE_VERSIONING,
            ));
        }
        None => {
            return Err(EventError::missing(
                object.path("versionId"),
                ENABLE_VERSIONING,
            ));
        }
        Some(version_id) => version_id,
    };
    let etag = object.required("eTag")?;
    let input = ExecutionInput::new(bucket, key, version_id, etag, size_bytes);
    if input.etag.is_empty() {
        return Err(EventError::new(
            object.path("eTag"),
            format!("is {}, quotes around nothing", shown(etag)),
            REMEDY,
        ));
    }
    Ok(Upload::Object(UploadedObject {
        input,
        sequencer: object.optional("sequencer")?.map(str::to_owned),
        event_time: fields.optional("eventTime")?.and_then(Timestamp::parse),
    }))
}

/// Amazon S3 user guide, "Event message structure": readers compare the major version for equality; 2.1 to 2.6 are seen.
fn check_event_version(fields: &Fields<'_>) -> Result<(), EventError> {
    let version = fields.required("eventVersion")?;
    match version.split('.').next() {
        Some("2") => Ok(()),
        _ => Err(EventError::new(
            fields.path("eventVersion"),
            format!("is {}, not 2.x", shown(version)),
            "update this program to one that knows the new version of S3's events",
        )),
    }
}

fn key_of(object: &Fields<'_>) -> Result<String, EventError> {
    let path = object.path("key");
    let remedy = "the key of an S3 event is URL-encoded UTF-8; publish S3's own text unchanged";
    let encoded = match &object.value["key"] {
        // Three characters at most for a byte.
        Value::String(text) if text.len() <= 3 * KEY_BYTES_MAX => text,
        Value::String(text) => {
            return Err(EventError::new(
                path,
                format!("has {} bytes, more than a key can have", text.len()),
                remedy,
            ));
        }
        Value::Null => return Err(EventError::missing(path, REMEDY)),
        other => {
            return Err(EventError::new(
                path,
                format!("is {}, not a string", kind(other)),
                remedy,
            ));
        }
    };
    let key = decode_key(encoded).ok_or_else(|| {
        EventError::new(
            path.clone(),
            format!("is {}, which is not URL-encoded UTF-8", shown(encoded)),
            remedy,
        )
    })?;
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(EventError::new(
            path,
            format!("decodes to {} bytes, not 1 to {KEY_BYTES_MAX}", key.len()),
            remedy,
        ));
    }
    Ok(key)
}

/// The key behind the form-URL-encoding of S3 events: `+` is a space, `%XX` a byte of UTF-8.
///
/// `None` when an escape is broken or the bytes are not UTF-8: a key that is only nearly right would pin another object.
#[must_use]
pub fn decode_key(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

fn size_of_object(object: &Fields<'_>) -> Result<u64, EventError> {
    match &object.value["size"] {
        Value::Null => Err(EventError::missing(object.path("size"), REMEDY)),
        Value::Number(number) if number.is_u64() => Ok(number.as_u64().unwrap_or_default()),
        other => Err(EventError::new(
            object.path("size"),
            format!("is {}, not a number of bytes", shown(&other.to_string())),
            REMEDY,
        )),
    }
}

#[cfg(test)]
mod tests;
