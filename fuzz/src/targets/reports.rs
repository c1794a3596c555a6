//! Reports, which are read again before they are written over, and their cues.

use serde_json::{Map, Value};
use workflow::report::{Report, ReportHead, SCHEMA_VERSION};

use super::{Outcome, Target, check_same, must};

pub(super) const TARGET: Target = Target {
    name: "reports",
    what: "reports, their heads and their cues",
    folders: &["fuzz/corpus/reports"],
    words: &[
        "-->",
        "&",
        "<",
        "\n\n",
        "approved",
        "rejected",
        "unsupported",
        "failed",
        "first",
        "added_later",
        "schema_version",
        "segments",
    ],
    check,
};

fn check(input: &[u8]) -> Outcome {
    let head = ReportHead::parse(input);
    let Ok(report) = Report::parse(input) else {
        return Outcome::Refused;
    };
    let head = must(head, "the head of a report");
    assert!(head.schema_version <= SCHEMA_VERSION);
    assert_eq!(
        (
            head.revision,
            head.redrive_count,
            head.outcome,
            head.published
        ),
        (
            report.revision,
            report.redrive_count,
            report.outcome,
            report.published
        )
    );
    check_same(&head.analyses, &report.analyses, "the head's analyses");
    check_same(&head.unknown, &report.unknown, "the head's unknown fields");

    let json = must(report.to_json(), "it is not written");
    let read = must(Report::parse(&json), "its own document");
    check_same(&read, &report, "written and read");
    check_fields_kept(input, &json);
    check_track(&report);
    Outcome::Accepted
}

/// No field of the document is lost but one that is null, or false, which says as much.
fn check_fields_kept(given: &[u8], written: &[u8]) {
    let kept: Map<String, Value> = must(serde_json::from_slice(written), "it is JSON");
    // What is skipped need not be whole: half a surrogate, say.
    let given: Map<String, Value> = serde_json::from_slice(given).unwrap_or_default();
    for (name, value) in given {
        let says_nothing =
            value.is_null() || value == Value::Bool(false) || value == Value::Array(vec![]);
        assert!(says_nothing || kept.contains_key(&name), "{name} is lost");
    }
}

/// Players read the track: a header, then cues in the order of time, each of which ends after it begins.
fn check_track(report: &Report) {
    let track = report.to_webvtt();
    let mut blocks = track.split("\n\n");
    assert_eq!(blocks.next().map(str::trim_end), Some("WEBVTT"));
    let mut last = (0, String::new());
    let mut cues = 0;
    for block in blocks {
        let lines: Vec<&str> = block.trim_end_matches('\n').split('\n').collect();
        let [times, text] = lines[..] else {
            panic!("a cue has two lines: {block:?}");
        };
        let Some((start, end)) = times.split_once(" --> ") else {
            panic!("no times: {times:?}");
        };
        // Hours have as many digits as they need.
        let (start, end) = ((start.len(), start.to_owned()), (end.len(), end.to_owned()));
        assert!(last <= start && start < end, "{last:?}, then {times}");
        assert!(!text.contains("-->") && !text.contains('<'), "{text}");
        last = start;
        cues += 1;
    }
    let rows: usize = report
        .segments
        .iter()
        .map(|label| label.segments.len())
        .sum();
    assert!(cues <= rows, "{cues} cues of {rows} rows");
}
