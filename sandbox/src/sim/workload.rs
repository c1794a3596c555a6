//! What people do during a run: uploads of many kinds, and whatever else happens to a gate in use.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use workflow::ledger::Schema;

use super::footage::{Fate, File, Footage};
use super::plan::Plan;
use super::truth::Policy;
use crate::rekognition;
use crate::stack::Function;

/// Something that somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Uploads a file at once, as the next version of a key.
    Upload {
        /// The key.
        key: String,
        /// The file.
        file: File,
        /// Whether the notification of it arrives, if nothing else goes wrong.
        told: bool,
    },
    /// Begins to upload a small file in parts: as a version it is as old as its beginning.
    BeginParts {
        /// By which it is completed.
        number: usize,
        /// The key.
        key: String,
        /// The file.
        file: File,
    },
    /// Completes an upload in parts.
    CompleteParts(usize),
    /// Removes an uploaded version for good; the number is that of the upload.
    Delete(usize),
    /// Deletes the key of an upload in the approved bucket.
    Takedown(usize),
    /// Stops the execution of an upload.
    Stop(usize),
    /// Redrives the execution of an upload.
    Redrive(usize),
    /// Starts an execution by hand, with an input that is no upload.
    StartByHand,
    /// Edits the policy.
    Policy(Policy),
    /// Lets the results of all ended jobs expire.
    ExpireResults,
    /// Changes how many jobs the account may have open.
    JobLimit(usize),
    /// Deploys the functions with another `MAX_JOBS`.
    MaxJobs(u32),
    /// Deploys one function of another release; the others stay as they are.
    Deploy(Function, Release),
    /// Disables the schedules, or enables them again.
    Schedules(bool),
}

/// What of a release matters to the others that work at the same time: the ledger's documents that it reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Reads the next schema of the ledger's documents, and writes this one.
    Expanded,
    /// Reads and writes the next one.
    Next,
}

impl Release {
    pub(super) fn schema(self) -> Schema {
        let Schema { written, .. } = Schema::CURRENT;
        let next = written + 1;
        Schema {
            written: match self {
                Self::Expanded => written,
                Self::Next => next,
            },
            read_max: next,
        }
    }
}

/// A workload: what is done when.
#[derive(Debug, Clone)]
pub struct Workload {
    /// `MAX_JOBS` at first.
    pub max_jobs: u32,
    /// The spending cap at first.
    pub max_video_minutes_a_day: Option<u32>,
    /// TimeoutSeconds of the state machine, if not its default.
    pub machine_timeout: Option<Duration>,
    /// Which jobs fail, and of which the end is told how often.
    pub job_faults: rekognition::Faults,
    /// How long until nothing goes wrong any more: not before the last action.
    pub lasts: Duration,
    /// In order of time.
    pub actions: Vec<(Duration, Action)>,
}

/// How uploads come.
#[derive(Debug, Clone, Copy)]
enum Arrival {
    Burst,
    Trickle,
    Waves,
}

/// Jobs of a run that draw whether they fail.
const JOBS_DRAWN_PER_VIDEO: usize = 6;

/// Smaller files are uploaded in parts now and then: their bytes are real.
const PARTS_BYTES_MAX: u64 = 200_000;

const MINUTE_MS: f64 = 60_000.0;
const GIB: u64 = 1 << 30;

impl Workload {
    /// A workload of so many uploads.
    #[must_use]
    pub fn draw(rng: &mut ChaCha8Rng, plan: &Plan, videos: usize) -> Self {
        let max_jobs = match rng.random_range(0..4) {
            0 => rng.random_range(1..4),
            1 => rng.random_range(4..12),
            _ => 20,
        };
        let keys = rng.random_range(1..=videos.max(1));
        let arrival =
            [Arrival::Burst, Arrival::Trickle, Arrival::Waves][rng.random_range(0..3_usize)];
        let span_ms = log_uniform(rng, MINUTE_MS, 300.0 * MINUTE_MS);
        let longest_ms = log_uniform(rng, 10_000.0, 20.0 * MINUTE_MS);
        let mut uploads: Vec<f64> = (0..videos)
            .map(|_| match arrival {
                Arrival::Burst => rng.random::<f64>() * MINUTE_MS,
                Arrival::Trickle => rng.random::<f64>() * span_ms,
                Arrival::Waves => {
                    let wave = f64::from(rng.random_range(0..4_u32)) / 4.0;
                    wave * span_ms + rng.random::<f64>() * MINUTE_MS
                }
            })
            .collect();
        uploads.sort_by(f64::total_cmp);
        let mut actions = Vec::new();
        if rng.random_bool(plan.interference.deployments) {
            deployments(rng, span_ms, &mut actions);
        }
        let mut files: Vec<File> = Vec::new();
        for (number, at_ms) in uploads.iter().enumerate() {
            let file = match files.last() {
                // The same bytes again: equal ETags.
                Some(_) if rng.random_bool(0.1) => files[rng.random_range(0..files.len())].clone(),
                _ => file(rng, plan, number, longest_ms),
            };
            files.push(file.clone());
            let key = key(rng.random_range(0..keys), file.footage);
            upload(rng, number, *at_ms, key, file, &mut actions);
            interfere(rng, plan, number, *at_ms, longest_ms, &mut actions);
        }
        for _ in 0..plan.outages {
            let from_ms = rng.random::<f64>() * span_ms;
            let lasts_ms = rng.random::<f64>() * plan.outage_max.as_secs_f64() * 1000.0;
            push(&mut actions, from_ms, Action::Schedules(false));
            push(&mut actions, from_ms + lasts_ms, Action::Schedules(true));
        }
        // Stable: what was drawn first happens first at the same time.
        actions.sort_by_key(|(at, _)| *at);
        let last = actions.last().map_or(Duration::ZERO, |(at, _)| *at);
        let short = rng.random_bool(plan.interference.short_machine_timeout);
        let capped = rng.random_bool(plan.interference.spending_cap);
        #[allow(clippy::cast_possible_truncation, reason = "drawn from 1 to 300")]
        let cap_minutes = whole(log_uniform(rng, 1.0, 300.0)) as u32;
        Self {
            max_jobs,
            max_video_minutes_a_day: capped.then_some(cap_minutes),
            machine_timeout: short.then(|| Duration::from_secs(rng.random_range(600..7200))),
            job_faults: job_faults(rng, plan, videos),
            lasts: last + Duration::from_secs(rng.random_range(0..3600)),
            actions,
        }
    }

    /// Nothing, for ever: what a workload written by hand begins with.
    #[must_use]
    pub(super) fn nothing(max_jobs: u32) -> Self {
        Self {
            max_jobs,
            max_video_minutes_a_day: None,
            machine_timeout: None,
            job_faults: rekognition::Faults::default(),
            lasts: Duration::MAX,
            actions: Vec::new(),
        }
    }

    /// How many files it uploads.
    #[must_use]
    pub fn uploads(&self) -> usize {
        let actions = self.actions.iter();
        actions
            .filter(|(_, action)| {
                matches!(action, Action::Upload { .. } | Action::CompleteParts(_))
            })
            .count()
    }
}

/// An upload at once, or of a small file in parts, which may take long.
fn upload(
    rng: &mut ChaCha8Rng,
    number: usize,
    at_ms: f64,
    key: String,
    file: File,
    actions: &mut Vec<(Duration, Action)>,
) {
    let may_be_in_parts = file.size_bytes < PARTS_BYTES_MAX
        && file.footage.fate() != Fate::Ignored
        // Its labels are more than S3 takes as metadata, which only an upload at once gets around here.
        && file.footage != Footage::Crowded;
    if may_be_in_parts && rng.random_bool(0.5) {
        let takes_ms = log_uniform(rng, 100.0, 30.0 * MINUTE_MS);
        push(actions, at_ms, Action::BeginParts { number, key, file });
        push(actions, at_ms + takes_ms, Action::CompleteParts(number));
    } else {
        let told = true;
        push(actions, at_ms, Action::Upload { key, file, told });
    }
}

/// Functions of two releases beside each other: one after the other is deployed, and some are rolled back.
fn deployments(rng: &mut ChaCha8Rng, span_ms: f64, actions: &mut Vec<(Duration, Action)>) {
    for function in Function::ALL {
        push(actions, 0.0, Action::Deploy(function, Release::Expanded));
        let next_ms = rng.random::<f64>() * span_ms;
        push(actions, next_ms, Action::Deploy(function, Release::Next));
        if rng.random_bool(0.3) {
            let back_ms = next_ms + rng.random::<f64>() * span_ms;
            push(
                actions,
                back_ms,
                Action::Deploy(function, Release::Expanded),
            );
        }
    }
}

/// What else happens about an upload.
fn interfere(
    rng: &mut ChaCha8Rng,
    plan: &Plan,
    number: usize,
    at_ms: f64,
    longest_ms: f64,
    actions: &mut Vec<(Duration, Action)>,
) {
    let often = plan.interference;
    let soon_ms =
        |rng: &mut ChaCha8Rng| at_ms + log_uniform(rng, 100.0, 6.0 * longest_ms + MINUTE_MS);
    if rng.random_bool(often.stop) {
        let stop_ms = soon_ms(rng);
        push(actions, stop_ms, Action::Stop(number));
        if rng.random_bool(0.5) {
            let redrive_ms = stop_ms + log_uniform(rng, 100.0, 30.0 * MINUTE_MS);
            push(actions, redrive_ms, Action::Redrive(number));
        }
    }
    let policies = [
        Policy::Default,
        Policy::Lenient,
        Policy::Strict,
        Policy::Unusable,
    ];
    for (probability, action) in [
        (often.redrive, Action::Redrive(number)),
        (often.by_hand, Action::StartByHand),
        (often.delete, Action::Delete(number)),
        (often.takedown, Action::Takedown(number)),
        (
            often.policy,
            Action::Policy(policies[rng.random_range(0..policies.len())]),
        ),
        (often.expire_results, Action::ExpireResults),
        (often.job_limit, Action::JobLimit(rng.random_range(0..=20))),
        (often.max_jobs, Action::MaxJobs(rng.random_range(0..=20))),
    ] {
        if rng.random_bool(probability) {
            let when_ms = soon_ms(rng);
            push(actions, when_ms, action);
        }
    }
}

/// Which jobs fail, and of which the end is told how often.
pub(super) fn job_faults(rng: &mut ChaCha8Rng, plan: &Plan, videos: usize) -> rekognition::Faults {
    let count = (videos * JOBS_DRAWN_PER_VIDEO) as u64;
    let mut drawn = |probability: f64| -> BTreeSet<u64> {
        (1..=count)
            .filter(|_| probability > 0.0 && rng.random_bool(probability))
            .collect()
    };
    rekognition::Faults {
        fail_jobs: drawn(plan.jobs.failed),
        lose_notifications: drawn(plan.jobs.untold),
        repeat_notifications: drawn(plan.jobs.told_twice),
        page_rows_max: plan.jobs.page_rows_max,
        ..rekognition::Faults::default()
    }
}

fn file(rng: &mut ChaCha8Rng, plan: &Plan, number: usize, longest_ms: f64) -> File {
    let footage = match rng.random_range(0..100) {
        // Not in pages of a few rows: no function's time is enough for so many.
        0 if plan.jobs.page_rows_max.is_none() && rng.random_bool(0.1) => Footage::Crowded,
        0..50 => Footage::Clean,
        50..58 => Footage::Faint,
        58..68 => Footage::Borderline,
        68..85 => Footage::Violent,
        85..87 => Footage::Hevc,
        87..88 => Footage::TwoTracks,
        88..90 => Footage::Archive,
        90..91 => Footage::TooLong,
        91..92 => Footage::TooLarge,
        92..96 => Footage::Broken,
        96..98 => Footage::Empty,
        _ => Footage::Folder,
    };
    let size_bytes = match footage {
        Footage::Empty | Footage::Folder => 0,
        Footage::TooLarge => 10 * GIB + 1 + rng.random_range(0..GIB),
        _ if rng.random_bool(0.02) => rng.random_range(5 * GIB..=10 * GIB),
        _ => whole(log_uniform(rng, 1e4, 2e9)),
    };
    let duration_ms = match footage {
        Footage::TooLong => 6 * 3_600_000 + 1,
        _ if rng.random_bool(0.005) => rng.random_range(1..=6 * 3_600_000),
        _ => whole(log_uniform(rng, 1000.0, longest_ms)),
    };
    File {
        footage,
        size_bytes,
        duration_ms,
        mark: number as u64,
    }
}

/// Keys of all kinds that S3 takes.
fn key(number: usize, footage: Footage) -> String {
    if footage == Footage::Folder {
        return format!("folder {number}/");
    }
    match number % 7 {
        0 => format!("a b+c%20/🎬 {number}.mp4"),
        1 => format!("deep/er/{number}/clip.mp4"),
        2 => format!("..{number}"),
        // Both begin alike, and one is a prefix of the other's versions.
        3 => format!("take-{number}"),
        4 => format!("take-{}0", number - 1),
        _ => format!("{number}.mov"),
    }
}

fn push(actions: &mut Vec<(Duration, Action)>, at_ms: f64, action: Action) {
    actions.push((Duration::from_millis(whole(at_ms)), action));
}

fn log_uniform(rng: &mut ChaCha8Rng, from: f64, to: f64) -> f64 {
    from * (to / from).powf(rng.random())
}

fn whole(value: f64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "drawn from positive numbers far below 2^53"
    )]
    let whole = value as u64;
    whole
}
