//! `ingest-trigger`: upload notifications in, executions out.

use serde_json::{Value, json};
use workflow::aws::Aws;
use workflow::clock::Deadline;
use workflow::config::IngestConfig;
use workflow::event::{self, Upload, UploadedObject};
use workflow::function::{self, FunctionError, environment};
use workflow::steps::ingest::{Ingest, Ingested};

/// Runs the function until the Lambda service ends it.
///
/// # Errors
/// When the environment is not usable, or the Runtime API cannot be reached.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    function::init_logs();
    let ingest = Ingest {
        config: IngestConfig::from_vars(environment)?,
        sfn: Aws::from_vars(environment)?.sfn(),
    };
    function::run(async |event: Value, _: Deadline| handle(&ingest, &event).await).await
}

/// Handles one SNS event. Every record is seen to; what was refused or failed is reported together at the end, so that the
/// Lambda service tries the event again and then keeps it in the on-failure queue.
///
/// # Errors
/// [`FunctionError`] naming each record that could not be ingested.
pub async fn handle(ingest: &Ingest, event: &Value) -> Result<Value, FunctionError> {
    let (mut started, mut existed, mut ignored) = (0_u32, 0_u32, 0_u32);
    let mut problems: Vec<FunctionError> = Vec::new();
    for upload in event::uploads(event, &ingest.config.raw_bucket) {
        match upload {
            Upload::Object(UploadedObject { input, .. }) => match ingest.start(&input).await {
                Ok(Ingested::Started) => started += 1,
                Ok(Ingested::Existed) => existed += 1,
                Err(error) => problems.push(FunctionError {
                    name: "CallFailed",
                    message: format!("{}: {error}", input.key),
                }),
            },
            Upload::Ignored { why, key } => {
                ignored += 1;
                metrics::counter!("IgnoredEvents", "Reason" => why.name()).increment(1);
                tracing::info!(reason = why.name(), object_key = key, "event ignored");
            }
            Upload::Refused(error) => problems.push(error.into()),
        }
    }
    tracing::info!(
        started,
        existed,
        ignored,
        problems = problems.len(),
        "uploads ingested"
    );
    match problems.first() {
        None => Ok(json!({"started": started, "existed": existed, "ignored": ignored})),
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
