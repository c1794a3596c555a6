//! What Rekognition found in a video, kept small: a hundred thousand rows fit in a few megabytes.

use std::collections::BTreeMap;

/// One row of Rekognition's results, aggregated by segments.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Name of the label.
    pub name: String,
    /// Name of its parent; empty for a top-level category.
    pub parent_name: String,
    /// 1 to 3; 0 if Rekognition did not say.
    pub taxonomy_level: u8,
    /// 0 to 100.
    pub confidence_percent: f32,
    /// Where the segment begins.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
    /// Kinds of content with their confidence, 0 to 100: `Animated`, `Illustrated`.
    pub content_types: Vec<(String, f32)>,
}

/// A label as Rekognition named it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its parent's name; empty for a top-level category.
    pub parent_name: String,
    /// 1 to 3; 0 if Rekognition did not say.
    pub taxonomy_level: u8,
}

/// A stretch of the video in which a label was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Where it begins.
    pub start_ms: u32,
    /// Where it ends.
    pub end_ms: u32,
    /// 0 to 100.
    pub confidence_percent: f32,
    /// Confidence that it is animated, in whole percent; 0 if Rekognition did not say so.
    pub animated_percent: u8,
    /// Confidence that it is illustrated, in whole percent; 0 if Rekognition did not say so.
    pub illustrated_percent: u8,
}

/// All that was found in one video.
#[derive(Debug, Clone)]
pub struct Scan {
    model_version: String,
    min_confidence_percent: f32,
    duration_ms: u64,
    rows: usize,
    labels: BTreeMap<Label, Vec<Segment>>,
}

impl Scan {
    /// An empty scan by a model of that version, which was asked for labels from `min_confidence_percent` on.
    #[must_use]
    pub fn new(model_version: String, min_confidence_percent: f32, duration_ms: u64) -> Self {
        Self {
            model_version,
            min_confidence_percent,
            duration_ms,
            rows: 0,
            labels: BTreeMap::new(),
        }
    }

    /// Adds a row. A confidence that is no number counts as certain: the gate fails closed.
    pub fn push(&mut self, detection: Detection) {
        let label = Label {
            name: detection.name,
            parent_name: detection.parent_name,
            taxonomy_level: detection.taxonomy_level,
        };
        let confidence = detection.confidence_percent;
        let start_ms = u32::try_from(detection.start_ms).unwrap_or(u32::MAX);
        let segment = Segment {
            start_ms,
            end_ms: u32::try_from(detection.end_ms)
                .unwrap_or(u32::MAX)
                .max(start_ms),
            confidence_percent: if confidence.is_finite() {
                confidence.clamp(0.0, 100.0)
            } else {
                100.0
            },
            animated_percent: content_type_percent(&detection.content_types, "Animated"),
            illustrated_percent: content_type_percent(&detection.content_types, "Illustrated"),
        };
        self.rows += 1;
        self.labels.entry(label).or_default().push(segment);
    }

    /// Version of the model that looked.
    #[must_use]
    pub fn model_version(&self) -> &str {
        &self.model_version
    }

    /// The confidence from which on labels were asked for, 0 to 100.
    #[must_use]
    pub fn min_confidence_percent(&self) -> f32 {
        self.min_confidence_percent
    }

    /// Length of the video.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.duration_ms
    }

    /// Rows that were added.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Labels with their segments, in order of their names.
    pub fn labels(&self) -> impl Iterator<Item = (&Label, &[Segment])> {
        self.labels
            .iter()
            .map(|(label, segments)| (label, segments.as_slice()))
    }
}

/// The confidence of one kind of content, rounded down: less certain of an exemption is on the safe side.
fn content_type_percent(kinds: &[(String, f32)], name: &str) -> u8 {
    let found = kinds
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name));
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 100, and NaN becomes 0"
    )]
    found.map_or(0, |(_, confidence)| confidence.clamp(0.0, 100.0) as u8)
}
