//! What every document of the ledger carries, and which versions of it are dealt in.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::LedgerError;

/// Fields that a later release added to an object: every object of every document keeps them as they are, since the functions of
/// an older release go on writing while a newer one is deployed, and after a rollback.
pub type Unknown = BTreeMap<String, Value>;

/// Which schema versions a release deals in: one number for all documents. See ARCHITECTURE.md, "Changing a document".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// What it writes. A document of a later version that it reads keeps that version.
    pub written: u32,
    /// The latest that it reads; no document of a later one is touched. No release writes a version that the release
    /// before did not read, so that a rollback finds nothing that it cannot read.
    pub read_max: u32,
}

impl Schema {
    /// This release's.
    pub const CURRENT: Self = Self {
        written: 1,
        read_max: 1,
    };
}

/// A document that the ledger keeps.
pub trait Document: Serialize + DeserializeOwned {
    /// Schema version of this document; 0 before it was first written.
    fn schema_version(&self) -> u32;

    /// Marks a new state: its schema version, the next revision, and its writer's nonce.
    fn stamp(&mut self, schema_version: u32, nonce: String);

    /// Who wrote this state.
    fn nonce(&self) -> &str;
}

/// A document as it was read or written, with the ETag that its successor must match.
#[derive(Debug, Clone)]
pub struct Stored<T> {
    /// Key in the ledger.
    pub key: String,
    /// The document.
    pub value: T,
    /// ETag of exactly these bytes.
    pub etag: String,
}

/// Reads a document, refusing what a newer version wrote before looking at its shape.
///
/// # Errors
/// [`LedgerError::Newer`] above `read_max`, else [`LedgerError::Corrupt`].
pub fn parse<T: Document>(key: &str, bytes: &[u8], read_max: u32) -> Result<T, LedgerError> {
    #[derive(Deserialize)]
    struct Versioned {
        schema_version: u32,
    }
    let corrupt = |error: serde_json::Error| LedgerError::Corrupt {
        key: key.to_owned(),
        reason: error.to_string(),
    };
    // Reads all of it. What a struct does not ask for is skipped without a look: broken UTF-8, numbers that are too large, any depth.
    let whole: Value = serde_json::from_slice(bytes).map_err(corrupt)?;
    let Versioned { schema_version } = Versioned::deserialize(&whole).map_err(corrupt)?;
    if schema_version > read_max {
        return Err(LedgerError::Newer {
            key: key.to_owned(),
            version: schema_version,
        });
    }
    // Of the bytes, since `whole` has but one of two fields with the same name.
    serde_json::from_slice(bytes).map_err(corrupt)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ledger::{Budget, Head, Record, Slot};
    use crate::steps::sweep::Cursor;

    /// Objects that have no room for more: the input of the execution and a rank, which Step Functions gives, and the
    /// identity of a claim, which is compared as a whole.
    const CLOSED: [&str; 3] = ["/video", "/token/rank", "/slot"];

    fn record() -> Value {
        json!({
            "schema_version": 1, "revision": 9, "nonce": "n",
            "execution_arn": "arn:aws:states:us-east-1:123456789012:execution:gate:clip-0", "execution": "clip-0",
            "video": {"bucket": "raw", "key": "clip.mp4", "versionId": "v", "etag": "e", "sizeBytes": 5},
            "media": {"content_type": "video/mp4", "duration_ms": 2000},
            "token": {"secret": "s", "rank": {"redrive_count": 0, "retry_count": 1}},
            "redrive_count": 0, "phase": "judged",
            "analyses": [{
                "number": 1, "redrive_count": 0, "reason": "first", "min_confidence_percent": 50.0,
                "results_topic_arn": "t", "results_role_arn": "r", "counted": {"day": "2026-11-24", "minutes": 1},
                "job_id": "j", "started_ms": 1, "ended_ms": 2, "status_message": "m",
            }],
            "slot": {"number": 3, "claim": "c"}, "notified": true,
            "judged": {"outcome": "approved", "cause": "c", "redrive_count": 0, "policy_hash": "h"},
            "copying": {"own_noted_ms": 1, "pending_ms": 2, "unanswered_ms": 3},
            "attempts": 1, "lease_count": 2, "last_error": {"message": "m", "denied": false},
            "lease": {"holder": "h", "until_ms": 5}, "announced": true,
            "times": {"uploaded_ms": 1, "created_ms": 2, "judged_ms": 3, "published_ms": 4, "sent_ms": 5},
        })
    }

    /// Adds a field to every object below a place.
    fn add_later_fields(value: &mut Value, place: &str) {
        match value {
            Value::Object(fields) if !CLOSED.contains(&place) => {
                for (name, field) in fields.iter_mut() {
                    add_later_fields(field, &format!("{place}/{name}"));
                }
                // The names of a budget's scans are data, and no fields.
                if place != "/scans" {
                    fields.insert("added_later".to_owned(), json!({"by": "a later release"}));
                }
            }
            Value::Array(items) => {
                for item in items {
                    add_later_fields(item, &format!("{place}/*"));
                }
            }
            _ => {}
        }
    }

    #[track_caller]
    fn check_keeps<T: Document>(mut document: Value) {
        let known =
            serde_json::to_value(parse::<T>("k", document.to_string().as_bytes(), 1).unwrap());
        assert_eq!(known.unwrap(), document, "the example lacks a field");
        add_later_fields(&mut document, "");
        let read = parse::<T>("k", document.to_string().as_bytes(), 1).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), document);
    }

    #[test]
    fn every_object_of_every_document_keeps_the_fields_of_a_later_release() {
        check_keeps::<Record>(record());
        check_keeps::<Slot>(json!({
            "schema_version": 1, "revision": 1, "nonce": "n", "claim": "c", "stale_ms": 1, "execution": "clip-0",
        }));
        check_keeps::<Head>(json!({
            "schema_version": 1, "revision": 1, "nonce": "n", "object_key": "k", "version_id": "v", "etag": "e",
            "size_bytes": 1, "last_modified_ms": 1, "content_type": "video/mp4", "execution": "clip-0",
        }));
        check_keeps::<Budget>(json!({
            "schema_version": 1, "revision": 1, "nonce": "n", "day": "2026-11-24", "scans": {"clip-0.0.1": 4},
        }));
        check_keeps::<Cursor>(json!({
            "schema_version": 1, "revision": 1, "nonce": "n", "not_before_ms": 1, "prefix": "p", "key_marker": "k",
            "version_id_marker": "v",
        }));
    }

    /// A record is read and written dozens of times: a number that moved by its last bit each time would drift.
    #[test]
    fn numbers_of_a_later_release_keep_every_bit() {
        for number in [
            "1e-45",
            "0.30000000000000004",
            "12.000000000000002",
            "5e-324",
        ] {
            let text = format!(
                r#"{{"schema_version":1,"revision":1,"nonce":"n","claim":"c","stale_ms":1,"added_later":{number}}}"#
            );
            let slot = parse::<Slot>("k", text.as_bytes(), 1).unwrap();
            let read = slot.unknown["added_later"].as_f64();
            assert_eq!(read, number.parse().ok(), "{number}");
        }
    }

    #[test]
    fn a_document_of_a_later_schema_is_refused_whatever_its_shape() {
        let error = parse::<Record>(
            "jobs/x.json",
            br#"{"schema_version":2,"shape":"unlike"}"#,
            1,
        );
        let error = error.unwrap_err();
        assert!(
            matches!(error, LedgerError::Newer { version: 2, .. }),
            "{error}"
        );
        assert!(error.leaves_alone());
    }

    /// In the input of an execution nothing is kept but what is known.
    #[track_caller]
    fn check_is_read_whole(added: &[u8], why: &str) {
        let parse_with = |added: &[u8]| {
            let mut record = record();
            record["video"]["added_later"] = json!("here");
            let text = record.to_string();
            let (before, after) = text.split_once("\"here\"").unwrap();
            let bytes = [before.as_bytes(), added, after.as_bytes()].concat();
            parse::<Record>("jobs/x.json", &bytes, 1)
        };
        assert!(parse_with(b"1").is_ok());
        let error = parse_with(added).unwrap_err();
        assert!(matches!(error, LedgerError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }

    #[test]
    fn a_document_that_cannot_be_read_is_corrupt_also_where_nobody_looks() {
        check_is_read_whole(b"\"\x80\"", "invalid unicode");
        check_is_read_whole(b"1e999", "number out of range");
        check_is_read_whole(
            &[b"[".repeat(200), b"]".repeat(200)].concat(),
            "recursion limit",
        );
    }

    #[test]
    fn a_field_that_is_given_twice_is_corrupt() {
        let slot = br#"{"schema_version":1,"revision":1,"nonce":"n","claim":"c","claim":"d"}"#;
        let error = parse::<Slot>("slots/0.json", slot, 1).unwrap_err();
        assert!(error.to_string().contains("duplicate field"), "{error}");
    }

    #[test]
    fn every_release_reads_what_it_writes() {
        let Schema { written, read_max } = Schema::CURRENT;
        assert!(written <= read_max, "{:?}", Schema::CURRENT);
    }
}
