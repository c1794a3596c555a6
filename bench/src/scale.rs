//! Bursts of growing size and an idle month, simulated: whether the makespan is near the ideal, the cost of a video is the same however many
//! there are, and a gate that does nothing costs nothing to speak of.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use sandbox::sim::{Burst, Design, Level, Settled, Usage, burst, idle};
use tokio::time::Instant;

use crate::prices::{ARM64_GB_SECOND, Costs, X86_GB_SECOND, count};

/// A burst may take as many times the ideal, …
const RATIO_MAX: f64 = 1.02;
/// … and as many times when things go wrong as usual.
const USUAL_RATIO_MAX: f64 = 1.25;

/// A figure of a video may be as many times that of the smallest burst.
const GROWTH_MAX: f64 = 1.05;

/// The gate's Lambda bill of an idle month may be this part of the seed's, and so may its compute.
const IDLE_PART_MAX: f64 = 0.01;

/// An idle month.
const MONTH: Duration = Duration::from_hours(30 * 24);

/// Unoptimised builds nest the SDKs' futures deeper than a thread's usual stack.
const STACK_BYTES: usize = 32 << 20;

/// What is simulated.
#[derive(Debug, Args)]
pub(crate) struct Scale {
    /// Also 100,000 videos at once, which takes long.
    #[arg(long)]
    pub(crate) full: bool,

    /// Sizes of the bursts, instead of 1000 and 10000: the first is what the others are compared with. The bars
    /// are made for 1000 and more: a smaller burst is over before what a fault delayed is made up for.
    #[arg(long, value_delimiter = ',', conflicts_with = "full")]
    pub(crate) videos: Vec<usize>,

    /// Seed of the bursts.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

impl Scale {
    fn bursts(&self) -> Vec<Burst> {
        let sizes = match (self.videos.as_slice(), self.full) {
            ([], false) => &[1_000, 10_000][..],
            ([], true) => &[1_000, 10_000, 100_000][..],
            (sizes, _) => sizes,
        };
        let first = sizes.first().map(|videos| (*videos, Level::Usual));
        let quiet = sizes.iter().map(|videos| (*videos, Level::None));
        quiet
            .chain(first)
            .map(|(videos, level)| Burst {
                seed: self.seed,
                videos,
                level,
            })
            .collect()
    }
}

/// Simulates and tells everything; returns whether all bars hold.
pub(crate) fn scale(arguments: &Scale) -> anyhow::Result<bool> {
    let mut out = std::io::stdout();
    let months = in_thread(|| Ok((idle(Design::Gate, MONTH)?, idle(Design::Seed, MONTH)?)))?;
    let (text, mut broken) = idle_table(&months.0, &months.1);
    writeln!(out, "An idle month of 30 days.\n\n{text}")?;
    let mut all = Vec::new();
    for one in arguments.bursts() {
        let began = Instant::now();
        let settled = in_thread(move || burst(one))?;
        writeln!(
            out,
            "{} videos, {}: simulated in {:.0} s, {} faults",
            one.videos,
            level(one.level),
            began.elapsed().as_secs_f64(),
            settled.faults.values().sum::<u64>()
        )?;
        all.push(settled);
    }
    let (text, over) = burst_table(&all);
    writeln!(out, "\nBursts, jobs of 300 s, 20 slots.\n\n{text}")?;
    broken.extend(over);
    for bar in &broken {
        writeln!(out, "BROKEN: {bar}")?;
    }
    if broken.is_empty() {
        writeln!(out, "All bars hold.")?;
    }
    Ok(broken.is_empty())
}

fn in_thread<T: Send>(run: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, run)?;
        thread
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the simulation panicked")))
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::None => "no faults",
        Level::Usual => "usual faults",
        Level::Hostile => "hostile faults",
    }
}

/// Both designs side by side, and the bars that do not hold.
fn idle_table(gate: &Usage, seed: &Usage) -> (String, Vec<String>) {
    let mut text = "| | gate | seed's design | gate / seed |\n|---|---:|---:|---:|\n".to_owned();
    let mut row = |name: &str, gate: f64, seed: f64, decimals: usize| {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {name} | {gate:.decimals$} | {seed:.decimals$} | {:.2} % |",
            100.0 * gate / seed
        );
    };
    let costs = Costs::of(gate, ARM64_GB_SECOND);
    let [x86, arm64] = [X86_GB_SECOND, ARM64_GB_SECOND].map(|price| Costs::of(seed, price));
    row(
        "Lambda invocations",
        count(gate.invocations()),
        count(seed.invocations()),
        0,
    );
    row("Lambda GB-seconds", gate.gb_seconds(), seed.gb_seconds(), 0);
    row(
        "Lambda compute, $ (seed on x86)",
        costs.compute,
        x86.compute,
        4,
    );
    row("Lambda requests, $", costs.invocations, x86.invocations, 4);
    row("compute and requests, $", costs.lambda(), x86.lambda(), 4);
    row(
        "compute and requests, $, seed on arm64",
        costs.lambda(),
        arm64.lambda(),
        4,
    );
    row(
        "calls to Step Functions",
        calls(gate, "states"),
        calls(seed, "states"),
        0,
    );
    let s3 = calls(gate, "s3");
    let _ = writeln!(text, "| requests to S3 | {s3:.0} | 0 | |");
    let parts = [
        ("GB-seconds", gate.gb_seconds() / seed.gb_seconds()),
        ("Lambda bill", costs.lambda() / arm64.lambda()),
    ];
    let broken = parts
        .iter()
        .filter(|(_, part)| *part > IDLE_PART_MAX)
        .map(|(what, part)| {
            format!(
                "the idle gate's {what} are {:.2} % of the seed's, and may be {} %",
                100.0 * part,
                100.0 * IDLE_PART_MAX
            )
        })
        .collect();
    (text, broken)
}

fn calls(usage: &Usage, service: &str) -> f64 {
    let of = usage.calls.iter().filter(|((name, _), _)| name == service);
    count(of.map(|(_, calls)| calls).sum())
}

/// A figure of a burst.
struct Figure {
    name: &'static str,
    decimals: usize,
    value: fn(&Settled) -> f64,
}

/// All per video.
const FIGURES: [Figure; 12] = [
    figure("Lambda GB-seconds", 3, |settled| {
        per_video(settled, settled.usage.gb_seconds())
    }),
    figure("Lambda invocations", 2, |settled| {
        per_video(settled, count(settled.usage.invocations()))
    }),
    figure("requests to S3", 1, |settled| {
        per_video(settled, calls(&settled.usage, "s3"))
    }),
    figure("calls to Step Functions", 2, |settled| {
        per_video(settled, calls(&settled.usage, "states"))
    }),
    figure("– of them ListExecutions", 2, |settled| {
        let lists = settled.usage.calls_of("states", "ListExecutions");
        per_video(settled, count(lists))
    }),
    figure("state transitions", 2, |settled| {
        per_video(settled, count(settled.usage.transitions))
    }),
    figure("Lambda, thousandths of a $", 4, |settled| {
        1000.0 * per_video(settled, costs(settled).lambda())
    }),
    figure("S3, thousandths of a $", 4, |settled| {
        1000.0 * per_video(settled, costs(settled).s3)
    }),
    figure("Step Functions, thousandths of a $", 4, |settled| {
        1000.0 * per_video(settled, costs(settled).transitions)
    }),
    figure("SNS, thousandths of a $", 4, |settled| {
        1000.0 * per_video(settled, costs(settled).messages)
    }),
    figure("all of these, thousandths of a $", 4, |settled| {
        1000.0 * per_video(settled, costs(settled).without_scans())
    }),
    figure("Rekognition, thousandths of a $", 0, |settled| {
        1000.0 * per_video(settled, costs(settled).scans)
    }),
];

const fn figure(name: &'static str, decimals: usize, value: fn(&Settled) -> f64) -> Figure {
    Figure {
        name,
        decimals,
        value,
    }
}

fn costs(settled: &Settled) -> Costs {
    Costs::of(&settled.usage, ARM64_GB_SECOND)
}

fn per_video(settled: &Settled, whole: f64) -> f64 {
    whole / count(settled.burst.videos as u64)
}

/// All bursts side by side, and the bars that do not hold. The first is what the others without faults are compared with.
fn burst_table(all: &[Settled]) -> (String, Vec<String>) {
    let mut broken = Vec::new();
    let mut text = "| |".to_owned();
    for settled in all {
        let Burst {
            videos, level: of, ..
        } = settled.burst;
        let _ = write!(text, " {videos} videos, {} |", level(of));
    }
    let _ = writeln!(text, "\n|---|{}", "---:|".repeat(all.len()));
    let mut row = |name: &str, value: &dyn Fn(&Settled) -> String| {
        let _ = write!(text, "| {name} |");
        for settled in all {
            let _ = write!(text, " {} |", value(settled));
        }
        let _ = writeln!(text);
    };
    row("makespan, h", &|settled| hours(settled.makespan));
    row("ideal, h", &|settled| hours(settled.ideal));
    row("makespan / ideal", &|settled| {
        format!("{:.4}", settled.ratio())
    });
    for figure in &FIGURES {
        let decimals = figure.decimals;
        row(figure.name, &|settled| {
            format!("{:.decimals$}", (figure.value)(settled))
        });
    }
    for settled in all {
        broken.extend(over_bars(settled, all.first()));
    }
    (text, broken)
}

fn over_bars(settled: &Settled, first: Option<&Settled>) -> Vec<String> {
    let Burst {
        videos, level: of, ..
    } = settled.burst;
    let name = format!("{videos} videos, {}", level(of));
    let mut broken: Vec<String> = settled
        .broken
        .iter()
        .map(|invariant| format!("{name}: {invariant}"))
        .collect();
    let max = if of == Level::None {
        RATIO_MAX
    } else {
        USUAL_RATIO_MAX
    };
    let ratio = settled.ratio();
    if ratio > max {
        broken.push(format!(
            "{name}: took {ratio:.4} × the ideal, and may take {max} ×"
        ));
    }
    let Some(first) = first.filter(|_| of == Level::None) else {
        return broken;
    };
    for figure in &FIGURES {
        let growth = (figure.value)(settled) / (figure.value)(first);
        if growth > GROWTH_MAX {
            broken.push(format!(
                "{name}: {} per video grew to {growth:.3} × that of the first burst, and may be {GROWTH_MAX} ×",
                figure.name
            ));
        }
    }
    broken
}

fn hours(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64() / 3600.0)
}
