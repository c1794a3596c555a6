//! Names that follow from what they name: executions, request tokens, keys in the ledger.

use sha2::{Digest as _, Sha256};

/// Prefix of the slots' keys.
pub const SLOTS_PREFIX: &str = "slots/";

/// Prefix of the records' keys.
pub const JOBS_PREFIX: &str = "jobs/";

/// Most slots that there can be: far above any account's quota of open jobs (20 by default).
pub const SLOTS_MAX: u32 = 1000;

/// Longest name of an execution (Step Functions API reference, StartExecution).
const EXECUTION_NAME_CHARS_MAX: usize = 80;

/// Length of the readable part of an execution's name.
const SLUG_CHARS_MAX: usize = 40;

/// Length of the hashed part: 128 bits in hexadecimal.
const HASH_CHARS: usize = 32;

/// Name of the execution that moderates one version of one object: `<readable slug>-<hash>`, of `[A-Za-z0-9_-]` and at most 73
/// characters, so that every duplicate of an upload event names the same execution.
#[must_use]
pub fn execution_name(bucket: &str, key: &str, version_id: &str) -> String {
    let hash = hash(&[bucket.as_bytes(), key.as_bytes(), version_id.as_bytes()]);
    format!("{}-{}", slug(key), &hash[..HASH_CHARS])
}

/// Whether a string can be the name of one of our executions: what names a key in the ledger is checked first.
#[must_use]
pub fn is_execution_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.len() <= EXECUTION_NAME_CHARS_MAX && name.bytes().all(allowed)
}

/// The last segment of a key as far as it is readable in `[A-Za-z0-9_-]`; `video` if nothing is.
fn slug(key: &str) -> String {
    let segment = key.rsplit('/').next().unwrap_or_default();
    let mut slug = String::new();
    for c in segment.chars() {
        let c = if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        };
        if c != '-' || !slug.ends_with('-') {
            slug.push(c);
        }
        if slug.len() == SLUG_CHARS_MAX {
            break;
        }
    }
    let slug = slug.trim_matches('-');
    if slug.is_empty() {
        "video".to_owned()
    } else {
        slug.to_owned()
    }
}

/// ClientRequestToken of a scan: the same for every repetition of the same start, another for every other start.
///
/// 64 characters of `[0-9a-f]`; Rekognition takes `[a-zA-Z0-9-_]{1,64}` (API reference, StartContentModeration).
#[must_use]
pub fn client_request_token(
    stack_name: &str,
    execution: &str,
    redrive_count: u32,
    analysis_number: u32,
) -> String {
    hash(&[
        stack_name.as_bytes(),
        execution.as_bytes(),
        &redrive_count.to_be_bytes(),
        &analysis_number.to_be_bytes(),
    ])
}

/// Key of a slot: `slots/<nn>`, at least two digits.
#[must_use]
pub fn slot_key(number: u32) -> String {
    format!("{SLOTS_PREFIX}{number:02}")
}

/// The number in a slot's key.
#[must_use]
pub fn parse_slot_key(key: &str) -> Option<u32> {
    let digits = key.strip_prefix(SLOTS_PREFIX)?;
    let number = digits.parse().ok()?;
    (slot_key(number) == key).then_some(number)
}

/// Key of an execution's record: `jobs/<execution>.json`.
#[must_use]
pub fn record_key(execution: &str) -> String {
    format!("{JOBS_PREFIX}{execution}.json")
}

/// Key of the newest published version of an object: `heads/<hash of key>.json`.
#[must_use]
pub fn head_key(object_key: &str) -> String {
    format!("heads/{}.json", hash(&[object_key.as_bytes()]))
}

/// Key of an execution's report: `reports/<execution>.json`.
#[must_use]
pub fn report_key(execution: &str) -> String {
    format!("reports/{execution}.json")
}

/// Key of the report's cues for players: `reports/<execution>.vtt`.
#[must_use]
pub fn vtt_key(execution: &str) -> String {
    format!("reports/{execution}.vtt")
}

/// SHA-256 of the fields, each preceded by its length so that no two lists of fields run into each other, in hexadecimal.
fn hash(fields: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for field in fields {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field);
    }
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_readable_and_stable() {
        let name = execution_name("raw", "shows/My clip (1).mp4", "v1");
        assert!(name.starts_with("My-clip-1-mp4-"), "{name}");
        assert_eq!(name, execution_name("raw", "shows/My clip (1).mp4", "v1"));
        assert_ne!(name, execution_name("raw", "shows/My clip (1).mp4", "v2"));
        assert!(execution_name("raw", "🎬/…", "v").starts_with("video-"));
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        assert_ne!(
            execution_name("ab", "c", "v"),
            execution_name("a", "bc", "v")
        );
        assert_ne!(
            client_request_token("s", "x1", 1, 2),
            client_request_token("s", "x", 11, 2)
        );
    }

    #[test]
    fn only_slot_keys_are_slot_keys() {
        assert_eq!(parse_slot_key("slots/07"), Some(7));
        assert_eq!(parse_slot_key("slots/123"), Some(123));
        for key in [
            "slots/7",
            "slots/",
            "slots/-1",
            "slots/007",
            "slots/+7",
            "jobs/07",
        ] {
            assert_eq!(parse_slot_key(key), None, "{key}");
        }
    }

    proptest! {
        #[test]
        fn every_key_has_a_name_that_step_functions_takes(bucket in "[a-z0-9.-]{3,63}", key in ".{1,300}", version in ".{1,40}") {
            prop_assert!(is_execution_name(&execution_name(&bucket, &key, &version)));
        }

        #[test]
        fn slot_keys_round_trip(number in 0..SLOTS_MAX) {
            prop_assert_eq!(parse_slot_key(&slot_key(number)), Some(number));
        }
    }
}
