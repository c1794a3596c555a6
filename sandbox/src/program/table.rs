//! The end of a run: one row a video.

use std::fmt::Write as _;
use std::time::Duration;

use console::{measure_text_width, pad_str, truncate_str};

use super::outcome::Outcome;

/// Widest cell but for the last column.
const CELL_CHARS_MAX: usize = 64;

/// Labels that a row names.
const LABELS_MAX: usize = 3;

/// One row of the table.
#[derive(Debug)]
pub(super) struct Row {
    /// Key of the video.
    pub(super) key: String,
    /// How it ended.
    pub(super) outcome: Outcome,
    /// What is wrong with that.
    pub(super) problems: Vec<String>,
}

/// The table with its heading, each line ended.
pub(super) fn table(rows: &[Row]) -> String {
    let heading = ["", "video", "verdict", "why", "labels", "time", "report"].map(str::to_owned);
    let lines: Vec<[String; 7]> = std::iter::once(heading)
        .chain(rows.iter().map(cells))
        .collect();
    let widths: [usize; 7] = std::array::from_fn(|column| {
        let widest = lines
            .iter()
            .map(|cells| measure_text_width(&cells[column]))
            .max();
        widest.unwrap_or_default().min(CELL_CHARS_MAX)
    });
    let mut text = String::new();
    for cells in &lines {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            if column == 6 {
                line.push_str(cell);
            } else {
                let cell = truncate_str(cell, CELL_CHARS_MAX, "…");
                let cell = pad_str(&cell, widths[column], console::Alignment::Left, None);
                let _ = write!(line, "{cell}  ");
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn cells(row: &Row) -> [String; 7] {
    let outcome = &row.outcome;
    let (mark, why) = if row.problems.is_empty() {
        ("✓", outcome.why.clone())
    } else {
        ("✗", format!("{}; {}", row.problems.join("; "), outcome.why))
    };
    let report = outcome
        .report
        .as_ref()
        .map(|path| path.display().to_string());
    [
        mark.to_owned(),
        printable(&row.key),
        outcome.verdict.to_string(),
        printable(why.trim_end_matches("; ")),
        labels(&outcome.labels),
        time(outcome.elapsed, outcome.scanned),
        report.unwrap_or_else(|| "–".to_owned()),
    ]
}

fn labels(labels: &[(String, f32)]) -> String {
    let mut text: Vec<String> = labels
        .iter()
        .take(LABELS_MAX)
        .map(|(name, confidence)| format!("{} {confidence:.1}%", printable(name)))
        .collect();
    if labels.len() > LABELS_MAX {
        text.push(format!("+{}", labels.len() - LABELS_MAX));
    }
    if text.is_empty() {
        "–".to_owned()
    } else {
        text.join(", ")
    }
}

fn time(elapsed: Duration, scanned: Option<Duration>) -> String {
    let elapsed = format!("{:.1} s", elapsed.as_secs_f64());
    match scanned {
        Some(scanned) => format!("{elapsed} (job {:.1} s)", scanned.as_secs_f64()),
        None => elapsed,
    }
}

/// Text of a video's, without what a terminal would act on.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::program::outcome::Verdict;

    #[test]
    fn rows_are_aligned_and_say_what_is_wrong() {
        let rejected = Outcome {
            labels: ["Violence", "Smoking", "Drugs", "Alcohol"]
                .map(|name| (name.to_owned(), 97.46))
                .to_vec(),
            elapsed: Duration::from_millis(3120),
            scanned: Some(Duration::from_millis(1000)),
            report: Some(PathBuf::from("reports/a.json")),
            ..Outcome::of(Verdict::Rejected, "Violence 97.5% at 0:01-0:04".to_owned())
        };
        let ignored = Outcome::of(Verdict::Ignored, "an empty object is no video".to_owned());
        let row = |key: &str, outcome, problems: &[&str]| Row {
            key: key.to_owned(),
            outcome,
            problems: problems.iter().map(|text| (*text).to_owned()).collect(),
        };
        let text = table(&[
            row("🎬 a.mp4", rejected, &["expected Approved"]),
            row("e\x1b.mp4", ignored, &[]),
        ]);
        insta::assert_snapshot!(text);
    }
}
