//! A stack to which nobody uploads anything: what it uses, the gate's and that of the design that it grew from.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;
use time::macros::datetime;

use super::chaos::Chaos;
use super::plan::{Level, Plan};
use super::run::{Options, Run, on_paused_time, stream};
use super::stage::Stage;
use super::usage::{Metered, Usage};
use super::workload::Workload;
use crate::account::Account;
use crate::aws::{Aws, AwsConfig};
use crate::clock::Clock;
use crate::connector::Clients;
use crate::events::{Rule, Target, Trigger};
use crate::faults::Faults;
use crate::lambda::{Code, FunctionConfig, FunctionError, Handler, Invocation};
use crate::rng::SharedRng;
use crate::stack::Function;
use crate::stack::invocation::{Bills, Shell};

const SEED: u64 = 1;

/// Memory, timeout and schedule of the seed's worker (moshesaws/step-functions-activity, video-ingest.yaml).
const SEED_MEMORY_MB: u32 = 128;
const SEED_TIMEOUT: Duration = Duration::from_mins(2);
const SEED_EVERY: Duration = Duration::from_mins(1);

/// Whose idle time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// The gate: two functions a minute, which ask whether anything runs.
    Gate,
    /// The sample that the project grew from: each minute a function polls the activity, for as long as Step Functions holds a poll.
    Seed,
}

/// Simulates an idle stack for that long.
///
/// # Errors
/// When it cannot be deployed.
pub fn idle(design: Design, span: Duration) -> anyhow::Result<Usage> {
    match design {
        Design::Gate => on_paused_time(SEED, gate(span)),
        Design::Seed => on_paused_time(SEED, seed(span)),
    }
}

async fn gate(span: Duration) -> anyhow::Result<Usage> {
    let options = Options {
        seed: SEED,
        videos: 0,
        level: Level::None,
        keep_history: false,
    };
    let nothing = Workload::nothing(20);
    let run = Run::deploy(options, Plan::none(), &nothing).await?;
    run.let_loose(nothing.lasts, nothing.job_faults, None);
    tokio::time::sleep(span).await;
    let bills = run.people.steps.bills();
    let usage = Usage::of_gate(&run.aws, bills, Duration::ZERO);
    run.tear_down();
    Ok(usage)
}

async fn seed(span: Duration) -> anyhow::Result<Usage> {
    const WORKER: &str = "seed-worker";
    let clock = Clock::new(datetime!(2026-11-01 12:00 UTC), 1.0);
    let aws = Aws::new(
        Account::default(),
        clock.clone(),
        SharedRng::seeded(SEED),
        &AwsConfig::default(),
    );
    let faults = Arc::new(Faults::default());
    let stage = Stage::new(clock.clone(), false);
    faults.follow(Chaos::new(
        stage,
        aws.clone(),
        Plan::none(),
        stream(SEED, 5),
    ));
    let shell = Shell {
        // The function that took its place.
        function: Function::ActivityWorker,
        clock,
        faults,
        bills: Bills::default(),
    };
    let function_arn = aws.lambda.create_function(FunctionConfig {
        name: WORKER.to_owned(),
        timeout: SEED_TIMEOUT,
        memory_mb: SEED_MEMORY_MB,
        role_arn: None,
        environment: std::collections::BTreeMap::new(),
        code: Code::Handler(Arc::new(SeedWorker {
            sfn: Clients::new(&aws, WORKER).sfn,
            activity_arn: aws.sfn.create_activity("seed"),
            shell: shell.clone(),
        })),
        reserved_concurrency: None,
        max_retries: 2,
        max_event_age: Duration::from_hours(6),
        on_failure_arn: None,
    });
    let rule = Rule {
        name: "seed-every-minute".to_owned(),
        trigger: Trigger::Rate(SEED_EVERY),
        targets: vec![Target {
            function_arn,
            input: None,
        }],
    };
    if let Err(error) = aws.events.put_rule(rule) {
        anyhow::bail!("the seed's schedule cannot be put: {error}");
    }
    tokio::time::sleep(span).await;
    let worker = Metered {
        name: WORKER,
        memory_mb: SEED_MEMORY_MB,
        bill: shell.bills.of(shell.function),
    };
    aws.lambda.delete_function(WORKER);
    Ok(Usage::of(&aws, vec![worker], Duration::ZERO))
}

/// The seed's worker, as far as it comes without a task: one poll.
struct SeedWorker {
    sfn: aws_sdk_sfn::Client,
    activity_arn: String,
    shell: Shell,
}

impl Handler for SeedWorker {
    fn invoke(&self, _: Invocation) -> BoxFuture<'static, Result<Value, FunctionError>> {
        let poll = self
            .sfn
            .get_activity_task()
            .activity_arn(&self.activity_arn);
        let handler = |_| async {
            match poll.send().await {
                Ok(_) => Ok(Value::Null),
                Err(error) => Err(FunctionError {
                    error_type: "Error".to_owned(),
                    message: error.to_string(),
                }),
            }
        };
        self.shell.clone().run(handler).boxed()
    }
}
