//! What the steps work with: clients, ledger, clock and configuration, passed in by whoever runs them.

use std::sync::Arc;

use aws_sdk_sfn::operation::list_executions::ListExecutionsOutput;
use aws_sdk_sfn::types::ExecutionStatus;

use crate::aws::Aws;
use crate::clock::{Clock, Nonces, SystemClock, SystemNonces};
use crate::config::GateConfig;
use crate::errors::{CallError, Operation};
use crate::ledger::{Ledger, LedgerError};
use crate::policy::{ModerationPolicy, PolicyErrors};

/// Key of the operator's policy in the ledger bucket. It is read whenever a verdict is due, so an edit needs no deployment.
pub const POLICY_KEY: &str = "policy.json";

/// Executions a page of ListExecutions (API reference: at most 1000).
const EXECUTIONS_PAGE: i32 = 1000;

/// The environment of dispatch, settle and reconcile.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Names, limits and durations.
    pub config: GateConfig,
    /// Raw and approved bucket.
    pub s3: aws_sdk_s3::Client,
    /// Executions and tasks.
    pub sfn: aws_sdk_sfn::Client,
    /// Jobs.
    pub rekognition: aws_sdk_rekognition::Client,
    /// All state between invocations.
    pub ledger: Ledger,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
}

/// Why a step could not go on. What one video's step fails with concerns that video alone.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A call failed.
    #[error("a call to AWS failed")]
    Call(#[from] CallError),
    /// The ledger could not be read or written.
    #[error("the ledger could not be used")]
    Ledger(#[from] LedgerError),
    /// The operator's policy is not usable; nothing is judged until it is.
    #[error(
        "{POLICY_KEY} in the ledger bucket is not a usable policy: nothing is started or judged until it is"
    )]
    Policy(#[from] PolicyErrors),
    /// There is no policy.
    #[error(
        "{POLICY_KEY} is missing in the ledger bucket: put the operator's policy there; nothing is started or judged until then"
    )]
    PolicyMissing,
    /// Another holder's lease has begun.
    #[error("the lease on {execution} ran out while it was worked on")]
    LeaseLost {
        /// Name of the execution.
        execution: String,
    },
    /// An answer of AWS lacks what its API reference promises.
    #[error("{operation:?} answered without {field}")]
    Incomplete {
        /// Which call.
        operation: Operation,
        /// What is missing.
        field: &'static str,
    },
}

impl StepError {
    /// The call behind the error, if it is one.
    #[must_use]
    pub fn call(&self) -> Option<&CallError> {
        match self {
            Self::Call(call) | Self::Ledger(LedgerError::Call(call)) => Some(call),
            _ => None,
        }
    }

    /// A stable name for logs and alarms.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Call(_) => "CallFailed",
            Self::Ledger(_) => "LedgerFailed",
            Self::Policy(_) | Self::PolicyMissing => "PolicyInvalid",
            Self::LeaseLost { .. } => "LeaseLost",
            Self::Incomplete { .. } => "AnswerIncomplete",
        }
    }
}

/// An error and all its sources in one line: `Display` alone names only the outermost.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// An execution as Step Functions describes it.
#[derive(Debug, Clone)]
pub struct Described {
    /// RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED.
    pub status: ExecutionStatus,
    /// The error that it failed with.
    pub error: Option<String>,
    /// Why.
    pub cause: Option<String>,
    /// What it was started with.
    pub input: Option<String>,
    /// How often it was redriven.
    pub redrive_count: u32,
}

impl Described {
    /// Whether it has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.status != ExecutionStatus::Running
    }
}

impl Gate {
    /// The environment for a configuration.
    #[must_use]
    pub fn new(
        config: GateConfig,
        s3: aws_sdk_s3::Client,
        sfn: aws_sdk_sfn::Client,
        rekognition: aws_sdk_rekognition::Client,
        clock: Arc<dyn Clock>,
        nonces: Arc<dyn Nonces>,
    ) -> Self {
        let ledger = Ledger::new(s3.clone(), config.ledger_bucket.clone(), nonces);
        Self {
            config,
            s3,
            sfn,
            rekognition,
            ledger,
            clock,
        }
    }

    /// The environment in a Lambda: its clients, and the system's clock and randomness.
    #[must_use]
    pub fn on_lambda(config: GateConfig, aws: &Aws) -> Self {
        Self::new(
            config,
            aws.s3(),
            aws.sfn(),
            aws.rekognition(),
            Arc::new(SystemClock),
            Arc::new(SystemNonces),
        )
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The operator's policy as it is now.
    ///
    /// # Errors
    /// [`StepError::Policy`] or [`StepError::PolicyMissing`] when it is not usable: the gate fails closed.
    pub async fn policy(&self) -> Result<ModerationPolicy, StepError> {
        let (bytes, _) = self
            .ledger
            .get_bytes(POLICY_KEY)
            .await?
            .ok_or(StepError::PolicyMissing)?;
        Ok(ModerationPolicy::parse(&bytes)?)
    }

    /// Describes an execution; None if there is none of that ARN.
    ///
    /// # Errors
    /// [`StepError::Call`].
    pub async fn describe(&self, execution_arn: &str) -> Result<Option<Described>, StepError> {
        let answer = self
            .sfn
            .describe_execution()
            .execution_arn(execution_arn)
            .send()
            .await;
        match answer {
            Ok(output) => Ok(Some(Described {
                status: output.status,
                error: output.error,
                cause: output.cause,
                input: output.input,
                redrive_count: output
                    .redrive_count
                    .and_then(|count| u32::try_from(count).ok())
                    .unwrap_or(0),
            })),
            Err(error) => {
                let error = CallError::new(Operation::DescribeExecution, &error);
                if error.is_absent() {
                    Ok(None)
                } else {
                    Err(error.into())
                }
            }
        }
    }

    /// A page of executions, of one status or of all: at most a thousand, the most recent first.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn list_executions(
        &self,
        status: Option<ExecutionStatus>,
        token: Option<String>,
    ) -> Result<ListExecutionsOutput, CallError> {
        self.sfn
            .list_executions()
            .state_machine_arn(&self.config.ingest.state_machine_arn)
            .set_status_filter(status)
            .max_results(EXECUTIONS_PAGE)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| CallError::new(Operation::ListExecutions, &error))
    }
}
