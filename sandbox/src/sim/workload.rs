//! What people do during a run: uploads of many kinds, and whatever else happens to a gate in use.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::footage::{File, Footage};
use super::plan::Plan;
use super::truth::Policy;
use crate::rekognition;

/// Something that somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Uploads a file as the next version of a key.
    Upload {
        /// The key.
        key: String,
        /// The file.
        file: File,
        /// Whether the notification of it arrives, if nothing else goes wrong.
        told: bool,
    },
    /// Removes an uploaded version for good; the number is that of the upload.
    Delete(usize),
    /// Deletes the key of an upload in the approved bucket.
    Takedown(usize),
    /// Stops the execution of an upload.
    Stop(usize),
    /// Redrives the execution of an upload.
    Redrive(usize),
    /// Edits the policy.
    Policy(Policy),
    /// Lets the results of all ended jobs expire.
    ExpireResults,
    /// Changes how many jobs the account may have open.
    JobLimit(usize),
    /// Deploys the functions with another `MAX_JOBS`.
    MaxJobs(u32),
    /// Disables the schedules, or enables them again.
    Schedules(bool),
}

/// A workload: what is done when.
#[derive(Debug, Clone)]
pub struct Workload {
    /// `MAX_JOBS` at first.
    pub max_jobs: u32,
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
        let mut files: Vec<File> = Vec::new();
        for (number, at_ms) in uploads.iter().enumerate() {
            let file = match files.last() {
                // The same bytes again: equal ETags.
                Some(_) if rng.random_bool(0.1) => files[rng.random_range(0..files.len())].clone(),
                _ => file(rng, number, longest_ms),
            };
            files.push(file.clone());
            let key = key(rng.random_range(0..keys), file.footage);
            let upload = Action::Upload {
                key,
                file,
                told: true,
            };
            push(&mut actions, *at_ms, upload);
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
        Self {
            max_jobs,
            machine_timeout: short.then(|| Duration::from_secs(rng.random_range(600..7200))),
            job_faults: job_faults(rng, plan, videos),
            lasts: last + Duration::from_secs(rng.random_range(0..3600)),
            actions,
        }
    }

    /// How many files it uploads.
    #[must_use]
    pub fn uploads(&self) -> usize {
        let actions = self.actions.iter();
        actions
            .filter(|(_, action)| matches!(action, Action::Upload { .. }))
            .count()
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

fn job_faults(rng: &mut ChaCha8Rng, plan: &Plan, videos: usize) -> rekognition::Faults {
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

fn file(rng: &mut ChaCha8Rng, number: usize, longest_ms: f64) -> File {
    let footage = match rng.random_range(0..100) {
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
