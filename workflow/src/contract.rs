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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// The state machine with every placeholder filled in.
    fn state_machine() -> Value {
        let mut text = STATE_MACHINE_TEMPLATE.to_owned();
        for name in ["machine_timeout_s", "task_timeout_s", "heartbeat_s"] {
            text = text.replace(&format!("${{{name}}}"), "300");
        }
        for name in ["activity_arn", "decisions_topic_arn", "partition"] {
            text = text.replace(&format!("${{{name}}}"), "aws");
        }
        assert!(!text.contains("${"), "a placeholder is not known here");
        serde_json::from_str(&text).unwrap()
    }

    fn error_equals(handlers: &Value) -> BTreeSet<String> {
        let handlers = handlers.as_array().unwrap();
        handlers
            .iter()
            .flat_map(|handler| handler["ErrorEquals"].as_array().unwrap())
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_state_machine_and_the_code_name_the_same_errors() {
        let moderate = &state_machine()["States"]["Moderate"];
        let mut retried = error_equals(&moderate["Retry"]);
        assert!(retried.remove("States.Timeout") && retried.remove("States.HeartbeatTimeout"));
        let all: BTreeSet<String> = ErrorName::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(retried, all);
        let business: BTreeSet<String> = ErrorName::ALL
            .iter()
            .filter(|name| name.is_business())
            .map(ToString::to_string)
            .collect();
        assert_eq!(error_equals(&moderate["Catch"]), business);
    }

    #[test]
    fn no_verdict_on_a_video_is_retried() {
        let moderate = &state_machine()["States"]["Moderate"];
        assert_eq!(moderate["Retry"][0]["MaxAttempts"], 0);
    }

    #[test]
    fn the_state_machine_has_the_states_that_are_documented() {
        let machine = state_machine();
        let states: Vec<&String> = machine["States"].as_object().unwrap().keys().collect();
        let expected = [
            "AnnounceApproved",
            "AnnounceRejected",
            "AnnounceUnsupported",
            "Approved",
            "Moderate",
            "Rejected",
            "Unsupported",
        ];
        assert_eq!(states, expected);
    }

    /// Heartbeat timeouts are retried for as long as the machine lives; an execution's history ends at 25,000 events
    /// (Step Functions developer guide, "Service quotas").
    #[test]
    fn the_history_outlasts_thirty_days_of_lost_tasks() {
        let retrier = state_machine()["States"]["Moderate"]["Retry"][1].clone();
        let mean_delay_s = retrier["MaxDelaySeconds"].as_f64().unwrap() / 2.0;
        let heartbeat_s = 300.0;
        let events = 3.0 * 30.0 * 86_400.0 / (heartbeat_s + mean_delay_s);
        assert!(events < 20_000.0, "{events}");
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = TaskToken::new("AAAAKgsecret".to_owned());
        assert!(!format!("{token:?}").contains("secret"));
    }

    #[test]
    fn a_cause_is_cut_between_characters() {
        assert_eq!(
            cut_cause("é".repeat(40_000)).chars().count(),
            CAUSE_CHARS_MAX
        );
    }
}
