//! The ledger's documents, as this release or another left them.

use std::fmt::Debug;

use serde_json::{Value, json};
use workflow::ledger::{self, Budget, Document, Head, LedgerError, Record, Schema, Slot};
use workflow::steps::sweep::Cursor;

use super::{Outcome, Target, check_same, must, written};

pub(super) const TARGET: Target = Target {
    name: "ledger",
    what: "records, slots, heads, budgets and the sweep's cursor",
    folders: &["fuzz/corpus/ledger"],
    words: &[
        "queued",
        "running",
        "judged",
        "sent",
        "approved",
        "rejected",
        "failed",
        "first",
        "jobFailed",
        "added_later",
        "schema_version",
        "nonce",
        "revision",
    ],
    check,
};

const KEY: &str = "jobs/clip-0.json";

/// Objects that have no room for more: the input of the execution and a rank, which Step Functions gives, the identity of a
/// claim, which is compared as a whole, and a value of an enumeration.
const CLOSED: [&str; 4] = ["/video", "/token/rank", "/slot", "/judged/outcome"];

fn check(input: &[u8]) -> Outcome {
    let read = [
        check_document::<Record>(input),
        check_document::<Slot>(input),
        check_document::<Head>(input),
        check_document::<Budget>(input),
        check_document::<Cursor>(input),
    ];
    if read.contains(&true) {
        Outcome::Accepted
    } else {
        Outcome::Refused
    }
}

/// Whether it is a document of that kind. One that is, is written and read again to the same, with all that it has; one that is
/// not is left alone.
fn check_document<T: Document + PartialEq + Debug>(input: &[u8]) -> bool {
    let read_max = Schema::CURRENT.read_max;
    let document: T = match ledger::parse(KEY, input, read_max) {
        Ok(document) => document,
        Err(error) => {
            assert!(error.leaves_alone(), "{error}");
            assert!(error.to_string().starts_with(KEY), "{error}");
            return false;
        }
    };
    assert!(document.schema_version() <= read_max);
    let read = must(
        ledger::parse::<T>(KEY, written(&document).as_bytes(), read_max),
        "its own document",
    );
    check_same(&read, &document, "written and read");

    let mut given: Value = must(serde_json::from_slice(input), "it was read");
    check_kept(&given, &must(serde_json::to_value(&document), "value"), "");
    add_later_fields(&mut given, "");
    let later: T = must(
        ledger::parse(KEY, given.to_string().as_bytes(), read_max),
        "fields of a later release",
    );
    check_kept(&given, &must(serde_json::to_value(&later), "value"), "");

    given["schema_version"] = json!(read_max + 1);
    let newer = ledger::parse::<T>(KEY, given.to_string().as_bytes(), read_max);
    assert!(matches!(newer, Err(LedgerError::Newer { .. })), "{newer:?}");
    true
}

/// Nothing that was given is lost. Numbers are compared as the `f32` that some are kept in.
#[track_caller]
fn check_kept(given: &Value, kept: &Value, place: &str) {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (name, value) in given {
                let place = format!("{place}/{name}");
                match kept.get(name) {
                    Some(kept) => check_kept(value, kept, &place),
                    None if CLOSED.iter().any(|closed| place.starts_with(closed)) => {}
                    None => panic!("{place} is lost"),
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) if given.len() == kept.len() => {
            for (given, kept) in given.iter().zip(kept) {
                check_kept(given, kept, &format!("{place}/*"));
            }
        }
        (Value::Number(given), Value::Number(kept)) => {
            #[expect(clippy::cast_possible_truncation, reason = "that is the comparison")]
            let same = |a: Option<f64>, b: Option<f64>| a.map(|a| a as f32) == b.map(|b| b as f32);
            assert!(
                same(given.as_f64(), kept.as_f64()),
                "{place}: {given} became {kept}"
            );
        }
        _ => assert!(given == kept, "{place}: {given} became {kept}"),
    }
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
                fields.insert("added_later".to_owned(), json!({"by": ["a later release"]}));
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
