//! Peak memory where it is greatest: a worker with as many tasks as there are slots, and a callback with a huge result.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use sandbox::stack::Function;
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::program;
use crate::start::{Started, start};
use crate::table::megabytes;

/// Starts of each, of which the greatest peak counts.
const STARTS: usize = 3;
/// Tasks that wait for the worker: as many as there are slots by default.
const TASKS: usize = 20;
/// The least rows of the callback's result.
const ROWS: usize = 100_000;
/// Peak MB of a worker that takes all tasks.
const WORKER_MB_MAX: f64 = 16.0;
/// Peak MB of a callback that reads all rows.
const CALLBACK_MB_MAX: f64 = 24.0;

/// Measures both programs, whose names are the functions' behind `prefix`; returns the figures, and every bar that was broken.
pub(crate) async fn measure(
    programs: &Path,
    prefix: &str,
    log: &Path,
) -> anyhow::Result<(String, Vec<String>)> {
    let (mut worker, mut callback) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        worker.push(dispatch(programs, prefix, log).await?);
        callback.push(settle(programs, prefix, log).await?);
    }
    let (mut text, mut broken) = (String::new(), Vec::new());
    let figures = [
        (
            format!("{prefix}activity-worker with {TASKS} tasks"),
            worker,
            WORKER_MB_MAX,
        ),
        (
            format!("{prefix}moderation-callback with {ROWS} label rows"),
            callback,
            CALLBACK_MB_MAX,
        ),
    ];
    for (what, starts, max) in figures {
        let peaks: Option<Vec<u64>> = starts.iter().map(|start| start.peak_bytes).collect();
        let Some(peak) = peaks.and_then(|peaks| peaks.into_iter().max()) else {
            let _ = writeln!(text, "{what}: this system does not tell the peak RSS");
            continue;
        };
        let took = starts
            .iter()
            .map(|start| start.first)
            .min()
            .unwrap_or_default();
        let peak_mb = megabytes(peak);
        let _ = writeln!(
            text,
            "{what}: peak RSS {peak_mb:.1} MB of {max} MB, {} ms from the spawn to the response",
            took.as_millis()
        );
        if peak_mb > max {
            broken.push(format!(
                "{what}: peak RSS is {peak_mb:.1} MB, and may be {max} MB"
            ));
        }
    }
    Ok((text, broken))
}

/// A tick that brings the worker as many tasks as there are slots.
async fn dispatch(programs: &Path, prefix: &str, log: &Path) -> anyhow::Result<Started> {
    let function = Function::ActivityWorker;
    let mut gate = Gate::deploy(function, &[Function::IngestTrigger], None).await?;
    gate.tasks(TASKS).await?;
    let name = format!("{prefix}{}", function.name());
    let worker = program(programs, &name, gate.environment(function))?;
    let started = start(&worker, &[gate.tick()], log).await?;
    let answer = answer(&started)?;
    ensure!(
        answer["tasks"] == TASKS && answer["failed"] == 0,
        "the worker answered {answer}"
    );
    Ok(started)
}

/// The completion of a job with a result of very many rows.
async fn settle(programs: &Path, prefix: &str, log: &Path) -> anyhow::Result<Started> {
    let labels = tempfile::tempdir()?;
    std::fs::write(labels.path().join("clip-0.mp4.labels.json"), labels_file())?;
    let function = Function::ModerationCallback;
    let others = [Function::IngestTrigger, Function::ActivityWorker];
    let mut gate = Gate::deploy(function, &others, Some(labels.path().to_owned())).await?;
    let (event, rows) = gate.completion().await?;
    ensure!(rows >= ROWS, "the result has only {rows} rows");
    let name = format!("{prefix}{}", function.name());
    let callback = program(programs, &name, gate.environment(function))?;
    let started = start(&callback, &[event], log).await?;
    let answer = answer(&started)?;
    ensure!(
        answer["settled"] == json!(["Advanced"]),
        "the callback answered {answer}"
    );
    Ok(started)
}

/// Separate sightings of a label of the third level: each is reported with its two ancestors.
fn labels_file() -> String {
    let labels: Vec<Value> = (0..=ROWS / 3)
        .map(|index| json!({"name": "Weapon Violence", "confidence": 90, "start": time(index), "end": time(index) + 1.0}))
        .collect();
    json!({"labels": labels}).to_string()
}

/// Start of a sighting in seconds.
fn time(index: usize) -> f64 {
    f64::from(u32::try_from(index).unwrap_or(u32::MAX)) * 2.0
}

fn answer(started: &Started) -> anyhow::Result<Value> {
    let answer = started.answers.first().context("no answer")?;
    Ok(serde_json::from_str(answer)?)
}
