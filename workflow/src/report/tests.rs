//! The documents as they are written, and that they are read again.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::policy::ModerationPolicy;
use crate::scan::Detection;

fn scan() -> Scan {
    let mut scan = Scan::new("7.0", 50.0, Some(61_000));
    for (name, parent_name, level, confidence, start_ms, end_ms) in [
        ("Weapons", "Violence", 2, 97.53, 1200, 4000),
        ("Violence", "", 1, 97.53, 1200, 4000),
        ("Weapons", "Violence", 2, 61.0, 4000, 5500),
        ("Weapons", "Violence", 2, 88.25, 60_000, 60_000),
        ("Drugs & Tobacco", "", 1, 55.5, 0, 600),
    ] {
        scan.push(Detection {
            name,
            parent_name,
            taxonomy_level: Some(level),
            confidence_percent: Some(confidence),
            start_ms,
            end_ms,
            content_types: &[],
        });
    }
    scan
}

fn report() -> Report {
    let input = ExecutionInput::new("raw", "films/clip.mp4", "v1", "\"9b2c\"", 1_048_576);
    let policy = ModerationPolicy::parse(
        br#"{"schema_version":1,"default":{"action":"reject","min_confidence_percent":60},"rules":[]}"#,
    )
    .unwrap();
    let mut report = Report::new(
        "arn:aws:states:us-east-1:123456789012:execution:gate:clip",
        &input,
        Outcome::Rejected,
        3,
    );
    report.redrive_count = 1;
    report.set_scan(&scan());
    let judgement = policy.judge(&scan());
    report.set_judgement(&judgement, policy.hash());
    report.error_name = Some("ContentRejected".into());
    report.cause = Some(judgement.cause());
    report.video.content_type = Some("video/mp4".into());
    report.attempts = 2;
    report.analyses = vec![
        Analysis {
            number: 1,
            redrive_count: 0,
            job_id: Some("a".repeat(64)),
            reason: AnalysisReason::First,
            started_at: Some(Timestamp::from_ms(1_767_323_045_678)),
            ended_at: Some(Timestamp::from_ms(1_767_323_105_678)),
            status_message: Some("Internal error".into()),
        },
        Analysis {
            number: 2,
            redrive_count: 0,
            job_id: None,
            reason: AnalysisReason::JobFailed,
            started_at: None,
            ended_at: None,
            status_message: None,
        },
    ];
    report.timings = Timings {
        uploaded_at: Some(Timestamp::from_ms(1_767_323_000_000)),
        judged_at: Some(Timestamp::from_ms(1_767_323_165_000)),
        ..Timings::default()
    };
    report
}

#[test]
fn the_report_is_a_contract() {
    let json: Value = serde_json::from_slice(&report().to_json().unwrap()).unwrap();
    insta::assert_json_snapshot!(json);
}

#[test]
fn the_track_is_a_contract() {
    insta::assert_snapshot!(report().to_webvtt());
}

#[test]
fn fields_are_in_a_fixed_order() {
    let text = String::from_utf8(report().to_json().unwrap()).unwrap();
    assert!(
        text.starts_with(r#"{"schema_version":1,"revision":3,"redrive_count":1,"execution_name":"#),
        "{text}"
    );
    assert_eq!(report().to_json().unwrap(), report().to_json().unwrap());
}

#[test]
fn reports_are_read_again_with_the_fields_of_later_writers() {
    let mut json: Value = serde_json::from_slice(&report().to_json().unwrap()).unwrap();
    json["reviewed_by"] = json!({"name": "Ada"});
    let read = Report::parse(json.to_string().as_bytes()).unwrap();
    assert_eq!(read.unknown["reviewed_by"], json!({"name": "Ada"}));
    let written: Value = serde_json::from_slice(&read.to_json().unwrap()).unwrap();
    assert_eq!(written, json);
}

#[test]
fn a_report_of_a_later_release_is_left_alone() {
    let error = Report::parse(br#"{"schema_version":2,"shape":"unlike"}"#).unwrap_err();
    assert!(matches!(error, ReportError::Newer { found: 2 }), "{error}");
    assert!(matches!(
        Report::parse(b"{}"),
        Err(ReportError::Malformed(_))
    ));
    assert!(matches!(
        ReportHead::parse(b"\xff"),
        Err(ReportError::Malformed(_))
    ));
}

#[test]
fn the_head_is_read_without_the_rows() {
    let head = ReportHead::parse(&report().to_json().unwrap()).unwrap();
    assert_eq!(
        head,
        ReportHead {
            schema_version: 1,
            revision: 3,
            redrive_count: 1,
            outcome: Outcome::Rejected,
            published: false,
            analyses: report().analyses,
            unknown: BTreeMap::new(),
        }
    );
}

#[test]
fn the_head_knows_every_field_and_keeps_what_it_does_not_know() {
    let mut report = report();
    report.closed_status = Some(ExecutionStatus::Aborted);
    report.segments_unavailable = Some("gone".to_owned());
    report.published = true;
    let mut json: Value = serde_json::from_slice(&report.to_json().unwrap()).unwrap();
    json["reviewed_by"] = json!({"name": "Ada"});
    let head = ReportHead::parse(json.to_string().as_bytes()).unwrap();
    assert!(head.published);
    assert_eq!(
        head.unknown,
        BTreeMap::from([("reviewed_by".to_owned(), json!({"name": "Ada"}))])
    );
}

#[test]
fn a_report_of_a_later_drive_outranks_any_revision() {
    let head = ReportHead::parse(&report().to_json().unwrap()).unwrap();
    for (redrive_count, revision, outranks) in [
        (0, 9, true),
        (1, 2, true),
        (1, 3, false),
        (1, 4, false),
        (2, 1, false),
    ] {
        assert_eq!(head.outranks(redrive_count, revision), outranks);
    }
}

#[test]
fn a_track_without_cues_is_valid() {
    let input = ExecutionInput::new("raw", "clip.mp4", "v1", "9b2c", 1);
    let report = Report::new("arn", &input, Outcome::Approved, 1);
    assert_eq!(report.to_webvtt(), "WEBVTT\n");
}

#[test]
fn cue_text_cannot_break_the_track() {
    let mut scan = Scan::new("7.0", 0.0, None);
    scan.push(Detection {
        name: "<b>a\r\n\nNOTE x --> y & z\0",
        parent_name: "p\n",
        taxonomy_level: None,
        confidence_percent: None,
        start_ms: i64::MAX,
        end_ms: i64::MAX,
        content_types: &[],
    });
    let mut report = report();
    report.set_scan(&scan);
    insta::assert_snapshot!(report.to_webvtt());
}

/// The grammar of the W3C's recommendation, as far as this track uses it: (start, end) of each cue.
fn read_track(track: &str) -> Vec<(u64, u64)> {
    let clock = |text: &str| -> u64 {
        let (rest, ms) = text.split_once('.').unwrap();
        let parts: Vec<u64> = rest.split(':').map(|part| part.parse().unwrap()).collect();
        let [hours, minutes, seconds] = parts[..] else {
            panic!("{text}")
        };
        assert!(minutes < 60 && seconds < 60 && ms.len() == 3, "{text}");
        ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms.parse::<u64>().unwrap()
    };
    let mut blocks = track.split("\n\n");
    assert_eq!(blocks.next().unwrap().trim_end(), "WEBVTT");
    blocks
        .map(|block| {
            let lines: Vec<&str> = block.trim_end_matches('\n').split('\n').collect();
            assert_eq!(lines.len(), 2, "{block:?}");
            assert!(!lines[1].contains("-->") && !lines[1].contains('<'));
            let (start, end) = lines[0].split_once(" --> ").unwrap();
            (clock(start), clock(end))
        })
        .collect()
}

proptest! {
    #[test]
    fn every_track_is_valid(rows in prop::collection::vec(("[A-C&<>\n-]{0,4}", any::<u32>(), any::<u32>(), 0.0_f32..100.0), 0..20)) {
        let mut scan = Scan::new("7.0", 0.0, None);
        for (name, a, b, confidence) in &rows {
            scan.push(Detection {
                name,
                parent_name: "",
                taxonomy_level: None,
                confidence_percent: Some(*confidence),
                start_ms: i64::from(*a),
                end_ms: i64::from(*b),
                content_types: &[],
            });
        }
        let mut report = report();
        report.set_scan(&scan);
        let cues = read_track(&report.to_webvtt());
        prop_assert!(cues.len() <= rows.len());
        prop_assert!(cues.iter().all(|(start, end)| start < end));
        prop_assert!(cues.is_sorted());
        prop_assert_eq!(Report::parse(&report.to_json().unwrap()).unwrap(), report);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Report::parse(&bytes);
    }
}
