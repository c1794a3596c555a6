//! The rows that GetContentModeration reports, from what the model saw.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::labels::{Detection, SAMPLING_MS};
use super::taxonomy::{Label, with_ancestors};

/// AggregateBy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Timestamps,
    Segments,
}

/// SortBy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Timestamp,
    Name,
}

/// One ContentModerationDetection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    label: Label,
    confidence: f32,
    start_ms: u64,
    /// Only of segments.
    end_ms: Option<u64>,
    content_types: Vec<(String, f32)>,
}

impl Row {
    /// As it stands in the response (API reference, ContentModerationDetection). The segment's fields are there only when
    /// results are aggregated so; its `Timestamp` is its start.
    pub(super) fn to_json(&self) -> Value {
        let content_types: Vec<_> = self
            .content_types
            .iter()
            .map(|(name, confidence)| json!({"Name": name, "Confidence": confidence}))
            .collect();
        let mut row = json!({
            "Timestamp": self.start_ms,
            "ModerationLabel": {
                "Confidence": self.confidence,
                "Name": self.label.name,
                "ParentName": self.label.parent,
                "TaxonomyLevel": self.label.level,
            },
            "ContentTypes": content_types,
        });
        if let Some(end_ms) = self.end_ms {
            row["StartTimestampMillis"] = self.start_ms.into();
            row["EndTimestampMillis"] = end_ms.into();
            row["DurationMillis"] = (end_ms - self.start_ms).into();
        }
        row
    }
}

/// All rows of a result: every detection of at least `min_confidence`, with its ancestors at the same confidence.
pub(super) fn rows(
    detections: &[Detection],
    min_confidence: f32,
    aggregate: Aggregate,
    sort: Sort,
) -> Vec<Row> {
    let seen = detections
        .iter()
        .filter(|detection| detection.confidence >= min_confidence);
    let mut rows = match aggregate {
        Aggregate::Timestamps => moments(seen),
        Aggregate::Segments => segments(seen),
    };
    match sort {
        Sort::Timestamp => {
            rows.sort_by(|a, b| (a.start_ms, &a.label).cmp(&(b.start_ms, &b.label)));
        }
        // "Within each label group, the array element are sorted by detection confidence" (API reference,
        // GetContentModeration, SortBy).
        Sort::Name => rows.sort_by(|a, b| {
            (a.label.name.cmp(&b.label.name))
                .then(b.confidence.total_cmp(&a.confidence))
                .then(a.start_ms.cmp(&b.start_ms))
        }),
    }
    rows
}

/// One row for every label and sampled moment; a label seen twice at a moment (the parent of two others) is reported
/// once, with the higher confidence.
fn moments<'a>(detections: impl Iterator<Item = &'a Detection>) -> Vec<Row> {
    let mut rows: BTreeMap<(u64, Label), Row> = BTreeMap::new();
    for detection in detections {
        for label in with_ancestors(&detection.name) {
            let mut at_ms = detection.start_ms;
            while at_ms < detection.end_ms {
                let row = row(&label, detection, at_ms, None);
                rows.entry((at_ms, label.clone()))
                    .and_modify(|other| {
                        if other.confidence < row.confidence {
                            other.clone_from(&row);
                        }
                    })
                    .or_insert(row);
                at_ms += SAMPLING_MS;
            }
        }
    }
    rows.into_values().collect()
}

/// One row for every stretch in which a label was seen without a break.
fn segments<'a>(detections: impl Iterator<Item = &'a Detection>) -> Vec<Row> {
    let mut by_label: BTreeMap<Label, Vec<Row>> = BTreeMap::new();
    for detection in detections {
        for label in with_ancestors(&detection.name) {
            let row = row(
                &label,
                detection,
                detection.start_ms,
                Some(detection.end_ms),
            );
            by_label.entry(label).or_default().push(row);
        }
    }
    by_label.into_values().flat_map(merged).collect()
}

/// Overlapping segments of one label become one, with the higher confidence.
fn merged(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| (row.start_ms, row.end_ms));
    let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        match merged.last_mut() {
            Some(last) if Some(row.start_ms) < last.end_ms => {
                let end_ms = last.end_ms.max(row.end_ms);
                if last.confidence < row.confidence {
                    last.confidence = row.confidence;
                    last.content_types = row.content_types;
                }
                last.end_ms = end_ms;
            }
            _ => merged.push(row),
        }
    }
    merged
}

fn row(label: &Label, detection: &Detection, start_ms: u64, end_ms: Option<u64>) -> Row {
    Row {
        label: label.clone(),
        confidence: detection.confidence,
        start_ms,
        end_ms,
        content_types: detection.content_types.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::labels::from_metadata;
    use super::*;

    fn table(labels: &str, min: f32, aggregate: Aggregate, sort: Sort) -> Vec<String> {
        let detections = from_metadata(labels).unwrap().detections;
        rows(&detections, min, aggregate, sort)
            .iter()
            .map(|row| {
                let end = row.end_ms.map(|end| format!("-{end}")).unwrap_or_default();
                format!(
                    "{} {} {}{end}",
                    row.label.name, row.confidence, row.start_ms
                )
            })
            .collect()
    }

    #[test]
    fn every_level_is_reported_at_every_moment() {
        let rows = table(
            "Drinking:80@1-2",
            0.0,
            Aggregate::Timestamps,
            Sort::Timestamp,
        );
        assert_eq!(
            rows,
            [
                "Alcohol 80 1000",
                "Alcohol Use 80 1000",
                "Drinking 80 1000",
                "Alcohol 80 1500",
                "Alcohol Use 80 1500",
                "Drinking 80 1500",
            ]
        );
    }

    #[test]
    fn a_parent_of_two_is_reported_once_with_the_higher_confidence() {
        let labels = "Alcohol Use:60@0, Alcoholic Beverages:70@0, Alcohol Use:90@0.2";
        assert_eq!(
            table(labels, 0.0, Aggregate::Timestamps, Sort::Name),
            [
                "Alcohol 90 200",
                "Alcohol 70 0",
                "Alcohol Use 90 200",
                "Alcohol Use 60 0",
                "Alcoholic Beverages 70 0",
            ]
        );
        assert_eq!(
            table(labels, 65.0, Aggregate::Segments, Sort::Timestamp),
            [
                "Alcohol 90 0-700",
                "Alcoholic Beverages 70 0-500",
                "Alcohol Use 90 200-700",
            ]
        );
    }

    #[test]
    fn segments_that_only_touch_stay_apart() {
        let labels = "Gambling:60@0-1, Gambling:50@1-2, Gambling:40@1.5-3";
        assert_eq!(
            table(labels, 0.0, Aggregate::Segments, Sort::Timestamp),
            ["Gambling 60 0-1000", "Gambling 50 1000-3000"]
        );
    }
}
