//! Rekognition's results, as far as they are read: rows into a scan, and the default policy's verdict on it.

use std::sync::LazyLock;

use serde_json::Value;
use workflow::contract::CAUSE_CHARS_MAX;
use workflow::policy::{DEFAULT_POLICY, ModerationPolicy, Verdict};
use workflow::report::LabelSegments;
use workflow::scan::{ContentType, Detection, Scan};

use super::{Outcome, Target, check_same, must};

pub(super) const TARGET: Target = Target {
    name: "scan",
    what: "Rekognition's results",
    folders: &["fuzz/corpus/scan"],
    words: &[
        "Violence",
        "Weapons",
        "Explicit",
        "Alcohol",
        "Animated",
        "Illustrated",
        "7.0",
        "8.0",
    ],
    check,
};

static DEFAULT: LazyLock<ModerationPolicy> = LazyLock::new(|| {
    let parsed = ModerationPolicy::parse(DEFAULT_POLICY.as_bytes());
    must(parsed, "the default policy")
});

/// What the default policy asks about.
const MIN_CONFIDENCE_PERCENT: f32 = 50.0;

fn check(input: &[u8]) -> Outcome {
    let Ok(answer) = serde_json::from_slice::<Value>(input) else {
        return Outcome::Refused;
    };
    let Some(rows) = answer["ModerationLabels"].as_array() else {
        return Outcome::Refused;
    };
    let scan = scan(&answer, rows.iter());
    assert_eq!(scan.segments().len(), rows.len());
    for row in scan.segments() {
        assert!(row.start_ms <= row.end_ms, "{row:?}");
        assert!((0.0..=100.0).contains(&row.confidence_percent), "{row:?}");
        for kind in ContentType::ALL {
            assert!(row.content_type_percent(kind) <= 100);
        }
    }
    let in_report: usize = LabelSegments::of(&scan)
        .iter()
        .map(|label| label.segments.len())
        .sum();
    assert_eq!(in_report, rows.len(), "the report has all rows");

    let backwards = self::scan(&answer, rows.iter().rev());
    let judgement = DEFAULT.judge(&scan);
    check_same(&DEFAULT.judge(&backwards), &judgement, "rows backwards");
    let cause = judgement.cause();
    assert!(!cause.is_empty() && cause.chars().count() <= CAUSE_CHARS_MAX);
    let rejects = |scan: &Scan| {
        let mut rows = scan.segments().iter();
        rows.any(|row| row.confidence_percent >= MIN_CONFIDENCE_PERCENT)
    };
    if rejects(&scan) {
        assert_eq!(judgement.verdict, Verdict::Reject, "{cause}");
    }
    // A video does not become acceptable by more labels.
    let half = self::scan(&answer, rows[..rows.len() / 2].iter());
    if DEFAULT.judge(&half).verdict == Verdict::Reject {
        assert_eq!(judgement.verdict, Verdict::Reject, "{cause}");
    }
    match judgement.verdict {
        Verdict::Approve => Outcome::Accepted,
        Verdict::Reject => {
            assert!(!judgement.findings.is_empty(), "{cause}");
            for finding in &judgement.findings {
                assert!(finding.count > 0 && !finding.segments.is_empty());
            }
            Outcome::Refused
        }
    }
}

/// As the settle step reads an answer of GetContentModeration.
fn scan<'a>(answer: &Value, rows: impl Iterator<Item = &'a Value>) -> Scan {
    let text = |value: &'a Value| value.as_str().unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "as the SDK reads them")]
    let float = |value: &Value| value.as_f64().map(|value| value as f32);
    let model_version = answer["ModerationModelVersion"]
        .as_str()
        .unwrap_or_default();
    let duration_ms = answer["VideoMetadata"]["DurationMillis"].as_u64();
    let mut scan = Scan::new(model_version, MIN_CONFIDENCE_PERCENT, duration_ms);
    for row in rows {
        let label = &row["ModerationLabel"];
        let start_ms = row["StartTimestampMillis"]
            .as_i64()
            .or(row["Timestamp"].as_i64())
            .unwrap_or_default();
        let kinds = row["ContentTypes"].as_array();
        let content_types: Vec<(&str, f32)> = kinds
            .into_iter()
            .flatten()
            .filter_map(|kind| Some((kind["Name"].as_str()?, float(&kind["Confidence"])?)))
            .collect();
        scan.push(Detection {
            name: text(&label["Name"]),
            parent_name: text(&label["ParentName"]),
            taxonomy_level: label["TaxonomyLevel"]
                .as_i64()
                .and_then(|level| i32::try_from(level).ok()),
            confidence_percent: float(&label["Confidence"]),
            start_ms,
            end_ms: row["EndTimestampMillis"].as_i64().unwrap_or(start_ms),
            content_types: &content_types,
        });
    }
    scan
}
