//! What Rekognition found in a video, held compactly: 100,000 rows take 1.6 MB.
//!
//! A [`Scan`] is filled page by page from GetContentModeration (`AggregateBy=SEGMENTS`) and judged once it is complete.
//! Whatever a row leaves open is read the strict way: a confidence that is not a number from 0 to 100 counts as 100.

use std::collections::BTreeMap;

/// One row of GetContentModeration, borrowed from the page that brought it.
///
/// Amazon Rekognition API reference, ContentModerationDetection: one detection is listed once for each level of the
/// hierarchy, at the same time and with the same confidence.
#[derive(Clone, Copy, Debug)]
pub struct Detection<'a> {
    /// `ModerationLabel.Name`; an empty name is a label that no taxonomy knows, so it rejects.
    pub name: &'a str,
    /// `ModerationLabel.ParentName`, empty for a top-level label.
    pub parent_name: &'a str,
    /// `ModerationLabel.TaxonomyLevel`, 1 (top) to 3.
    pub taxonomy_level: Option<i32>,
    /// `ModerationLabel.Confidence`, 0 to 100; `None`, not finite or out of range counts as 100.
    pub confidence_percent: Option<f32>,
    /// `StartTimestampMillis`, from the start of the video; clamped to `u32`.
    pub start_ms: i64,
    /// `EndTimestampMillis`; an end before the start swaps the two.
    pub end_ms: i64,
    /// `ContentTypes` as (name, confidence); other names than [`ContentType`]'s are not kept.
    pub content_types: &'a [(&'a str, f32)],
}

/// A kind of picture that Rekognition tells apart (Amazon Rekognition developer guide, "Content types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentType {
    /// Moving drawings: cartoons, games.
    Animated,
    /// Still drawings: comics, paintings.
    Illustrated,
}

impl ContentType {
    /// Every content type, in the order of a row's [`Segment::content_type_percent`].
    pub const ALL: [Self; 2] = [Self::Animated, Self::Illustrated];

    /// The name as Rekognition spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Animated => "Animated",
            Self::Illustrated => "Illustrated",
        }
    }

    /// The content type of that name, whatever its case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}

/// A label as Rekognition named it, stored once for all of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanLabel {
    /// The label's name.
    pub name: String,
    /// The parent's name, empty at the top level.
    pub parent_name: String,
    /// 1 to 3; 0 when Rekognition did not say.
    pub taxonomy_level: u8,
}

/// One row: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Start in milliseconds from the start of the video.
    pub start_ms: u32,
    /// End in milliseconds, never before the start.
    pub end_ms: u32,
    /// 0 to 100, always finite.
    pub confidence_percent: f32,
    /// Index into [`Scan::labels`].
    pub label: u16,
    /// Confidence of each of [`ContentType::ALL`] in whole percent, rounded down; 0 = not established. Policies give
    /// their content-type thresholds in whole percent, so nothing is lost by the rounding.
    content_type_percent: [u8; ContentType::ALL.len()],
}

impl Segment {
    /// Confidence that the segment shows this kind of picture, in whole percent (0 = not established).
    #[must_use]
    pub fn content_type_percent(&self, kind: ContentType) -> u8 {
        self.content_type_percent[kind as usize]
    }
}

/// Everything that Rekognition reported for one video.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// `ModerationModelVersion`, for example `7.0`; empty when Rekognition did not say.
    pub model_version: String,
    /// The `MinConfidence` that the job was started with: labels below it were never reported.
    pub min_confidence_percent: f32,
    /// `VideoMetadata.DurationMillis`, when known.
    pub duration_ms: Option<u64>,
    labels: Vec<ScanLabel>,
    by_name: BTreeMap<String, Vec<u16>>,
    segments: Vec<Segment>,
}

/// Stands for all labels beyond the 65,535th distinct one. No taxonomy knows it, so its rows reject.
const OVERFLOW_LABEL: &str = "(more distinct labels than can be told apart)";

impl Scan {
    /// An empty scan of a job that was started with that `MinConfidence`.
    #[must_use]
    pub fn new(
        model_version: impl Into<String>,
        min_confidence_percent: f32,
        duration_ms: Option<u64>,
    ) -> Self {
        Self {
            model_version: model_version.into(),
            min_confidence_percent,
            duration_ms,
            labels: Vec::new(),
            by_name: BTreeMap::new(),
            segments: Vec::new(),
        }
    }

    /// Adds one row.
    pub fn push(&mut self, detection: Detection<'_>) {
        let (start, end) = (
            clamp_ms(detection.start_ms.min(detection.end_ms)),
            clamp_ms(detection.start_ms.max(detection.end_ms)),
        );
        let label = self.intern(detection);
        self.segments.push(Segment {
            start_ms: start,
            end_ms: end,
            confidence_percent: strict_percent(detection.confidence_percent),
            label,
            content_type_percent: content_type_percent(detection.content_types),
        });
    }

    /// The distinct labels, in the order of their first row.
    #[must_use]
    pub fn labels(&self) -> &[ScanLabel] {
        &self.labels
    }

    /// All rows, in the order in which they came.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The label of a row of this scan.
    #[must_use]
    pub fn label_of(&self, segment: &Segment) -> &ScanLabel {
        &self.labels[usize::from(segment.label)]
    }

    fn intern(&mut self, detection: Detection<'_>) -> u16 {
        let taxonomy_level = detection
            .taxonomy_level
            .and_then(|level| u8::try_from(level).ok())
            .unwrap_or(0);
        let known = self.by_name.get(detection.name).and_then(|ids| {
            ids.iter().copied().find(|id| {
                let label = &self.labels[usize::from(*id)];
                label.parent_name == detection.parent_name && label.taxonomy_level == taxonomy_level
            })
        });
        if let Some(id) = known {
            return id;
        }
        match u16::try_from(self.labels.len()) {
            Ok(id) if id < u16::MAX => {
                self.labels.push(ScanLabel {
                    name: detection.name.to_owned(),
                    parent_name: detection.parent_name.to_owned(),
                    taxonomy_level,
                });
                self.by_name
                    .entry(detection.name.to_owned())
                    .or_default()
                    .push(id);
                id
            }
            Ok(id) => {
                self.labels.push(ScanLabel {
                    name: OVERFLOW_LABEL.to_owned(),
                    parent_name: String::new(),
                    taxonomy_level: 0,
                });
                id
            }
            Err(_) => u16::MAX,
        }
    }
}

fn clamp_ms(ms: i64) -> u32 {
    u32::try_from(ms.max(0)).unwrap_or(u32::MAX)
}

fn strict_percent(confidence_percent: Option<f32>) -> f32 {
    match confidence_percent {
        Some(percent) if (0.0..=100.0).contains(&percent) => percent,
        _ => 100.0,
    }
}

/// A confidence that is not a number establishes nothing, so it cannot make a rule for drawings apply.
fn content_type_percent(found: &[(&str, f32)]) -> [u8; ContentType::ALL.len()] {
    let mut percent = [0; ContentType::ALL.len()];
    for (name, confidence) in found {
        let Some(kind) = ContentType::from_name(name) else {
            continue;
        };
        if confidence.is_finite() {
            let slot = &mut percent[kind as usize];
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "clamped to 0..=100 first"
            )]
            let whole = confidence.clamp(0.0, 100.0).floor() as u8;
            *slot = whole.max(*slot);
        }
    }
    percent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detection(name: &str) -> Detection<'_> {
        Detection {
            name,
            parent_name: "",
            taxonomy_level: Some(1),
            confidence_percent: Some(90.0),
            start_ms: 0,
            end_ms: 1000,
            content_types: &[],
        }
    }

    #[test]
    fn a_row_takes_sixteen_bytes() {
        assert_eq!(size_of::<Segment>(), 16);
    }

    #[test]
    fn labels_are_stored_once() {
        let mut scan = Scan::new("7.0", 50.0, None);
        for _ in 0..3 {
            scan.push(detection("Violence"));
        }
        scan.push(Detection {
            parent_name: "Violence",
            ..detection("Weapons")
        });
        assert_eq!(scan.segments().len(), 4);
        assert_eq!(scan.labels().len(), 2);
        assert_eq!(scan.label_of(&scan.segments()[3]).parent_name, "Violence");
    }

    #[test]
    fn doubtful_confidence_counts_as_certain() {
        let mut scan = Scan::new("7.0", 50.0, None);
        for confidence_percent in [
            None,
            Some(f32::NAN),
            Some(f32::INFINITY),
            Some(-1.0),
            Some(100.5),
        ] {
            scan.push(Detection {
                confidence_percent,
                ..detection("Violence")
            });
        }
        assert!(
            scan.segments()
                .iter()
                .all(|row| row.confidence_percent.to_bits() == 100f32.to_bits())
        );
    }

    #[test]
    fn times_are_clamped_and_ordered() {
        let mut scan = Scan::new("7.0", 50.0, None);
        scan.push(Detection {
            start_ms: i64::MAX,
            end_ms: -5,
            ..detection("Violence")
        });
        let row = scan.segments()[0];
        assert_eq!((row.start_ms, row.end_ms), (0, u32::MAX));
    }

    #[test]
    fn content_types_are_whole_percent_rounded_down() {
        let mut scan = Scan::new("7.0", 50.0, None);
        scan.push(Detection {
            content_types: &[
                ("animated", 89.99),
                ("Illustrated", f32::NAN),
                ("Oil Painting", 99.0),
            ],
            ..detection("Violence")
        });
        let row = scan.segments()[0];
        assert_eq!(row.content_type_percent(ContentType::Animated), 89);
        assert_eq!(row.content_type_percent(ContentType::Illustrated), 0);
    }

    #[test]
    fn more_labels_than_ids_fold_into_one_that_nothing_knows() {
        let mut scan = Scan::new("7.0", 50.0, None);
        for n in 0..70_000 {
            scan.push(detection(&format!("label {n}")));
        }
        assert_eq!(scan.segments().len(), 70_000);
        assert_eq!(scan.label_of(&scan.segments()[69_999]).name, OVERFLOW_LABEL);
    }
}
