//! A fault at every call of a workload, or at every pair of calls, one run each.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum as _;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::arguments::{CallFault, Crashes};
use super::side_by_side::side_by_side;
use super::sim::{broken, findings, write_file};
use crate::faults::{Call, Fault, Refusal};
use crate::sim::{self, Outcome, Scene, Strikes};

/// Crashes of pairs: a throttle or a lost answer does not end an invocation, and so makes no other second half.
const CRASHES: [CallFault; 2] = [CallFault::CrashBefore, CallFault::CrashAfter];

/// Runs that failed and are shown.
const SHOWN_MAX: usize = 5;

impl CallFault {
    fn fault(self) -> Fault {
        match self {
            Self::CrashBefore => Fault::CrashBefore,
            Self::CrashAfter => Fault::CrashAfter,
            Self::Throttled => Fault::Refused(Refusal::Throttled),
            Self::AnswerLost => Fault::AnswerLost(Refusal::Internal),
        }
    }
}

/// What strikes a run, in the order of the calls' numbers.
type Blows = Vec<(u64, CallFault)>;

/// What some runs came to.
#[derive(Default)]
struct Total {
    runs: u64,
    service_calls: u64,
    slowest: Option<(Duration, Blows)>,
    failed: Vec<(Blows, Outcome)>,
}

impl Total {
    fn add(&mut self, blows: Blows, outcome: Outcome) {
        self.join(Self {
            runs: 1,
            service_calls: outcome.service_calls,
            slowest: Some((outcome.recovery, blows.clone())),
            failed: if outcome.broken.is_empty() {
                Vec::new()
            } else {
                vec![(blows, outcome)]
            },
        });
    }

    fn join(&mut self, other: Self) {
        self.runs += other.runs;
        self.service_calls += other.service_calls;
        if other.slowest.as_ref().map(|(recovery, _)| *recovery)
            > self.slowest.as_ref().map(|(recovery, _)| *recovery)
        {
            self.slowest = other.slowest;
        }
        self.failed.extend(other.failed);
    }
}

/// Plays the workload with each fault. Returns whether every invariant held in all runs.
///
/// # Errors
/// When the workload does not even work without a fault, or what came of it cannot be written.
pub(super) fn crashes(arguments: &Crashes) -> anyhow::Result<bool> {
    let usual = if arguments.pairs {
        Scene::Small
    } else {
        Scene::Standard
    };
    let scene = arguments.scene.unwrap_or(usual);
    if !arguments.strike.is_empty() {
        return replay(scene, &arguments.strike, arguments.history.as_deref());
    }
    let began = Instant::now();
    let unhurt = play(scene, &[], false)?;
    if !unhurt.broken.is_empty() {
        bail!(
            "the workload does not work without a fault:\n{}",
            findings(&unhurt)
        );
    }
    let firsts: Vec<u64> = (0..unhurt.calls.len() as u64)
        .step_by(usize::try_from(arguments.every).unwrap_or(usize::MAX))
        .collect();
    let progress = ProgressBar::new(firsts.len() as u64);
    progress.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} calls")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let work = |number: u64| {
        let first = firsts[usize::try_from(number)?];
        if arguments.pairs {
            pairs(scene, first)
        } else {
            singles(scene, first)
        }
    };
    let mut total = Total::default();
    side_by_side(arguments.jobs, firsts.len() as u64, work, |some| {
        total.join(some);
        progress.inc(1);
        Ok(total.failed.len() < SHOWN_MAX)
    })?;
    progress.finish_and_clear();
    let text = summary(scene, &unhurt.calls, &total, began.elapsed());
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("the outcome cannot be written")?;
    Ok(total.failed.is_empty())
}

fn play(scene: Scene, blows: &[(u64, CallFault)], keep_history: bool) -> anyhow::Result<Outcome> {
    let strikes: Strikes = blows
        .iter()
        .map(|(call, fault)| (*call, fault.fault()))
        .collect();
    sim::play(scene, strikes, keep_history)
}

/// Each fault at one call.
fn singles(scene: Scene, call: u64) -> anyhow::Result<Total> {
    let mut total = Total::default();
    for fault in CallFault::value_variants() {
        let blows = vec![(call, *fault)];
        let outcome = play(scene, &blows, false)?;
        total.add(blows, outcome);
    }
    Ok(total)
}

/// A crash at one call, and another one at each call that follows in the run that the first one made of it.
fn pairs(scene: Scene, first: u64) -> anyhow::Result<Total> {
    let mut total = Total::default();
    for fault in CRASHES {
        let once = vec![(first, fault)];
        let outcome = play(scene, &once, false)?;
        let calls = outcome.calls.len() as u64;
        total.add(once, outcome);
        for second in first + 1..calls {
            for other in CRASHES {
                let twice = vec![(first, fault), (second, other)];
                let outcome = play(scene, &twice, false)?;
                total.add(twice, outcome);
            }
        }
    }
    Ok(total)
}

fn replay(
    scene: Scene,
    blows: &[(u64, CallFault)],
    history: Option<&Path>,
) -> anyhow::Result<bool> {
    let outcome = play(scene, blows, history.is_some())?;
    if let Some(folder) = history {
        let text: String = outcome.history.lines().collect();
        write_file(folder, "crashes.history", &text)?;
    }
    let text = if outcome.broken.is_empty() {
        format!("recovered from {}\n", described(&outcome.calls, blows))
    } else {
        findings(&outcome)
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("the outcome cannot be written")?;
    Ok(outcome.broken.is_empty())
}

fn summary(scene: Scene, calls: &[Call], total: &Total, took: Duration) -> String {
    let mut text = format!(
        "{} calls in the {} workload, {} runs with {} service calls in {:.1} s: ",
        calls.len(),
        name(&scene),
        total.runs,
        total.service_calls,
        took.as_secs_f64()
    );
    match total.failed.len() {
        0 => text.push_str("all recovered\n"),
        failed => {
            let _ = writeln!(text, "{failed} did not recover");
        }
    }
    if let Some((recovery, blows)) = &total.slowest {
        let _ = writeln!(
            text,
            "the slowest was quiet {} s after the last fault: {}",
            recovery.as_secs(),
            described(calls, blows)
        );
    }
    for (at, (blows, outcome)) in total.failed.iter().take(SHOWN_MAX).enumerate() {
        let strikes: Vec<_> = blows
            .iter()
            .map(|(call, fault)| format!("--strike {call}:{}", name(fault)))
            .collect();
        let _ = writeln!(
            text,
            "\nNot recovered from {}:\n{}\n\
             cargo run --release -p sandbox -- crashes --scene {} {} --history DIR",
            described(calls, blows),
            // One history is enough to read at once.
            if at == 0 {
                findings(outcome)
            } else {
                broken(outcome)
            },
            name(&scene),
            strikes.join(" ")
        );
    }
    text
}

/// The faults and their calls. Those after the first fault are not the same as without one, and go by their number alone.
fn described(calls: &[Call], blows: &[(u64, CallFault)]) -> String {
    let mut parts = Vec::new();
    for (at, (number, fault)) in blows.iter().enumerate() {
        let call = usize::try_from(*number).ok().and_then(|at| calls.get(at));
        parts.push(match call.filter(|_| at == 0) {
            Some(call) => format!(
                "{} at call {number} ({} of {})",
                name(fault),
                call.operation.trim_end(),
                call.function.name()
            ),
            None => format!("{} at call {number}", name(fault)),
        });
    }
    parts.join(", ")
}

/// What the command line calls it.
fn name(value: &impl clap::ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}
