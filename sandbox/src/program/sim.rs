//! Seeds of the deterministic simulation, one after the other or side by side, and what they found.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::arguments::Sim;
use super::side_by_side::side_by_side;
use crate::sim::{self, Level, Outcome};

/// Lines of the history that are shown of a run that failed.
const TAIL_SHOWN: usize = 60;

/// What all runs came to.
#[derive(Debug, Default)]
struct Total {
    runs: u64,
    videos: u64,
    service_calls: u64,
    invocations: u64,
    simulated: Duration,
    faults: BTreeMap<String, u64>,
    ends: BTreeMap<String, u64>,
}

impl Total {
    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.videos += outcome.options.videos as u64;
        self.service_calls += outcome.service_calls;
        self.invocations += outcome.invocations;
        self.simulated += outcome.simulated;
        for (kind, count) in &outcome.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        for (end, count) in &outcome.ends {
            *self.ends.entry(end.clone()).or_default() += count;
        }
    }
}

/// Runs the seeds and tells what they found. Returns whether every invariant held in all of them.
///
/// # Errors
/// When a run cannot be set up, or what came of it cannot be written.
pub(super) fn sim(arguments: &Sim, first_seed: u64) -> anyhow::Result<bool> {
    let began = Instant::now();
    let progress = ProgressBar::new(arguments.runs);
    progress.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut total = Total::default();
    let (mut first, mut failed) = (None, 0_u64);
    let options = |number: u64| sim::Options {
        seed: first_seed.wrapping_add(number),
        videos: arguments.videos,
        level: arguments.faults,
        keep_history: arguments.history.is_some(),
    };
    let work = |number| sim::run(options(number));
    side_by_side(arguments.jobs, arguments.runs, work, |outcome| {
        total.add(&outcome);
        progress.inc(1);
        progress.set_message(rates(&total, began.elapsed()));
        write_files(arguments, &outcome)?;
        if outcome.broken.is_empty() {
            return Ok(true);
        }
        failed += 1;
        if arguments.keep_going {
            progress.suspend(|| say(&failure(&outcome, &broken(&outcome))))?;
        } else {
            first.get_or_insert(outcome);
        }
        Ok(arguments.keep_going)
    })?;
    progress.finish_and_clear();
    let mut text = summary(&total, began.elapsed());
    if let Some(outcome) = &first {
        text.push_str(&failure(outcome, &findings(outcome)));
    } else if failed > 0 {
        let _ = writeln!(text, "\n{failed} seeds broke");
    }
    say(&text)?;
    Ok(failed == 0)
}

fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("the outcome cannot be written")
}

fn write_files(arguments: &Sim, outcome: &Outcome) -> anyhow::Result<()> {
    let seed = outcome.options.seed;
    if let Some(folder) = &arguments.history {
        let text: String = outcome.history.lines().collect();
        write_file(folder, &format!("{seed}.history"), &text)?;
    }
    if let Some(folder) = &arguments.plot {
        let title = format!("seed {seed}, {} videos", outcome.options.videos);
        let svg = sim::svg(&title, &outcome.samples);
        write_file(folder, &format!("{seed}.svg"), &svg)?;
    }
    Ok(())
}

pub(super) fn write_file(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    let path = folder.join(name);
    std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn rates(total: &Total, took: Duration) -> String {
    #[allow(clippy::cast_precision_loss, reason = "rates for people")]
    let per_second = |count: u64| count as f64 / took.as_secs_f64();
    format!(
        "{:.0} videos/s, {:.0} calls/s",
        per_second(total.videos),
        per_second(total.service_calls)
    )
}

fn summary(total: &Total, took: Duration) -> String {
    let mut text = format!(
        "{} runs, {} videos, {} service calls, {} invocations, {:.1} simulated days in {:.1} s: {}\n",
        total.runs,
        total.videos,
        total.service_calls,
        total.invocations,
        total.simulated.as_secs_f64() / 86_400.0,
        took.as_secs_f64(),
        rates(total, took)
    );
    for (title, counts) in [
        ("executions ended", &total.ends),
        ("went wrong", &total.faults),
    ] {
        let _ = writeln!(text, "\n{title}");
        for (name, count) in counts {
            let _ = writeln!(text, "{count:>10}  {name}");
        }
    }
    text
}

/// Tells of a seed that broke what must hold: what was found, and how to see it again.
fn failure(outcome: &Outcome, found: &str) -> String {
    let sim::Options {
        seed,
        videos,
        level,
        ..
    } = outcome.options;
    let level = match level {
        Level::None => "none",
        Level::Usual => "usual",
        Level::Hostile => "hostile",
    };
    format!(
        "\nSeed {seed} broke:\n{found}\nTo replay it, with its whole history in a folder:\n\
         cargo run --release -p sandbox -- sim --seed {seed} --videos {videos} --faults {level} --history DIR\n"
    )
}

/// What a run broke, and the end of its history.
pub(super) fn findings(outcome: &Outcome) -> String {
    let mut text = broken(outcome);
    let _ = writeln!(text, "\nThe end of its history:\n");
    let lines: Vec<_> = outcome.history.lines().collect();
    for line in &lines[lines.len().saturating_sub(TAIL_SHOWN)..] {
        text.push_str(line);
    }
    text
}

/// What a run broke, a line each.
pub(super) fn broken(outcome: &Outcome) -> String {
    let lines = outcome.broken.iter();
    lines.fold(String::new(), |text, problem| text + "✗ " + problem + "\n")
}
