//! Rekognition's messages that a job has ended, in SNS's envelopes.

use serde_json::{Value, json};
use workflow::event::{Completion, JobStatus, completions, parse_completion};

use super::{Outcome, Target, check_error, check_same, event};

pub(super) const TARGET: Target = Target {
    name: "completions",
    what: "Rekognition's completion messages in SNS envelopes",
    folders: &["fuzz/corpus/completions"],
    words: &[
        "SUCCEEDED",
        "FAILED",
        "ERROR",
        "JobId",
        "JobTag",
        "Status",
        "aws:sns",
        "Records",
    ],
    check,
};

fn check(input: &[u8]) -> Outcome {
    let Some(event) = event(input) else {
        return Outcome::Refused;
    };
    let found = completions(&event);
    let records = event["Records"].as_array().map_or(1, Vec::len);
    assert_eq!(found.len(), records, "each record says one thing");
    for result in &found {
        match result {
            Ok(completion) => check_completion(completion),
            Err(error) => check_error(error),
        }
    }
    if let Value::Array(records) = &event["Records"] {
        let each = |record| completions(&json!({"Records": [record]}));
        let alone: Vec<_> = records.iter().flat_map(each).flatten().collect();
        let together: Vec<_> = found.iter().flatten().cloned().collect();
        check_same(&alone, &together, "one bad record hides no other");
    }
    if found.iter().any(Result::is_ok) {
        Outcome::Accepted
    } else {
        Outcome::Refused
    }
}

fn check_completion(completion: &Completion) {
    assert!(!completion.job_id.is_empty());
    let status = match &completion.status {
        JobStatus::Succeeded => "SUCCEEDED",
        JobStatus::Failed => "FAILED",
        JobStatus::Error => "ERROR",
        JobStatus::Other(other) => other,
    };
    let written = json!({
        "JobId": completion.job_id, "Status": status, "JobTag": completion.job_tag,
        "Timestamp": completion.sent_ms, "Video": {"S3ObjectName": completion.key},
    });
    let read = parse_completion(&written.to_string());
    check_same(&read.as_ref(), &Ok(completion), "written again");
}
