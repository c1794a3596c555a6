//! The WebVTT track of a report (W3C, "WebVTT: The Web Video Text Tracks Format").

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::fmt::Write as _;
use std::iter;

use super::{LabelSegments, Report};

/// A cue must end after it starts; a single frame is shown long enough to be read.
const CUE_MS_MIN: u32 = 500;

struct Cue<'a> {
    start_ms: u32,
    end_ms: u32,
    confidence_percent: f32,
    label: &'a LabelSegments,
    rejects: bool,
}

pub(super) fn track(report: &Report) -> String {
    // So that 100,000 cues do not copy the track while it grows.
    let mut track = String::with_capacity(report.segments.iter().map(len_about).sum());
    track.push_str("WEBVTT\n");
    for cue in cues(report) {
        write_cue(&mut track, &cue);
    }
    track
}

/// About how many bytes a label's cues take in the track: rather too many.
fn len_about(label: &LabelSegments) -> usize {
    const ALL_BUT_NAMES: usize = 60;
    label.segments.len() * (ALL_BUT_NAMES + label.parent.len() + label.label.len())
}

/// All cues by start time, as players want them; those of one moment by label. Each label's cues are in order already, so
/// they are merged one at a time: 100,000 of them held at once would be the most that a function ever holds.
fn cues(report: &Report) -> impl Iterator<Item = Cue<'_>> {
    let rejecting: BTreeSet<&str> = report
        .findings
        .iter()
        .map(|finding| finding.label.as_str())
        .collect();
    let mut labels: Vec<_> = report
        .segments
        .iter()
        .map(|label| stretches(label, rejecting.contains(label.label.as_str())).peekable())
        .collect();
    let next_of = |index: usize, cue: &Cue<'_>| Reverse((cue.start_ms, cue.end_ms, index));
    let mut next: BinaryHeap<_> = labels
        .iter_mut()
        .enumerate()
        .filter_map(|(index, cues)| Some(next_of(index, cues.peek()?)))
        .collect();
    iter::from_fn(move || {
        let Reverse((_, _, index)) = next.pop()?;
        let cue = labels[index].next();
        next.extend(labels[index].peek().map(|cue| next_of(index, cue)));
        cue
    })
}

/// The stretches of time of one label: rows that overlap or touch become one cue with their highest confidence.
fn stretches(label: &LabelSegments, rejects: bool) -> impl Iterator<Item = Cue<'_>> {
    let row_end =
        |(start_ms, end_ms, _): (u32, u32, f32)| end_ms.max(start_ms.saturating_add(CUE_MS_MIN));
    let mut rows = label.segments.iter().copied().peekable();
    iter::from_fn(move || {
        let first = rows.next()?;
        let (start_ms, mut end_ms, mut confidence_percent) = (first.0, row_end(first), first.2);
        while let Some(row) = rows.next_if(|row| row.0 <= end_ms) {
            end_ms = end_ms.max(row_end(row));
            confidence_percent = confidence_percent.max(row.2);
        }
        Some(Cue {
            // Keeps the end after the start at the very end of the clock.
            start_ms: start_ms.min(end_ms - 1),
            end_ms,
            confidence_percent,
            label,
            rejects,
        })
    })
}

fn write_cue(track: &mut String, cue: &Cue<'_>) {
    let Cue { label, .. } = cue;
    // Writing to a String cannot fail.
    let _ = write!(
        track,
        "\n{} --> {}\n",
        cue_time(cue.start_ms),
        cue_time(cue.end_ms)
    );
    if !label.parent.is_empty() {
        let _ = write!(track, "{} › ", escaped(&label.parent));
    }
    let _ = writeln!(
        track,
        "{} {:.1} %{}",
        escaped(&label.label),
        cue.confidence_percent,
        if cue.rejects { " (rejects)" } else { "" }
    );
}

/// `hh:mm:ss.ttt`, hours with as many digits as they need.
fn cue_time(ms: u32) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!(
        "{:02}:{:02}:{seconds:02}.{ms:03}",
        minutes / 60,
        minutes % 60
    )
}

/// Cue text: `&`, `<` and `>` are escaped (so `-->` cannot occur), and line ends, which would end the cue, become spaces.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\r' | '\n' | '\0' => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
