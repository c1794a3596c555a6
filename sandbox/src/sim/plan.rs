//! What may go wrong in a run, and how likely it is: plain numbers, drawn once from the seed.

use std::time::Duration;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use crate::delivery::DeliveryFaults;
use crate::sfn;

/// How much goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Level {
    /// Nothing, but calls take their time.
    None,
    /// What a bad month on AWS may bring.
    Usual,
    /// Everything that AWS's documents allow, far more often than it happens; each seed draws which, and how often.
    Hostile,
}

/// Probabilities are from 0 to 1: of each call, message, job or invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What may happen to calls.
    pub calls: CallFaults,
    /// What may happen to invocations.
    pub invocations: InvocationFaults,
    /// What may happen to messages of topics.
    pub messages: DeliveryFaults,
    /// What may happen to status events and ticks.
    pub events: DeliveryFaults,
    /// What may happen to jobs.
    pub jobs: JobFaults,
    /// How far reads of executions lag behind.
    pub lags: sfn::Faults,
    /// Times at which one service mostly fails.
    pub storms: usize,
    /// Times without a schedule, …
    pub outages: usize,
    /// … and how long one lasts at most.
    pub outage_max: Duration,
    /// Concurrent invocations that the account allows.
    pub account_concurrency: usize,
    /// What people and quotas do meanwhile.
    pub interference: Interference,
}

/// What may happen to a call of a function.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CallFaults {
    /// The function is killed before the service acts.
    pub crash_before: f64,
    /// The function is killed after the service acted.
    pub crash_after: f64,
    /// The function is killed while the request is on its way.
    pub crash_during: f64,
    /// The connection breaks while the request is on its way.
    pub reset_during: f64,
    /// The service is at a limit.
    pub throttled: f64,
    /// The service fails and does nothing.
    pub failed: f64,
    /// The connection breaks before the service acts.
    pub reset: f64,
    /// The service acts, and its answer is lost.
    pub answer_lost: f64,
    /// No answer ever comes.
    pub silent: f64,
    /// A conditional write meets another.
    pub conflict: f64,
    /// A copy ends with an error in a success.
    pub error_in_success: f64,
    /// A page token has expired.
    pub page_expired: f64,
    /// Somebody else used the request token.
    pub parameter_mismatch: f64,
    /// After a start without an answer the same start is throttled for minutes.
    pub busy_after_lost: f64,
    /// The call takes far longer than usual.
    pub slow: f64,
}

/// What may happen to an invocation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct InvocationFaults {
    /// Its environment starts cold.
    pub cold: f64,
    /// Its environment was frozen for so long that the connections are dead.
    pub thawed: f64,
    /// It is killed at a random moment of its first minute.
    pub killed: f64,
    /// How far its clock may be from the services'.
    pub clock_skew_ms_max: i64,
}

/// What may happen to a job.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct JobFaults {
    /// It fails, whatever the video.
    pub failed: f64,
    /// Its end is never told.
    pub untold: f64,
    /// Its end is told twice.
    pub told_twice: f64,
    /// Pages hold at most so many rows.
    pub page_rows_max: Option<usize>,
}

/// How often people and quotas interfere: of each video.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Interference {
    /// Its execution is stopped.
    pub stop: f64,
    /// Its execution is redriven later.
    pub redrive: f64,
    /// Somebody starts an execution by hand about then, with an input that is no upload.
    pub by_hand: f64,
    /// People do something just when it matters most.
    pub prompted: f64,
    /// Its version is removed from the raw bucket.
    pub delete: f64,
    /// Its key is taken down in the approved bucket.
    pub takedown: f64,
    /// The policy is edited about then.
    pub policy: f64,
    /// All results of ended jobs expire about then.
    pub expire_results: f64,
    /// The account's limit of jobs is lowered about then.
    pub job_limit: f64,
    /// `MAX_JOBS` is changed about then.
    pub max_jobs: f64,
    /// How likely functions of two releases work side by side in a run.
    pub deployments: f64,
    /// How likely there is a spending cap in a run.
    pub spending_cap: f64,
    /// How likely the state machine's TimeoutSeconds is short in a run.
    pub short_machine_timeout: f64,
}

impl Plan {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self {
            calls: CallFaults::default(),
            invocations: InvocationFaults::default(),
            messages: DeliveryFaults::default(),
            events: DeliveryFaults::default(),
            jobs: JobFaults::default(),
            lags: sfn::Faults::default(),
            storms: 0,
            outages: 0,
            outage_max: Duration::ZERO,
            account_concurrency: 1000,
            interference: Interference::default(),
        }
    }

    /// What a bad month may bring.
    #[must_use]
    pub fn usual() -> Self {
        let messages = DeliveryFaults {
            lost: 0.001,
            repeated: 0.01,
            late: 0.01,
            late_max: Duration::from_mins(1),
        };
        Self {
            calls: CallFaults {
                crash_before: 0.0002,
                crash_after: 0.0002,
                crash_during: 0.0002,
                reset_during: 0.0002,
                throttled: 0.005,
                failed: 0.002,
                reset: 0.001,
                answer_lost: 0.001,
                silent: 0.0001,
                conflict: 0.001,
                error_in_success: 0.002,
                page_expired: 0.001,
                parameter_mismatch: 0.0,
                busy_after_lost: 0.0,
                slow: 0.005,
            },
            invocations: InvocationFaults {
                cold: 0.02,
                thawed: 0.02,
                killed: 0.0005,
                clock_skew_ms_max: 20,
            },
            messages,
            events: messages,
            jobs: JobFaults {
                failed: 0.005,
                untold: 0.002,
                told_twice: 0.005,
                page_rows_max: None,
            },
            lags: sfn::Faults {
                describe_lag_max: Duration::from_millis(500),
                list_lag_max: Duration::from_secs(2),
            },
            interference: Interference {
                stop: 0.01,
                redrive: 0.01,
                by_hand: 0.001,
                delete: 0.005,
                takedown: 0.01,
                policy: 0.005,
                deployments: 0.1,
                ..Interference::default()
            },
            ..Self::none()
        }
    }

    /// Everything, of which each seed has some: a run in which all fails at once seldom comes far enough to be interesting.
    #[must_use]
    pub fn hostile(rng: &mut ChaCha8Rng) -> Self {
        let mut calls = CallFaults::default();
        for (probability, max) in [
            (&mut calls.crash_before, 0.03),
            (&mut calls.crash_after, 0.03),
            (&mut calls.crash_during, 0.03),
            (&mut calls.reset_during, 0.1),
            (&mut calls.throttled, 0.3),
            (&mut calls.failed, 0.2),
            (&mut calls.reset, 0.2),
            (&mut calls.answer_lost, 0.2),
            (&mut calls.silent, 0.01),
            (&mut calls.conflict, 0.2),
            (&mut calls.error_in_success, 0.3),
            (&mut calls.page_expired, 0.3),
            (&mut calls.parameter_mismatch, 0.1),
            (&mut calls.busy_after_lost, 1.0),
            (&mut calls.slow, 0.1),
        ] {
            *probability = sometimes(rng, max);
        }
        let mut interference = Interference::default();
        for (probability, max) in [
            (&mut interference.stop, 0.2),
            (&mut interference.redrive, 0.2),
            (&mut interference.by_hand, 0.05),
            (&mut interference.prompted, 0.5),
            (&mut interference.delete, 0.1),
            (&mut interference.takedown, 0.1),
            (&mut interference.policy, 0.05),
            (&mut interference.expire_results, 0.05),
            (&mut interference.job_limit, 0.1),
            (&mut interference.max_jobs, 0.1),
            (&mut interference.deployments, 0.5),
            (&mut interference.spending_cap, 0.5),
            (&mut interference.short_machine_timeout, 0.2),
        ] {
            *probability = sometimes(rng, max);
        }
        Self {
            calls,
            invocations: InvocationFaults {
                cold: sometimes(rng, 0.5),
                thawed: sometimes(rng, 0.5),
                killed: sometimes(rng, 0.05),
                clock_skew_ms_max: if rng.random_bool(0.5) { 2_000 } else { 0 },
            },
            messages: deliveries(rng, Duration::from_mins(30)),
            // Lambda gives an event of the schedule up that is older than a minute.
            events: deliveries(rng, Duration::from_mins(2)),
            jobs: JobFaults {
                failed: sometimes(rng, 0.2),
                untold: sometimes(rng, 0.5),
                told_twice: sometimes(rng, 0.5),
                page_rows_max: rng.random_bool(0.3).then(|| rng.random_range(1..20)),
            },
            lags: sfn::Faults {
                describe_lag_max: Duration::from_millis(if rng.random_bool(0.5) {
                    2000
                } else {
                    0
                }),
                list_lag_max: Duration::from_secs(if rng.random_bool(0.5) { 30 } else { 0 }),
            },
            storms: rng.random_range(0..3),
            outages: usize::from(rng.random_bool(0.2)),
            outage_max: Duration::from_hours(3),
            account_concurrency: if rng.random_bool(0.3) { 10 } else { 1000 },
            interference,
        }
    }

    /// The plan of a level.
    #[must_use]
    pub fn of(level: Level, rng: &mut ChaCha8Rng) -> Self {
        match level {
            Level::None => Self::none(),
            Level::Usual => Self::usual(),
            Level::Hostile => Self::hostile(rng),
        }
    }
}

/// Half of the time nothing, else up to `max`, small ones as likely as large ones.
fn sometimes(rng: &mut ChaCha8Rng, max: f64) -> f64 {
    if rng.random_bool(0.5) {
        0.0
    } else {
        max * 10_f64.powf(-2.0 * rng.random::<f64>())
    }
}

fn deliveries(rng: &mut ChaCha8Rng, late_max: Duration) -> DeliveryFaults {
    DeliveryFaults {
        lost: sometimes(rng, 0.5),
        repeated: sometimes(rng, 0.5),
        late: sometimes(rng, 0.5),
        late_max,
    }
}
