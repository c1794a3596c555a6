//! The WebVTT track of a report (W3C, "WebVTT: The Web Video Text Tracks Format").

use std::collections::BTreeSet;
use std::fmt::Write as _;

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

impl Cue<'_> {
    /// About how many bytes it takes in the track: rather too many.
    fn len_about(&self) -> usize {
        const ALL_BUT_NAMES: usize = 60;
        ALL_BUT_NAMES + self.label.parent.len() + self.label.label.len()
    }
}

pub(super) fn track(report: &Report) -> String {
    let rejecting: BTreeSet<&str> = report
        .findings
        .iter()
        .map(|finding| finding.label.as_str())
        .collect();
    let rows = report
        .segments
        .iter()
        .map(|label| label.segments.len())
        .sum();
    let mut cues: Vec<Cue<'_>> = Vec::with_capacity(rows);
    for label in &report.segments {
        cues.extend(merged(label, rejecting.contains(label.label.as_str())));
    }
    // Players want cues by start time; the sort is stable, so labels of one moment stay by name.
    cues.sort_by_key(|cue| (cue.start_ms, cue.end_ms));

    // So that 100,000 cues do not copy the track while it grows.
    let mut track = String::with_capacity(cues.iter().map(Cue::len_about).sum());
    track.push_str("WEBVTT\n");
    for cue in &cues {
        write_cue(&mut track, cue);
    }
    track
}

/// The stretches of time of one label: rows that overlap or touch become one cue with their highest confidence.
fn merged(label: &LabelSegments, rejects: bool) -> Vec<Cue<'_>> {
    let mut cues: Vec<Cue<'_>> = Vec::new();
    for &(start_ms, end_ms, confidence_percent) in &label.segments {
        let end_ms = end_ms.max(start_ms.saturating_add(CUE_MS_MIN));
        match cues.last_mut() {
            Some(last) if start_ms <= last.end_ms => {
                last.end_ms = last.end_ms.max(end_ms);
                last.confidence_percent = last.confidence_percent.max(confidence_percent);
            }
            _ => cues.push(Cue {
                // Keeps the end after the start at the very end of the clock.
                start_ms: start_ms.min(end_ms - 1),
                end_ms,
                confidence_percent,
                label,
                rejects,
            }),
        }
    }
    cues
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
