//! What crosses the boundary to Step Functions: task input, task output, error names, the task token.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::ExecutionInput;

/// The state machine, as Terraform deploys it and the sandbox interprets it: a template with `${…}` placeholders.
pub const STATE_MACHINE_TEMPLATE: &str = include_str!("../video-ingest.asl.json");

/// Every error that a task may fail with: one closed set, compared with the state machine by a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ErrorName {
    /// The policy rejects the video. Caught and announced: final.
    ContentRejected,
    /// The file cannot be moderated: not a video, another codec, too long. Caught and announced: final.
    UnsupportedVideo,
    /// Rekognition failed on the video as often as the operator allows.
    ModerationFailed,
    /// AWS refuses an operation: the operator's permissions, not the video, need mending.
    AccessDenied,
    /// The execution was started with an input that is not an upload.
    InvalidTaskInput,
    /// The same work was tried as often as the operator allows; the cause names the last error.
    AttemptsExhausted,
}

impl ErrorName {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ContentRejected,
        Self::UnsupportedVideo,
        Self::ModerationFailed,
        Self::AccessDenied,
        Self::InvalidTaskInput,
        Self::AttemptsExhausted,
    ];

    /// The name as Step Functions matches it in `ErrorEquals`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContentRejected => "ContentRejected",
            Self::UnsupportedVideo => "UnsupportedVideo",
            Self::ModerationFailed => "ModerationFailed",
            Self::AccessDenied => "AccessDenied",
            Self::InvalidTaskInput => "InvalidTaskInput",
            Self::AttemptsExhausted => "AttemptsExhausted",
        }
    }

    /// Whether it is a verdict on the video, which the state machine catches and announces. Every other one leaves the
    /// state uncaught, so that RedriveExecution runs it again.
    #[must_use]
    pub const fn is_business(self) -> bool {
        matches!(self, Self::ContentRejected | Self::UnsupportedVideo)
    }
}

impl fmt::Display for ErrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A task token: whoever holds it can complete the task, so it is never shown.
///
/// At most 2048 characters (Step Functions API reference, GetActivityTask).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskToken(String);

impl TaskToken {
    /// Takes a token as GetActivityTask gave it.
    #[must_use]
    pub fn new(token: String) -> Self {
        Self(token)
    }

    /// The token itself, for a call to Step Functions and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskToken(…)")
    }
}

/// Which try of which drive of an execution a task is: a later redrive outranks any retry of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskRank {
    /// How often the execution was redriven when the state was entered.
    pub redrive_count: u32,
    /// How often the state was retried since.
    pub retry_count: u32,
}

/// The input of the activity task, built by the state machine's `Parameters` from its context object:
/// GetActivityTask itself does not tell which execution a task belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskInput {
    /// What the execution was started with.
    pub video: ExecutionInput,
    /// ARN of the execution.
    pub execution_arn: String,
    /// Name of the execution.
    pub execution_name: String,
    /// Name of the state.
    pub state_name: String,
    /// `$$.State.RetryCount`.
    pub retry_count: u32,
    /// `$$.Execution.RedriveCount`.
    pub redrive_count: u32,
}

impl TaskInput {
    /// The task's rank among the tasks of its execution.
    #[must_use]
    pub fn rank(&self) -> TaskRank {
        TaskRank {
            redrive_count: self.redrive_count,
            retry_count: self.retry_count,
        }
    }
}

/// The output of a task that succeeded: the video is in the approved bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskOutput {
    /// Always `Approved`.
    pub verdict: String,
    /// The approved bucket.
    pub bucket: String,
    /// The key there: the same as in the raw bucket.
    pub key: String,
    /// The version of the raw object that was scanned and copied.
    pub source_version_id: String,
    /// Key of the report in the ledger bucket.
    pub report: String,
}

/// Longest error cause that Step Functions takes, in characters (API reference, SendTaskFailure).
pub const CAUSE_CHARS_MAX: usize = 32_768;

/// A cause cut to what Step Functions takes.
#[must_use]
pub fn cut_cause(mut cause: String) -> String {
    if let Some((end, _)) = cause.char_indices().nth(CAUSE_CHARS_MAX) {
        cause.truncate(end);
    }
    cause
}
