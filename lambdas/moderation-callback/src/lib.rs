//! `moderation-callback`: settles the jobs that Rekognition says have ended.

use serde_json::{Value, json};
use workflow::aws::Aws;
use workflow::clock::Deadline;
use workflow::config::GateConfig;
use workflow::event;
use workflow::function::{self, FunctionError, environment};
use workflow::gate::Gate;
use workflow::steps::settle::{Settled, settle};

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

/// Handles one SNS event of completion messages.
///
/// # Errors
/// [`FunctionError`] naming every message that could not be settled; the reconciler finds its job all the same.
pub async fn handle(
    gate: &Gate,
    deadline: Deadline,
    event: &Value,
) -> Result<Value, FunctionError> {
    let mut outcomes = Vec::new();
    let mut problems: Vec<FunctionError> = Vec::new();
    for completion in event::completions(event) {
        let completion = match completion {
            Ok(completion) => completion,
            Err(error) => {
                problems.push(error.into());
                continue;
            }
        };
        // A job without a tag was started by somebody else, as one with a tag that names no record.
        let job_tag = completion.job_tag.unwrap_or_default();
        match settle(gate, deadline, &job_tag).await {
            Ok(outcome) => {
                if outcome == Settled::Unknown {
                    metrics::counter!("IgnoredEvents", "Reason" => "UnknownJob").increment(1);
                    let job_id = completion.job_id;
                    tracing::info!(job_id, job_tag, "completion message of no open record");
                }
                outcomes.push(format!("{outcome:?}"));
            }
            Err(error) => problems.push(error.into()),
        }
    }
    match problems.first() {
        None => Ok(json!({"settled": outcomes})),
        Some(first) => Err(FunctionError {
            name: first.name,
            message: problems
                .iter()
                .map(|problem| problem.message.as_str())
                .collect::<Vec<_>>()
                .join("; "),
        }),
    }
}
