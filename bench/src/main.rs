//! What the gate costs: cold starts and memory of the functions' real programs ([`all`]), and simulated bursts and idle time ([`scale`]).
//!
//! Every program is started alone and for real: a process, its own Runtime API, and the sandbox as the AWS that it calls. The
//! starts of one round are shuffled, so that whatever else the machine does meets all programs alike. Absolute times
//! depend on the machine, so the bars are ratios to the bare function of the same run; memory has bars of its own.

mod arguments;
mod gate;
mod memory;
mod peers;
mod prices;
mod scale;
mod start;
mod table;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Parser as _;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use sandbox::stack::Function;

use arguments::{Arguments, ColdStarts, Command, Variant};
use gate::Gate;
use start::{Program, start};
use table::{Row, table};

/// A simulation allocates more than anything else.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Events of one start: one cold, the others warm.
const EVENTS: usize = 6;

/// What the names of programs with the system's allocator begin with.
const SYSTEM: &str = "system-";

/// A program whose starts are measured.
struct Subject {
    name: String,
    is_held: bool,
    program: Program,
    /// Its events; one that starts it more often than these last begins again at the first.
    events: Vec<String>,
    /// The function's own, while it lives.
    _gate: Option<Gate>,
}

fn main() -> anyhow::Result<ExitCode> {
    let holds = match Arguments::parse().command {
        Command::Starts(starts) => measure_starts(&starts)?,
        Command::Scale(scale) => scale::scale(&scale)?,
    };
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Measures starts and memory; returns whether all bars hold.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn measure_starts(arguments: &ColdStarts) -> anyhow::Result<bool> {
    let logs = tempfile::tempdir()?;
    let log = logs.path().join("log");
    // What the programs wrote says more than their end.
    all(arguments, &log)
        .await
        .map_err(|error| error.context(format!("the logs are in {}", logs.keep().display())))
}

/// Measures everything and tells it; returns whether all bars hold.
async fn all(arguments: &ColdStarts, log: &Path) -> anyhow::Result<bool> {
    let mut out = std::io::stdout();
    let (subjects, notices) = subjects(arguments).await?;
    let rows = rows(&subjects, arguments, log).await?;
    let (text, mut broken) = table(&rows);
    writeln!(
        out,
        "{} shuffled rounds; median (least – greatest); × bare is of medians.\n\n{text}",
        arguments.starts
    )?;
    for notice in notices {
        writeln!(out, "Skipped: {notice}.")?;
    }
    let (text, over) = memory::measure(&arguments.programs, "", log).await?;
    writeln!(out, "\n{text}")?;
    broken.extend(over);
    // To compare with: the bars are not for the other allocator.
    let (text, _) = memory::measure(&arguments.programs, SYSTEM, log).await?;
    writeln!(out, "{text}")?;
    for bar in &broken {
        writeln!(out, "BROKEN: {bar}")?;
    }
    if broken.is_empty() {
        writeln!(out, "All bars hold.")?;
    }
    Ok(broken.is_empty())
}

async fn rows(
    subjects: &[Subject],
    arguments: &ColdStarts,
    log: &Path,
) -> anyhow::Result<Vec<Row>> {
    let mut rows: Vec<Row> = subjects
        .iter()
        .map(|subject| Row {
            name: subject.name.clone(),
            is_held: subject.is_held,
            starts: Vec::new(),
        })
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(arguments.seed);
    let mut order: Vec<usize> = (0..subjects.len()).collect();
    // The first round only brings the files into memory.
    for round in 0..=arguments.starts as usize {
        order.shuffle(&mut rng);
        for &index in &order {
            let subject = &subjects[index];
            let used = subject.events.iter().cycle().skip(round * EVENTS);
            let events: Vec<String> = used.take(EVENTS).cloned().collect();
            let started = start(&subject.program, &events, log).await?;
            if round > 0 {
                rows[index].starts.push(started);
            }
        }
    }
    Ok(rows)
}

/// The bare function first, then the gate's, one with the system's allocator, the variants, and peers in other languages.
async fn subjects(arguments: &ColdStarts) -> anyhow::Result<(Vec<Subject>, Vec<String>)> {
    let mut subjects = vec![bare(arguments).await?];
    for function in Function::ALL {
        subjects.push(subject(function, arguments).await?);
    }
    let worker = Function::ActivityWorker;
    let system = Variant {
        function: Some(worker),
        label: "system allocator".to_owned(),
        program: Some(
            arguments
                .programs
                .join(format!("{SYSTEM}{}", worker.name())),
        ),
        variables: Vec::new(),
    };
    for changed in iter::once(&system).chain(&arguments.variant) {
        subjects.push(variant(changed, arguments).await?);
    }
    let (peers, notices) = peers::peers();
    for peer in peers {
        let like = if peer.ingests {
            subject(Function::IngestTrigger, arguments).await?
        } else {
            bare(arguments).await?
        };
        subjects.push(Subject {
            name: peer.name,
            is_held: false,
            program: Program {
                path: peer.interpreter.into(),
                arguments: vec![peer.script],
                ..like.program.clone()
            },
            ..like
        });
    }
    Ok((subjects, notices))
}

/// The bare function, with the variables that are the allocator's.
async fn bare(arguments: &ColdStarts) -> anyhow::Result<Subject> {
    let gate = Gate::deploy(Function::IngestTrigger, &[], None).await?;
    let mut environment = gate.environment(Function::IngestTrigger);
    environment.retain(|name, _| name.starts_with("MIMALLOC_"));
    Ok(Subject {
        name: "bare".to_owned(),
        is_held: false,
        program: program(&arguments.programs, "bare", environment)?,
        events: vec!["{}".to_owned()],
        _gate: None,
    })
}

/// A function of the gate in a sandbox of its own, with the events that a sandbox would give it.
async fn subject(function: Function, arguments: &ColdStarts) -> anyhow::Result<Subject> {
    let mut gate = Gate::deploy(function, &[], None).await?;
    let events = match function {
        Function::IngestTrigger => {
            let rounds = arguments.starts as usize + 1;
            gate.uploads(rounds * EVENTS).await?
        }
        Function::ActivityWorker | Function::Reconciler => vec![gate.tick()],
        Function::ModerationCallback => vec![gate.repeated_completion().await?],
    };
    let environment = gate.environment(function);
    Ok(Subject {
        name: function.name().to_owned(),
        is_held: true,
        program: program(&arguments.programs, function.name(), environment)?,
        events,
        _gate: Some(gate),
    })
}

async fn variant(changed: &Variant, arguments: &ColdStarts) -> anyhow::Result<Subject> {
    let mut subject = match changed.function {
        Some(function) => subject(function, arguments).await?,
        None => bare(arguments).await?,
    };
    subject.name = format!("{}, {}", subject.name, changed.label);
    subject.is_held = false;
    if let Some(path) = &changed.program {
        subject.program.path = path
            .canonicalize()
            .with_context(|| path.display().to_string())?;
    }
    for (name, value) in &changed.variables {
        let environment = &mut subject.program.environment;
        match value {
            Some(value) => environment.insert(name.clone(), value.clone()),
            None => environment.remove(name),
        };
    }
    Ok(subject)
}

/// A program of the folder.
fn program(
    folder: &Path,
    name: &str,
    environment: BTreeMap<String, String>,
) -> anyhow::Result<Program> {
    let path: PathBuf = folder.join(name);
    ensure!(
        path.is_file(),
        "{} is not there: `just bench` builds it",
        path.display()
    );
    Ok(Program {
        path: path.canonicalize()?,
        arguments: Vec::new(),
        environment,
    })
}
