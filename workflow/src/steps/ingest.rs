//! Ingest: one execution for each object version that was uploaded, whatever is delivered how often.

use crate::config::IngestConfig;
use crate::errors::{CallError, Disposition, Operation};
use crate::event::ExecutionInput;

/// What ingest works with.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// Names.
    pub config: IngestConfig,
    /// Executions.
    pub sfn: aws_sdk_sfn::Client,
}

/// What a request to start came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingested {
    /// The execution runs: started now, or by a duplicate of the event just before.
    Started,
    /// It had been started before, and may have ended since: success all the same.
    Existed,
}

impl Ingest {
    /// Starts the execution of an object version. Its name follows from bucket, key and version, and its input has the same
    /// bytes whoever starts it, so that a duplicate is recognised as one.
    ///
    /// # Errors
    /// [`CallError`]: the Lambda service tries again, and the sweep finds what it gave up.
    pub async fn start(&self, video: &ExecutionInput) -> Result<Ingested, CallError> {
        let started = self
            .sfn
            .start_execution()
            .state_machine_arn(&self.config.state_machine_arn)
            .name(video.execution_name())
            .input(video.canonical_json())
            .send()
            .await;
        match started {
            Ok(_) => Ok(Ingested::Started),
            Err(error) => {
                let error = CallError::new(Operation::StartExecution, &error);
                match error.disposition {
                    Disposition::Exists => Ok(Ingested::Existed),
                    _ => Err(error),
                }
            }
        }
    }
}
