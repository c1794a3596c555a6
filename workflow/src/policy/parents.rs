//! Which rows only repeat, one level up, what a more specific row says.
//!
//! Amazon Rekognition developer guide, "Detecting inappropriate stored videos": a detection is listed once for each level
//! of the hierarchy, at the same time and with the same confidence. A rule for `Weapons` could never be more lenient than
//! one for `Violence` if the `Violence` row beside each `Weapons` row were judged as well.

use super::taxonomy::{self, LabelId};
use crate::scan::{Scan, Segment};

/// For each row of the scan: whether rows of labels below it explain it.
///
/// They do if together they are there all the time that it is, and one that is there at the time has its confidence. Where
/// Rekognition shows a parent for longer, or more surely, than all that is below it, the parent's row is judged.
pub(super) fn explained(scan: &Scan, known: &[Option<LabelId>]) -> Vec<bool> {
    let mut explained = vec![false; scan.segments().len()];
    for (label, id) in known.iter().enumerate() {
        let Some(id) = *id else { continue };
        let below = Below::new(scan, known, id);
        if below.rows.is_empty() {
            continue;
        }
        for (index, row) in scan.segments().iter().enumerate() {
            if usize::from(row.label) == label {
                explained[index] = below.explain(row);
            }
        }
    }
    explained
}

/// The rows of all labels below one label, by start.
struct Below {
    rows: Vec<Segment>,
    /// The latest end among the rows up to and including this one: where to begin looking.
    ends_ms: Vec<u32>,
}

impl Below {
    fn new(scan: &Scan, known: &[Option<LabelId>], ancestor: LabelId) -> Self {
        let is_below: Vec<bool> = known
            .iter()
            .map(|id| id.is_some_and(|id| taxonomy::known().is_below(id, ancestor)))
            .collect();
        let mut rows: Vec<Segment> = Vec::new();
        if is_below.contains(&true) {
            rows.extend(
                scan.segments()
                    .iter()
                    .filter(|row| is_below[usize::from(row.label)]),
            );
        }
        rows.sort_unstable_by_key(|row| (row.start_ms, row.end_ms));
        let ends_ms = rows
            .iter()
            .scan(0, |latest, row| {
                *latest = row.end_ms.max(*latest);
                Some(*latest)
            })
            .collect();
        Self { rows, ends_ms }
    }

    fn explain(&self, parent: &Segment) -> bool {
        let first = self.ends_ms.partition_point(|end| *end < parent.start_ms);
        let mut explained_until = None;
        let mut max_confidence_percent = 0.0_f32;
        for row in &self.rows[first..] {
            if row.start_ms > explained_until.unwrap_or(parent.start_ms)
                || row.start_ms > parent.end_ms
            {
                break;
            }
            if row.end_ms < parent.start_ms {
                continue;
            }
            explained_until = explained_until.max(Some(row.end_ms));
            if overlap(row, parent) {
                max_confidence_percent = max_confidence_percent.max(row.confidence_percent);
            }
        }
        explained_until >= Some(parent.end_ms)
            && max_confidence_percent >= parent.confidence_percent
    }
}

/// Whether two rows share time; for a row of a single frame, touching is sharing.
fn overlap(a: &Segment, b: &Segment) -> bool {
    let (start, end) = (a.start_ms.max(b.start_ms), a.end_ms.min(b.end_ms));
    start < end || (start == end && (a.start_ms == a.end_ms || b.start_ms == b.end_ms))
}
