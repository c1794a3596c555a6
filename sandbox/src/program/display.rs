//! Live progress: a row a video in a terminal, a line a change elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use console::{Term, pad_str, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::outcome::Verdict;
use super::table::printable;

/// Widest key that a row shows whole.
const KEY_CHARS_MAX: usize = 40;

/// How far a video has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// On its way into the raw bucket.
    Uploading,
    /// In the raw bucket; no execution yet.
    Uploaded,
    /// Its execution runs and waits for a free slot.
    Waiting,
    /// Its task is taken; no job yet.
    Taken,
    /// Its moderation job is open.
    Scanning,
    /// Its verdict is being carried out.
    Judged,
    /// Its execution is closed, its report not yet written.
    Reporting,
    /// It is settled.
    Settled,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uploading => "uploading",
            Self::Uploaded => "uploaded",
            Self::Waiting => "waiting for a slot",
            Self::Taken => "taken",
            Self::Scanning => "scanning",
            Self::Judged => "judged",
            Self::Reporting => "reporting",
            Self::Settled => "settled",
        })
    }
}

/// Shows how far every video has come.
#[derive(Debug)]
pub(super) struct Display {
    started: Instant,
    rows: Vec<Shown>,
    kind: Kind,
}

#[derive(Debug)]
struct Shown {
    key: String,
    stage: Stage,
    verdict: Option<Verdict>,
    settled: Option<Instant>,
}

#[derive(Debug)]
enum Kind {
    /// Not a terminal.
    Lines,
    /// A row for each video.
    Rows(MultiProgress, Vec<ProgressBar>),
    /// More videos than the terminal has lines.
    Summary(ProgressBar),
}

impl Display {
    /// Shows videos of those keys, all of them at their upload.
    pub(super) fn new<'a>(keys: impl Iterator<Item = &'a str>) -> Self {
        let rows: Vec<Shown> = keys
            .map(|key| Shown {
                key: printable(key),
                stage: Stage::Uploading,
                verdict: None,
                settled: None,
            })
            .collect();
        let kind = if !io::stdout().is_terminal() {
            Kind::Lines
        } else if rows.len() + 2 < usize::from(Term::stdout().size().0) {
            let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
            let bars = rows.iter().map(|_| multi.add(line_bar())).collect();
            Kind::Rows(multi, bars)
        } else {
            let bar = line_bar();
            bar.set_draw_target(ProgressDrawTarget::stdout());
            Kind::Summary(bar)
        };
        Self {
            started: Instant::now(),
            rows,
            kind,
        }
    }

    /// A video has come further.
    pub(super) fn set(&mut self, index: usize, stage: Stage, verdict: Option<Verdict>) {
        let row = &mut self.rows[index];
        if (row.stage, row.verdict) == (stage, verdict) {
            return;
        }
        row.stage = stage;
        row.verdict = verdict;
        if stage == Stage::Settled {
            row.settled = Some(Instant::now());
        }
        if let Kind::Lines = self.kind {
            let elapsed = self.started.elapsed().as_secs_f64();
            // Whoever closed the pipe wants no more of it.
            let _ = writeln!(
                io::stdout(),
                "{elapsed:>7.1} s  {}: {}",
                row.key,
                row.state()
            );
        }
    }

    /// Draws anew: the times have changed.
    pub(super) fn tick(&self) {
        match &self.kind {
            Kind::Lines => {}
            Kind::Rows(_, bars) => {
                let widest = self
                    .rows
                    .iter()
                    .map(|row| console::measure_text_width(&row.key))
                    .max();
                let width = widest.unwrap_or_default().min(KEY_CHARS_MAX);
                for (row, bar) in self.rows.iter().zip(bars) {
                    bar.set_message(row.line(self.started, width));
                }
            }
            Kind::Summary(bar) => bar.set_message(self.summary()),
        }
    }

    /// Takes the rows off the terminal.
    pub(super) fn finish(&self) {
        match &self.kind {
            Kind::Lines => {}
            Kind::Rows(multi, _) => {
                let _ = multi.clear();
            }
            Kind::Summary(bar) => bar.finish_and_clear(),
        }
    }

    fn summary(&self) -> String {
        let mut counts: BTreeMap<Stage, usize> = BTreeMap::new();
        for row in &self.rows {
            *counts.entry(row.stage).or_default() += 1;
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(stage, count)| format!("{count} {stage}"))
            .collect();
        let elapsed = self.started.elapsed().as_secs_f64();
        format!(
            "{elapsed:>7.1} s  of {} videos: {}",
            self.rows.len(),
            counts.join(", ")
        )
    }
}

impl Shown {
    fn state(&self) -> String {
        match self.verdict {
            Some(verdict) => verdict.to_string(),
            None => self.stage.to_string(),
        }
    }

    fn line(&self, started: Instant, width: usize) -> String {
        let elapsed: Duration = self.settled.unwrap_or_else(Instant::now) - started;
        let key = truncate_str(&self.key, KEY_CHARS_MAX, "…");
        let key = pad_str(&key, width, console::Alignment::Left, None);
        let mark = match self.verdict {
            Some(_) => "●",
            None => "○",
        };
        format!(
            "{mark} {key}  {:>7.1} s  {}",
            elapsed.as_secs_f64(),
            self.state()
        )
    }
}

/// A line that is nothing but its message.
fn line_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_row_stops_its_time_when_it_is_settled() {
        let mut display = Display::new(["a.mp4"].into_iter());
        let started = display.started;
        tokio::time::advance(Duration::from_secs(2)).await;
        display.set(0, Stage::Scanning, None);
        assert_eq!(
            display.rows[0].line(started, 6),
            "○ a.mp4       2.0 s  scanning"
        );
        display.set(0, Stage::Settled, Some(Verdict::Approved));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(
            display.rows[0].line(started, 5),
            "● a.mp4      2.0 s  Approved"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_summary_counts_stages() {
        let mut display = Display::new(["a", "b", "c"].into_iter());
        display.set(1, Stage::Waiting, None);
        display.set(2, Stage::Waiting, None);
        assert_eq!(
            display.summary(),
            "    0.0 s  of 3 videos: 1 uploading, 2 waiting for a slot"
        );
    }
}
