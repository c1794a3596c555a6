//! `reconciler`: heartbeats, and whatever crashed workers, lost messages and lost uploads left behind.

use serde_json::{Value, json};
use workflow::aws::Aws;
use workflow::clock::Deadline;
use workflow::config::{AnnouncerConfig, GateConfig};
use workflow::event::Trigger;
use workflow::function::{self, FunctionError, environment};
use workflow::gate::Gate;
use workflow::steps::reconcile::{Reconciled, Reconciler};
use workflow::steps::{Announcer, sweep};

/// Runs the function until the Lambda service ends it.
///
/// # Errors
/// When the environment is not usable, or the Runtime API cannot be reached.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    function::init_logs();
    let config = GateConfig::from_vars(environment)?;
    let announcer = AnnouncerConfig::from_vars(environment)?;
    let aws = Aws::from_vars(environment)?;
    let reconciler = Reconciler {
        gate: Gate::on_lambda(config, &aws),
        announcer: Announcer {
            sns: aws.sns(),
            topic_arn: announcer.decisions_topic_arn,
        },
    };
    function::run(async |event: Value, deadline: Deadline| {
        handle(&reconciler, deadline, &event).await
    })
    .await
}

/// Handles a tick, the end of an execution, or a sweep.
///
/// # Errors
/// [`FunctionError`] when the event is none of these, or nothing can be seen.
pub async fn handle(
    reconciler: &Reconciler,
    deadline: Deadline,
    event: &Value,
) -> Result<Value, FunctionError> {
    let done = match Trigger::parse(event)? {
        Trigger::Tick => reconciler.tick(deadline).await?,
        Trigger::ExecutionStatus(event) if event.status.is_closed() => {
            reconciler
                .closed_execution(deadline, &event.execution_arn, &event.name)
                .await?
        }
        // The task of an execution that started is the worker's.
        Trigger::ExecutionStatus(_) => Reconciled::default(),
        Trigger::Sweep(command) => {
            let swept = sweep::begin(&reconciler.gate, deadline, &command).await?;
            return Ok(
                json!({"versions": swept.versions, "started": swept.started, "complete": swept.complete}),
            );
        }
    };
    if done != Reconciled::default() {
        tracing::info!(
            heartbeats = done.heartbeats,
            advanced = done.advanced,
            retired = done.retired,
            slots_freed = done.slots_freed,
            failed = done.failed,
            "reconciled"
        );
    }
    Ok(
        json!({"heartbeats": done.heartbeats, "advanced": done.advanced, "retired": done.retired, "failed": done.failed}),
    )
}
