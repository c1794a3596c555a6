//! `just fuzz [TARGET] [SECONDS]`: damaged inputs for as long as one likes.

// What this program says is its output.
#![allow(clippy::print_stdout)]

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use clap::Parser;
use fuzz::campaign::{self, Tried};
use fuzz::corpus::Seed;
use fuzz::{Outcome, TARGETS, Target};

/// Inputs between two looks at the time.
const ROUND: u32 = 500;

/// Damaged inputs for every parser that takes foreign bytes. What does not hold for one is printed, its input is kept below
/// `target/fuzz`, and the exit code is 1.
#[derive(Debug, Parser)]
struct Arguments {
    /// One target; else all, one after the other.
    #[arg(value_parser = target_names())]
    target: Option<String>,
    /// How long each target is tried.
    #[arg(default_value_t = 60)]
    seconds: u64,
    /// Where the inputs follow from; else from the time.
    #[arg(long)]
    seed: Option<u64>,
    /// Checks this one file with the target instead.
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
}

fn target_names() -> Vec<&'static str> {
    TARGETS.iter().map(|target| target.name).collect()
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let chosen = |target: &&Target| {
        let name = arguments.target.as_deref();
        name.is_none_or(|name| name == target.name)
    };
    let mut targets = TARGETS.iter().filter(chosen);
    if let Some(path) = &arguments.input {
        let target = targets.next().context("no such target")?;
        let outcome = (target.check)(&Seed::read(path)?.bytes);
        println!("{}: {outcome:?}, and all holds", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    let seed = arguments.seed.unwrap_or_else(seed_of_now);
    println!("seed {seed}");
    let mut failed = false;
    for target in targets {
        failed |= !try_out(target, seed, Duration::from_secs(arguments.seconds))?;
    }
    Ok(ExitCode::from(u8::from(failed)))
}

/// Tries inputs until the time is up or one fails. True if all held.
fn try_out(target: &Target, seed: u64, time: Duration) -> anyhow::Result<bool> {
    let corpus = target.corpus()?;
    let (mut tried, slowest) = (Tried::default(), Cell::new(Duration::ZERO));
    let check = |input: &[u8]| {
        let begun = now();
        let outcome: Outcome = (target.check)(input);
        slowest.set(slowest.get().max(begun.elapsed()));
        outcome
    };
    let begun = now();
    for round in 0.. {
        match campaign::run(target, &corpus, seed.wrapping_add(round), ROUND, &check) {
            Ok(more) => tried += more,
            Err(failure) => {
                let path = failure.keep(target)?;
                println!(
                    "{}: {}\n  its input is {}",
                    target.name,
                    failure.reason,
                    path.display()
                );
                return Ok(false);
            }
        }
        if begun.elapsed() >= time {
            break;
        }
    }
    report(target, tried, begun.elapsed(), slowest.get())?;
    Ok(true)
}

fn report(target: &Target, tried: Tried, took: Duration, slowest: Duration) -> anyhow::Result<()> {
    let Some(percent) = (tried.accepted * 100).checked_div(tried.total()) else {
        bail!("{} tried nothing", target.name);
    };
    let milliseconds = u64::try_from(took.as_millis())?.max(1);
    println!(
        "{:12} {:>9} inputs, {:>7}/s, {percent:>2} % accepted, the slowest took {slowest:.1?}",
        target.name,
        tried.total(),
        tried.total() * 1000 / milliseconds,
    );
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it is tried is real time"
)]
fn now() -> Instant {
    Instant::now()
}

/// A seed that nobody tried before.
#[expect(
    clippy::disallowed_methods,
    reason = "other inputs each time are what is asked for"
)]
fn seed_of_now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_1970.map_or(0, |since| since.as_secs())
}
