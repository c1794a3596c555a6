//! `activity-worker`: takes as many tasks from the activity as there are free slots, and starts their jobs.

use serde_json::{Value, json};
use workflow::aws::Aws;
use workflow::clock::Deadline;
use workflow::config::GateConfig;
use workflow::event::Trigger;
use workflow::function::{self, FunctionError, environment};
use workflow::gate::Gate;
use workflow::steps::dispatch::dispatch;

/// Runs the function until the Lambda service ends it.
///
/// # Errors
/// When the environment is not usable, or the Runtime API cannot be reached.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    function::init_logs();
    let config = GateConfig::from_vars(environment)?;
    let aws = Aws::from_vars(environment)?;
    let gate = Gate::on_lambda(config, &aws);
    function::run(async |event: Value, deadline: Deadline| handle(&gate, deadline, &event).await)
        .await
}

/// Handles one tick or status event.
///
/// # Errors
/// [`FunctionError`] when the event is none of these, or the backlog cannot be seen.
pub async fn handle(
    gate: &Gate,
    deadline: Deadline,
    event: &Value,
) -> Result<Value, FunctionError> {
    let trigger = Trigger::parse(event)?;
    let done = dispatch(gate, deadline, &trigger).await?;
    if done.polls > 0 || done.failed > 0 {
        tracing::info!(
            polls = done.polls,
            tasks = done.tasks,
            failed = done.failed,
            "dispatched"
        );
    }
    Ok(json!({"polls": done.polls, "tasks": done.tasks, "failed": done.failed}))
}
