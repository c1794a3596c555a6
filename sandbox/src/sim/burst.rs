//! A burst: many videos at once, all with jobs of the same length, and how long and how much the gate takes for them.
//!
//! It runs as every simulation does, and all that must hold is checked. But for the workload, it differs in that faults last until the
//! last video is settled, and that people leave the gate alone.

use std::collections::BTreeMap;
use std::time::Duration;

use super::footage::{File, Footage};
use super::plan::{Level, Plan};
use super::run::{LOOK_EVERY, Options, Run, on_paused_time, stream};
use super::usage::Usage;
use super::workload::{Action, Workload, job_faults};
use crate::rekognition;
use crate::sfn::ExecutionStatus;

/// Slots, and jobs that the account may have open.
const SLOTS: u32 = 20;

/// How long each job takes.
const JOB: Duration = Duration::from_mins(5);

/// How much longer than its job a video is, as the emulated Rekognition has it.
const VIDEO_JOBS: u32 = 2;

/// Size of each video: ten minutes for the web.
const VIDEO_BYTES: u64 = 100_000_000;

/// One video of so many carries labels that the policy rejects.
const REJECTED_EVERY: usize = 4;

/// Uploads a second: nearly what StartExecution's quota lets through for good (services.toml), so all that is behind is the gate's own.
const UPLOADS_PER_S: usize = 250;

/// When the operator asks for a sweep after the last upload, if upload events may be lost.
const SWEEP_AFTER: Duration = Duration::from_mins(10);

/// It is given up after this many times the ideal, and the time that a fault at its end may cost.
const GIVE_UP_RATIO: u32 = 2;
const GIVE_UP_AFTER: Duration = Duration::from_hours(1);

/// A burst to be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// From which chance is drawn.
    pub seed: u64,
    /// Videos.
    pub videos: usize,
    /// How much goes wrong.
    pub level: Level,
}

/// What came of a burst.
#[derive(Debug)]
pub struct Settled {
    /// What was simulated.
    pub burst: Burst,
    /// From the first upload until the last execution has ended.
    pub makespan: Duration,
    /// The same if a slot never waited between two jobs: the sum of all jobs over the slots, or one job if that is longer.
    pub ideal: Duration,
    /// What the gate used until nothing was left in its ledger.
    pub usage: Usage,
    /// What went wrong, by kind, how often.
    pub faults: BTreeMap<String, u64>,
    /// Invariants that do not hold.
    pub broken: Vec<String>,
}

impl Settled {
    /// How many times the ideal it took.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.makespan.as_secs_f64() / self.ideal.as_secs_f64()
    }
}

/// Simulates a burst.
///
/// # Errors
/// When the gate cannot be deployed.
pub fn burst(burst: Burst) -> anyhow::Result<Settled> {
    on_paused_time(burst.seed, simulate(burst))
}

async fn simulate(burst: Burst) -> anyhow::Result<Settled> {
    let options = Options {
        seed: burst.seed,
        videos: burst.videos,
        level: burst.level,
        keep_history: false,
    };
    let plan = Plan::of(burst.level, &mut stream(burst.seed, 1));
    let job_faults = job_faults(&mut stream(burst.seed, 2), &plan, burst.videos);
    let workload = uploads(burst.videos, job_faults);
    let mut run = Run::deploy(options, plan, &workload).await?;
    run.let_loose(workload.lasts, workload.job_faults.clone(), None);
    let result = play(&mut run, burst, workload).await;
    run.tear_down();
    result
}

async fn play(run: &mut Run, burst: Burst, workload: Workload) -> anyhow::Result<Settled> {
    let ideal = ideal(burst.videos);
    let began_ms = run.stage.now_ms();
    let began = tokio::time::Instant::now();
    for (at, action) in workload.actions {
        tokio::time::sleep_until(began + at).await;
        run.people.act(action).await?;
    }
    let uploaded = began.elapsed();
    let mut swept = burst.level == Level::None;
    while !all_ended(run, burst.videos) && !run.stage.is_broken() {
        tokio::time::sleep(LOOK_EVERY).await;
        if !swept && began.elapsed() > uploaded + SWEEP_AFTER {
            swept = true;
            run.sweep()?;
        }
        let given_up = GIVE_UP_RATIO * ideal + GIVE_UP_AFTER;
        if began.elapsed() > given_up {
            run.stage.broken(format!("not settled after {given_up:?}"));
        }
    }
    let makespan = makespan(run, began_ms);
    // Calls and invocations are struck no more.
    run.let_loose(Duration::ZERO, rekognition::Faults::default(), None);
    run.calm().await?;
    run.settle().await?;
    let jobs = u32::try_from(run.aws.rekognition.started_jobs()).unwrap_or(u32::MAX);
    let usage = Usage::of_gate(&run.aws, run.people.steps.bills(), VIDEO_JOBS * JOB * jobs);
    run.check().await?;
    let inner = run.stage.lock();
    Ok(Settled {
        burst,
        makespan,
        ideal,
        usage,
        faults: inner.faults.clone(),
        broken: inner.broken.clone(),
    })
}

fn ideal(videos: usize) -> Duration {
    let videos = u32::try_from(videos).unwrap_or(u32::MAX);
    (JOB * videos / SLOTS).max(JOB)
}

fn uploads(videos: usize, job_faults: rekognition::Faults) -> Workload {
    let upload = |number: usize| {
        let footage = if number % REJECTED_EVERY == REJECTED_EVERY - 1 {
            Footage::Violent
        } else {
            Footage::Clean
        };
        let video = VIDEO_JOBS * JOB;
        let file = File {
            footage,
            size_bytes: VIDEO_BYTES,
            duration_ms: u64::try_from(video.as_millis()).unwrap_or(u64::MAX),
            mark: number as u64,
        };
        let key = format!("burst/{number:06}.mp4");
        let at = Duration::from_millis((number * 1000 / UPLOADS_PER_S) as u64);
        let told = true;
        (at, Action::Upload { key, file, told })
    };
    Workload {
        job_faults,
        actions: (0..videos).map(upload).collect(),
        ..Workload::nothing(SLOTS)
    }
}

fn all_ended(run: &Run, videos: usize) -> bool {
    let sfn = &run.aws.sfn;
    sfn.executions_started() >= videos && sfn.execution_count(ExecutionStatus::Running) == 0
}

fn makespan(run: &Run, began_ms: i64) -> Duration {
    let inner = run.stage.lock();
    let ends = inner
        .truth
        .versions
        .iter()
        .filter_map(|version| version.statuses.last());
    let last_ms = ends.map(|(at_ms, _)| *at_ms).max().unwrap_or(began_ms);
    Duration::from_millis(u64::try_from(last_ms - began_ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ideal_is_that_of_busy_slots_but_never_less_than_one_job() {
        assert_eq!(ideal(1000), Duration::from_mins(250));
        assert_eq!(ideal(3), JOB);
    }
}
