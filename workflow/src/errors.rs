//! The error table: what every error of every call means, and who does what about it.
//!
//! The SDK retries throttling and transient failures itself, a few times within one call: of starts and copies only throttling, and never
//! GetActivityTask. What it gives up on is looked up here, once, and nowhere else.
//!
//! | disposition | who acts | how long |
//! | --- | --- | --- |
//! | [`Disposition::Conflict`] | the caller reads again and compares nonces | at once |
//! | [`Disposition::Absent`] | the caller: absence is an answer | – |
//! | [`Disposition::Throttled`] | the next tick, and it is no attempt | as long as the machine lives |
//! | [`Disposition::Unknown`] | the next tick, under a new lease | `max_attempts`, then `AttemptsExhausted` |
//! | [`Disposition::Denied`] | the next tick: permissions may be on their way | `max_attempts`, then `AccessDenied` |
//! | [`Disposition::Detach`] | the state machine's Retry brings a new token | as long as the machine lives |
//! | [`Disposition::NewAnalysis`] | the caller, with a slot | `max_analyses`, then `ModerationFailed` |
//! | [`Disposition::RestartPages`] | the caller, from the first page | three times, then as Unknown |
//! | [`Disposition::Unsupported`] | the task fails with `UnsupportedVideo` | final |

use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// The calls that the steps make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(
    missing_docs,
    reason = "each is the AWS operation of that name, on the bucket that its prefix says"
)]
pub enum Operation {
    LedgerGet,
    LedgerPut,
    LedgerDelete,
    LedgerList,
    RawHead,
    RawGet,
    RawGetTagging,
    RawPutTagging,
    RawListVersions,
    ApprovedHead,
    ApprovedCopy,
    ApprovedCreateMultipart,
    ApprovedUploadPartCopy,
    ApprovedCompleteMultipart,
    ApprovedAbortMultipart,
    StartExecution,
    ListExecutions,
    DescribeExecution,
    GetActivityTask,
    SendTaskSuccess,
    SendTaskFailure,
    SendTaskHeartbeat,
    StartContentModeration,
    GetContentModeration,
    Publish,
}

impl Operation {
    /// Whether the request carries a task token, which an error message may repeat.
    const fn carries_token(self) -> bool {
        matches!(
            self,
            Self::SendTaskSuccess | Self::SendTaskFailure | Self::SendTaskHeartbeat
        )
    }
}

/// Why a second scan is paid for: the only reasons there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rescan {
    /// The job's results, or its request token, are gone after seven days.
    ResultsExpired,
    /// The request token was used with other parameters.
    ParameterMismatch,
}

/// What an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// A conditional write met another state than the one it was made for.
    Conflict,
    /// What was asked for is not there.
    Absent,
    /// The service is at a limit; nothing was done.
    Throttled,
    /// No definite answer: the call may have taken effect or not.
    Unknown,
    /// Refused for lack of permission.
    Denied,
    /// The task that the token stood for is over.
    Detach,
    /// The job's results cannot be had: scan again.
    NewAnalysis(Rescan),
    /// The page token expired.
    RestartPages,
    /// Rekognition cannot take the file.
    Unsupported,
    /// What was asked for exists already.
    Exists,
}

/// A call that failed for good, as far as the SDK is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// Which call.
    pub operation: Operation,
    /// What its error means.
    pub disposition: Disposition,
    /// AWS's error code, if the service answered with one.
    pub code: Option<String>,
    /// AWS's words; empty for calls that carry a task token.
    pub message: String,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} failed: ", self.operation)?;
        f.write_str(self.code.as_deref().unwrap_or("no answer"))?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for CallError {}

impl CallError {
    /// Looks an SDK error up in the table.
    pub fn new<E: ProvideErrorMetadata>(
        operation: Operation,
        error: &SdkError<E, HttpResponse>,
    ) -> Self {
        let service = error.as_service_error();
        let code = service
            .and_then(ProvideErrorMetadata::code)
            .map(str::to_owned);
        let message = service
            .and_then(ProvideErrorMetadata::message)
            .unwrap_or_default();
        // Where the service answered with a status alone (HEAD has no body), the status stands for the code. An answer that
        // could not be read is no answer.
        let status = match error {
            SdkError::ServiceError(context) => Some(context.raw().status().as_u16()),
            _ => None,
        };
        Self {
            operation,
            disposition: disposition(operation, code.as_deref(), status),
            code,
            message: if operation.carries_token() {
                String::new()
            } else {
                message.to_owned()
            },
        }
    }

    /// Whether the call certainly had no effect and may simply be made later.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.disposition == Disposition::Throttled
    }

    /// Whether what was asked for is not there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.disposition == Disposition::Absent
    }
}

/// The table itself. `code` is AWS's error code, `status` the HTTP status; both absent when no answer came.
#[must_use]
pub fn disposition(operation: Operation, code: Option<&str>, status: Option<u16>) -> Disposition {
    use Disposition::{
        Absent, Conflict, Denied, Detach, Exists, NewAnalysis, RestartPages, Throttled, Unknown,
        Unsupported,
    };
    match (operation, code.unwrap_or_default()) {
        // Send a token that is no longer good: the task timed out, was closed, or was never ours
        // (Step Functions API reference, SendTaskSuccess).
        (
            Operation::SendTaskSuccess | Operation::SendTaskFailure | Operation::SendTaskHeartbeat,
            "TaskTimedOut" | "TaskDoesNotExist" | "InvalidToken",
        ) => Detach,
        (Operation::StartExecution, "ExecutionAlreadyExists") => Exists,
        // At the account's limit of executions, pollers or jobs: someone else must finish first.
        (Operation::StartExecution, "ExecutionLimitExceeded")
        | (Operation::GetActivityTask, "ActivityWorkerLimitExceeded")
        | (
            Operation::StartContentModeration,
            "LimitExceededException" | "ProvisionedThroughputExceededException",
        )
        | (Operation::GetContentModeration, "ProvisionedThroughputExceededException") => Throttled,
        // A request token lives for seven days (Rekognition developer guide, "Calling Amazon Rekognition Video operations").
        (Operation::StartContentModeration, "IdempotentParameterMismatchException") => {
            NewAnalysis(Rescan::ParameterMismatch)
        }
        (Operation::StartContentModeration, "VideoTooLargeException") => Unsupported,
        // Key, region or permission: pre-flight has read the object, so it is the permission.
        (Operation::StartContentModeration, "InvalidS3ObjectException") => Denied,
        // Results are kept for seven days (same guide).
        (Operation::GetContentModeration, "ResourceNotFoundException") => {
            NewAnalysis(Rescan::ResultsExpired)
        }
        (Operation::GetContentModeration, "InvalidPaginationTokenException") => RestartPages,
        // An upload that is not there may have been completed by a try whose answer was lost, or ended by a lifecycle rule: it
        // says nothing of the source, and the copy is made again.
        (
            Operation::ApprovedUploadPartCopy | Operation::ApprovedCompleteMultipart,
            "NoSuchUpload",
        ) => Unknown,
        (Operation::ApprovedAbortMultipart, "NoSuchUpload")
        | (Operation::DescribeExecution, "ExecutionDoesNotExist") => Absent,
        // The stack's bucket, not the object, is missing.
        (_, "NoSuchBucket") => Unknown,
        (_, "PreconditionFailed" | "ConditionalRequestConflict") => Conflict,
        (_, "NoSuchKey" | "NoSuchVersion" | "NotFound") => Absent,
        (_, code) if is_throttling(code) => Throttled,
        (_, code) if is_denial(code) => Denied,
        (_, _) => match status {
            Some(412 | 409) => Conflict,
            // A delete marker answers 405 to a GET of itself: there is no object behind it.
            Some(404 | 405) => Absent,
            Some(429 | 503) => Throttled,
            Some(401 | 403) => Denied,
            _ => Unknown,
        },
    }
}

fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "ThrottlingException"
            | "Throttling"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "SlowDown"
            | "ServiceUnavailable"
            | "KmsThrottlingException"
    )
}

fn is_denial(code: &str) -> bool {
    matches!(
        code,
        "AccessDenied"
            | "AccessDeniedException"
            | "AuthorizationError"
            | "AuthorizationErrorException"
            | "KmsAccessDeniedException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(operation: Operation, code: &str, expected: Disposition) {
        assert_eq!(
            disposition(operation, Some(code), Some(400)),
            expected,
            "{operation:?} {code}"
        );
    }

    #[test]
    fn a_refused_token_detaches() {
        for operation in [
            Operation::SendTaskSuccess,
            Operation::SendTaskFailure,
            Operation::SendTaskHeartbeat,
        ] {
            for code in ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"] {
                check(operation, code, Disposition::Detach);
            }
        }
    }

    #[test]
    fn limits_are_no_attempts() {
        check(
            Operation::StartContentModeration,
            "LimitExceededException",
            Disposition::Throttled,
        );
        check(
            Operation::StartContentModeration,
            "ThrottlingException",
            Disposition::Throttled,
        );
        check(
            Operation::GetActivityTask,
            "ActivityWorkerLimitExceeded",
            Disposition::Throttled,
        );
        assert_eq!(
            disposition(Operation::LedgerPut, None, Some(503)),
            Disposition::Throttled
        );
    }

    #[test]
    fn no_answer_is_unknown() {
        assert_eq!(
            disposition(Operation::StartContentModeration, None, None),
            Disposition::Unknown
        );
        assert_eq!(
            disposition(Operation::ApprovedCopy, Some("InternalError"), Some(200)),
            Disposition::Unknown
        );
    }

    #[test]
    fn an_upload_or_a_bucket_that_is_missing_says_nothing_of_the_source() {
        for operation in [
            Operation::ApprovedUploadPartCopy,
            Operation::ApprovedCompleteMultipart,
        ] {
            check(operation, "NoSuchUpload", Disposition::Unknown);
        }
        check(
            Operation::ApprovedAbortMultipart,
            "NoSuchUpload",
            Disposition::Absent,
        );
        check(
            Operation::ApprovedCopy,
            "NoSuchBucket",
            Disposition::Unknown,
        );
    }

    #[test]
    fn conditional_writes_conflict_and_missing_objects_are_absent() {
        check(
            Operation::LedgerPut,
            "PreconditionFailed",
            Disposition::Conflict,
        );
        assert_eq!(
            disposition(Operation::RawHead, None, Some(404)),
            Disposition::Absent
        );
        assert_eq!(
            disposition(Operation::RawHead, None, Some(403)),
            Disposition::Denied
        );
    }
}
