//! The input of an execution: the one object version that it is about.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EventError, said, shown};
use crate::names;

const REMEDY: &str = "start executions through the ingest trigger or the sweep";

/// The object version that an execution moderates.
///
/// The same values always give the same bytes ([`Self::canonical_json`]), whether they came from an event notification
/// or from ListObjectVersions: AWS Step Functions API reference, StartExecution: the same name is only the same
/// execution with the same input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionInput {
    /// The raw bucket.
    pub bucket: String,
    /// The object key as it is, not URL-encoded.
    pub key: String,
    /// The object version that is scanned, judged and copied.
    pub version_id: String,
    /// The ETag without quotes.
    pub etag: String,
    /// The object's size.
    pub size_bytes: u64,
}

impl ExecutionInput {
    /// An input; quotes around the ETag, as S3's responses carry them, are taken off.
    #[must_use]
    pub fn new(
        bucket: impl Into<String>,
        key: impl Into<String>,
        version_id: impl Into<String>,
        etag: &str,
        size_bytes: u64,
    ) -> Self {
        Self {
            bucket: bucket.into(),
            key: key.into(),
            version_id: version_id.into(),
            etag: unquote_etag(etag).to_owned(),
            size_bytes,
        }
    }

    /// The one JSON text of these values: fields in a fixed order, no spaces.
    #[must_use]
    pub fn canonical_json(&self) -> String {
        let quoted = |text: &str| Value::String(text.to_owned()).to_string();
        format!(
            r#"{{"bucket":{},"key":{},"versionId":{},"etag":{},"sizeBytes":{}}}"#,
            quoted(&self.bucket),
            quoted(&self.key),
            quoted(&self.version_id),
            quoted(&self.etag),
            self.size_bytes
        )
    }

    /// The name of this version's execution.
    #[must_use]
    pub fn execution_name(&self) -> String {
        names::execution_name(&self.bucket, &self.key, &self.version_id)
    }

    /// Reads an execution's input. Further fields are ignored, since a person may start an execution by hand.
    ///
    /// # Errors
    /// When the text is not JSON, a field is missing, or [`Self::check`] refuses it.
    pub fn parse(json: &str) -> Result<Self, EventError> {
        let input: Self = serde_json::from_str(json).map_err(|error| {
            EventError::new(
                "input",
                format!("is {}, which does not fit ({})", shown(json), said(&error)),
                REMEDY,
            )
        })?;
        input.check()?;
        Ok(input)
    }

    /// Whether the input pins the bytes of one object.
    ///
    /// # Errors
    /// When a field is empty, or the version is not one that can be pinned.
    pub fn check(&self) -> Result<(), EventError> {
        for (field, text) in [
            ("bucket", &self.bucket),
            ("key", &self.key),
            ("versionId", &self.version_id),
            ("etag", &self.etag),
        ] {
            if text.is_empty() {
                return Err(EventError::new(field, "is empty", REMEDY));
            }
        }
        if self.version_id == "null" {
            return Err(EventError::new(
                "versionId",
                "is \"null\"",
                super::s3_event::ENABLE_VERSIONING,
            ));
        }
        Ok(())
    }
}

/// An ETag without the quotes that S3 puts around it in HTTP (events carry it bare).
#[must_use]
pub fn unquote_etag(etag: &str) -> &str {
    etag.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(etag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn input() -> ExecutionInput {
        ExecutionInput::new(
            "raw",
            "films/a b\"c.mp4",
            "v1",
            "\"9b2cf535f27731c974343645a3985328\"",
            42,
        )
    }

    #[test]
    fn the_canonical_text_is_fixed() {
        assert_eq!(
            input().canonical_json(),
            r#"{"bucket":"raw","key":"films/a b\"c.mp4","versionId":"v1","etag":"9b2cf535f27731c974343645a3985328","sizeBytes":42}"#
        );
    }

    #[test]
    fn etags_from_events_and_from_listings_agree() {
        let mut from_event = input();
        from_event.etag = "9b2cf535f27731c974343645a3985328".to_owned();
        assert_eq!(from_event.canonical_json(), input().canonical_json());
        assert_eq!(unquote_etag("\"abc-2\""), "abc-2");
        assert_eq!(unquote_etag("\""), "\"");
    }

    #[test]
    fn an_input_that_pins_no_version_is_refused() {
        for (from, to) in [
            ("\"v1\"", "\"null\""),
            ("\"v1\"", "\"\""),
            ("versionId", "version"),
        ] {
            let text = input().canonical_json().replace(from, to);
            assert!(ExecutionInput::parse(&text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bucket in ".{1,9}", key in "(?s).{1,30}", version in "[a-zA-Z0-9._]{5,9}", etag in "[0-9a-f-]{1,9}", size: u64) {
            let input = ExecutionInput::new(bucket, key, version, &etag, size);
            prop_assert_eq!(ExecutionInput::parse(&input.canonical_json()).unwrap(), input);
        }

        #[test]
        fn no_text_panics(text in "(?s).{0,200}") {
            let _ = ExecutionInput::parse(&text);
        }
    }
}
