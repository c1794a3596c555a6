//! One run, from its seed to what was found.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use time::macros::datetime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::chaos::{Chaos, Storm, Strikes};
use super::checks;
use super::history::History;
use super::logs::{Leak, Listener};
use super::people::People;
use super::plan::{Level, Plan};
use super::scene::Scene;
use super::services::SERVICES;
use super::stage::{Sample, Stage};
use super::truth::{Cap, Policy};
use super::workload::{Action, Workload};
use crate::account::Account;
use crate::aws::{Aws, AwsConfig};
use crate::clock::Clock;
use crate::delivery::DeliveryFaults;
use crate::faults::Call;
use crate::rekognition;
use crate::rng::SharedRng;
use crate::sfn;
use crate::stack::in_process::InProcess;
use crate::stack::{Function, Stack, StackOptions};

/// How often it is looked at whether all is quiet, and a sample is taken for the plot.
pub(super) const LOOK_EVERY: Duration = Duration::from_mins(1);

/// What a run is made of: these say all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// From which everything is drawn.
    pub seed: u64,
    /// Uploads.
    pub videos: usize,
    /// How much goes wrong.
    pub level: Level,
    /// Whether all lines of the history are kept, or only the last ones.
    pub keep_history: bool,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What it was made of.
    pub options: Options,
    /// Invariants that do not hold.
    pub broken: Vec<String>,
    /// Everything that happened.
    pub history: History,
    /// What went wrong, by kind, how often.
    pub faults: BTreeMap<String, u64>,
    /// How executions ended, by error name or status, how many.
    pub ends: BTreeMap<String, u64>,
    /// Calls that the functions of a scene made until all was quiet, in order.
    pub calls: Vec<Call>,
    /// Calls that the functions and people made.
    pub service_calls: u64,
    /// Invocations of the functions.
    pub invocations: u64,
    /// How long the run took in its own time.
    pub simulated: Duration,
    /// How long it took until all was quiet once nothing went wrong any more; zero if that never came.
    pub recovery: Duration,
    /// Moments of the plot.
    pub samples: Vec<Sample>,
}

/// Runs a simulation. Everything follows from `options`.
///
/// # Errors
/// When the gate cannot be deployed, which is no finding but a mistake in the simulation.
pub fn run(options: Options) -> anyhow::Result<Outcome> {
    let plan = Plan::of(options.level, &mut stream(options.seed, 1));
    let workload = Workload::draw(&mut stream(options.seed, 2), &plan, options.videos);
    watched(options, plan, workload, None)
}

/// Plays a scene in which nothing goes wrong but what strikes the calls of these numbers.
///
/// # Errors
/// As [`run`].
pub fn play(scene: Scene, strikes: Strikes, keep_history: bool) -> anyhow::Result<Outcome> {
    let workload = scene.workload();
    let options = Options {
        seed: 1,
        videos: workload.uploads(),
        level: Level::None,
        keep_history,
    };
    watched(options, Plan::none(), workload, Some(strikes))
}

/// Runs a simulation whose logs are listened to.
fn watched(
    options: Options,
    plan: Plan,
    workload: Workload,
    strikes: Option<Strikes>,
) -> anyhow::Result<Outcome> {
    let leak = Leak::default();
    let _listener = tracing::subscriber::set_default(Listener(leak.clone()));
    let simulation = simulate(options, plan, workload, strikes, &leak);
    on_paused_time(options.seed, simulation)
}

/// Runs a simulation on this thread, on paused time and on the chance of the seed.
pub(super) fn on_paused_time<T>(
    seed: u64,
    simulation: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    // The SDKs draw their jitter and ids from this.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .context("no runtime can be made")?;
    runtime.block_on(Box::pin(simulation))
}

/// Draws that must not disturb each other come from streams of their own.
pub(super) fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}

/// A run under way.
pub(super) struct Run {
    options: Options,
    plan: Plan,
    pub(super) aws: Aws,
    pub(super) stage: Stage,
    pub(super) people: People,
    pub(super) recovery: Duration,
    /// What the functions called until all was quiet.
    pub(super) calls: Vec<Call>,
}

async fn simulate(
    options: Options,
    plan: Plan,
    workload: Workload,
    strikes: Option<Strikes>,
    leak: &Leak,
) -> anyhow::Result<Outcome> {
    let mut run = Run::deploy(options, plan, &workload).await?;
    let result = run.play(workload, strikes).await;
    if let Some(place) = leak.place() {
        run.stage.broken(format!("a task token is logged: {place}"));
    }
    let functions = run.aws.lambda.stats().functions;
    let invocations = functions.values().map(|stats| stats.invocations).sum();
    run.tear_down();
    result?;
    Ok(run.outcome(invocations))
}

impl Run {
    pub(super) async fn deploy(
        options: Options,
        plan: Plan,
        workload: &Workload,
    ) -> anyhow::Result<Self> {
        let mut rng = stream(options.seed, 3);
        // Runs begin at different moments of the hour, at which leftovers are looked for, and of the day, which a cap is for.
        let origin =
            datetime!(2026-11-01 00:00 UTC) + Duration::from_secs(rng.random_range(0..86_400));
        let clock = Clock::new(origin, 1.0);
        let stage = Stage::new(clock.clone(), options.keep_history);
        let config = AwsConfig {
            account_concurrency: plan.account_concurrency,
            journal: stage.journal(),
            ..AwsConfig::default()
        };
        let aws = Aws::new(
            Account::default(),
            clock,
            SharedRng::seeded(options.seed),
            &config,
        );
        let stack = Stack::new(
            &aws.account,
            StackOptions {
                max_jobs: workload.max_jobs,
                max_video_minutes_a_day: workload.max_video_minutes_a_day,
                policy: Policy::Default.text(),
                machine_timeout: workload.machine_timeout,
                ..StackOptions::default()
            },
        );
        let steps = InProcess::new(&aws, &stack)?;
        stack.deploy(&aws, |function| steps.code(function)).await?;
        let now_ms = stage.now_ms();
        {
            let truth = &mut stage.lock().truth;
            truth.policies.push((now_ms, Policy::Default));
            truth.max_jobs.push((now_ms, workload.max_jobs));
            truth.cap = workload.max_video_minutes_a_day.map(Cap::new);
        }
        let people = People::new(stage.clone(), &aws, &stack, &steps)?;
        Ok(Self {
            options,
            plan,
            aws,
            stage,
            people,
            recovery: Duration::ZERO,
            calls: Vec::new(),
        })
    }

    /// Removes the functions, which hold the services that hold the functions.
    pub(super) fn tear_down(&self) {
        for function in Function::ALL {
            let name = self.people.stack.function_name(function);
            self.aws.lambda.delete_function(&name);
        }
    }

    /// The faults begin, the workload is done, the faults end, all becomes quiet, and is checked.
    async fn play(&mut self, workload: Workload, strikes: Option<Strikes>) -> anyhow::Result<()> {
        let until = workload.lasts;
        let prompts = self.let_loose(until, workload.job_faults, strikes);
        self.act_until(until, workload.actions, prompts).await?;
        if self.stage.is_broken() {
            return Ok(());
        }
        self.calm().await?;
        self.settle().await?;
        self.check().await
    }

    /// People do what is on their agenda, in order of time, and what they are prompted to meanwhile.
    async fn act_until(
        &mut self,
        until: Duration,
        actions: Vec<(Duration, Action)>,
        mut prompts: UnboundedReceiver<(Duration, Action)>,
    ) -> anyhow::Result<()> {
        let began = tokio::time::Instant::now();
        let mut agenda = VecDeque::from(actions);
        while !self.stage.is_broken() {
            let now = began.elapsed();
            if let Some((_, action)) = agenda.pop_front_if(|(at, _)| *at <= now) {
                self.people.act(action).await?;
                continue;
            }
            let left = agenda
                .front()
                .map_or(until, |(at, _)| until.min(*at))
                .saturating_sub(now);
            if left.is_zero() {
                break;
            }
            tokio::select! {
                biased;
                Some((after, action)) = prompts.recv() => {
                    let at = began.elapsed() + after;
                    let place = agenda.partition_point(|(other, _)| *other <= at);
                    agenda.insert(place, (at, action));
                }
                () = tokio::time::sleep(left.min(LOOK_EVERY)) => self.sample(),
            }
        }
        Ok(())
    }

    /// Checks what must hold once all is quiet.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        if !self.stage.is_broken() {
            let checks = checks::Checks {
                stage: &self.stage,
                aws: &self.aws,
                people: &self.people,
                level: self.options.level,
            };
            checks.all().await?;
        }
        Ok(())
    }

    /// The faults begin, and end after that time. A scene has its strikes instead of chance. Returns what people are prompted to.
    pub(super) fn let_loose(
        &self,
        until: Duration,
        job_faults: rekognition::Faults,
        strikes: Option<Strikes>,
    ) -> UnboundedReceiver<(Duration, Action)> {
        let plan = &self.plan;
        let mut rng = stream(self.options.seed, 4);
        self.aws.sns.set_faults(plan.messages);
        self.aws.events.set_faults(plan.events);
        self.aws.sfn.set_faults(plan.lags);
        self.aws.rekognition.set_faults(job_faults);
        let until_ms = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        let storms = (0..plan.storms)
            .map(|_| {
                let from_ms = rng.random_range(0..=until_ms);
                Storm {
                    service: SERVICES[rng.random_range(0..SERVICES.len())],
                    from_ms,
                    to_ms: from_ms + rng.random_range(0..1_800_000),
                }
            })
            .collect();
        let rng = stream(self.options.seed, 5);
        let (prompts, prompted) = unbounded_channel();
        self.people.steps.faults().follow(Chaos {
            strikes,
            storms,
            prompts: Some(prompts),
            until_ms,
            ..Chaos::new(self.stage.clone(), self.aws.clone(), plan.clone(), rng)
        });
        prompted
    }

    /// Nothing goes wrong any more, and the operator mends what people broke.
    pub(super) async fn calm(&mut self) -> anyhow::Result<()> {
        self.stage
            .note(format_args!("nothing goes wrong from here on"));
        self.aws.sns.set_faults(DeliveryFaults::default());
        self.aws.events.set_faults(DeliveryFaults::default());
        self.aws.sfn.set_faults(sfn::Faults::default());
        self.aws
            .rekognition
            .set_faults(rekognition::Faults::default());
        self.people.set_schedules(true);
        let policy = self.stage.lock().truth.policies.last().copied();
        if policy.is_some_and(|(_, policy)| policy == Policy::Unusable) {
            self.people.put_policy(Policy::Default).await?;
        }
        self.aws.rekognition.set_max_open_jobs(20);
        if self.people.stack.options.max_jobs == 0 {
            self.people.set_max_jobs(1)?;
        }
        if self.people.stack.options.max_video_minutes_a_day.is_some() {
            self.people.lift_cap()?;
        }
        if self.options.seed.is_multiple_of(2) {
            self.people.leave_sweep().await
        } else {
            self.sweep()
        }
    }

    /// The operator asks for a sweep, which brings lost upload events back.
    pub(super) fn sweep(&self) -> anyhow::Result<()> {
        let reconciler = self.people.stack.function_arn(Function::Reconciler);
        let command = Bytes::from_static(br#"{"sweep": {}}"#);
        self.aws.lambda.invoke_async(&reconciler, command)?;
        Ok(())
    }

    pub(super) fn sample(&self) {
        let running = self.aws.sfn.execution_count(sfn::ExecutionStatus::Running);
        let (open_jobs, _) = self.aws.rekognition.open_jobs();
        let elapsed_ms = self.stage.elapsed_ms();
        let settled = self.aws.sfn.executions_started() - running;
        self.stage.lock().samples.push(Sample {
            elapsed_ms,
            backlog: running.saturating_sub(open_jobs),
            open_jobs,
            settled,
        });
    }

    fn outcome(self, invocations: u64) -> Outcome {
        let service_calls = self.aws.calls().values().sum();
        let simulated = Duration::from_millis(self.stage.elapsed_ms());
        let mut inner = self.stage.lock();
        let ends = inner.truth.ends.clone();
        Outcome {
            options: self.options,
            broken: std::mem::take(&mut inner.broken),
            history: std::mem::replace(&mut inner.history, History::new(false)),
            faults: std::mem::take(&mut inner.faults),
            ends,
            calls: self.calls,
            service_calls,
            invocations,
            simulated,
            recovery: self.recovery,
            samples: std::mem::take(&mut inner.samples),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_video_that_is_not_in_the_approved_bucket_is_found() {
        let workload = Scene::Small.workload();
        let options = Options {
            seed: 1,
            videos: workload.uploads(),
            level: Level::None,
            keep_history: false,
        };
        let broken = on_paused_time(options.seed, async move {
            let mut run = Run::deploy(options, Plan::none(), &workload).await?;
            run.play(workload, None).await?;
            assert!(!run.stage.is_broken());
            let bucket = &run.people.stack.approved_bucket;
            let delete = run.people.s3.delete_object().bucket(bucket);
            delete.key("clean.mp4").send().await?;
            run.check().await?;
            run.tear_down();
            Ok(run.outcome(0).broken)
        });
        let found = r#""clean.mp4" was published and is not in the approved bucket"#;
        assert_eq!(broken.unwrap(), [found]);
    }
}
