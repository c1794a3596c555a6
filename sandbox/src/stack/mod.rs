//! Deploys the workflow into the sandbox, as Terraform does on AWS.
//!
//! [`Stack::new`] knows every name and ARN before anything exists, as a plan does; [`Stack::deploy`] creates it all.
//! What a function runs is the caller's: its own programs, those of a folder ([`functions`]), or handlers in this process.

#[cfg(test)]
mod deployed;
pub mod durations;
mod environment;
pub mod functions;
pub mod in_process;
pub mod invocation;
pub mod permissions;
mod resources;
mod template;

use crate::account::Account;
use crate::aws::Aws;
use crate::iam;
use crate::wire::ApiError;

pub use resources::MEMORY_MB;
use resources::resource_name;
pub use template::{TemplateError, render};

/// The four functions of the workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// Upload notifications in, executions out.
    IngestTrigger,
    /// Takes tasks and starts their jobs.
    ActivityWorker,
    /// Turns finished jobs into verdicts.
    ModerationCallback,
    /// Heartbeats, and whatever was left behind.
    Reconciler,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::IngestTrigger,
        Self::ActivityWorker,
        Self::ModerationCallback,
        Self::Reconciler,
    ];

    /// Name of its crate, and of its folder among built functions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IngestTrigger => "ingest-trigger",
            Self::ActivityWorker => "activity-worker",
            Self::ModerationCallback => "moderation-callback",
            Self::Reconciler => "reconciler",
        }
    }

    /// The function of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|function| function.name() == name)
    }
}

/// What may be chosen about a stack.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// Prefix of all its names; part of the client request tokens of its jobs.
    pub name: String,
    /// Where the functions find AWS; None for handlers in this process.
    pub endpoint_url: Option<String>,
    /// Jobs that the gate keeps open at once; 0 pauses.
    pub max_jobs: u32,
    /// Scans of one version in one drive of its execution.
    pub max_analyses: u32,
    /// Tries of the same work before a task fails.
    pub max_attempts: u32,
    /// Minutes of video whose scans may be started on a UTC day; None: any number.
    pub max_video_minutes_a_day: Option<u32>,
    /// The operator's policy, as JSON; it is not checked here: the gate must cope with a bad one.
    pub policy: String,
    /// `AWS_LAMBDA_LOG_LEVEL` of the functions.
    pub log_level: String,
    /// TimeoutSeconds of the state machine, the queue included; None: thirty days.
    pub machine_timeout: Option<std::time::Duration>,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            name: "reelgate".to_owned(),
            endpoint_url: None,
            max_jobs: 20,
            max_analyses: 2,
            max_attempts: 20,
            max_video_minutes_a_day: None,
            policy: workflow::policy::DEFAULT_POLICY.to_owned(),
            log_level: "INFO".to_owned(),
            machine_timeout: None,
        }
    }
}

/// Every name and ARN of a deployed workflow.
#[derive(Debug, Clone)]
pub struct Stack {
    /// What was chosen.
    pub options: StackOptions,
    /// Where videos are uploaded: versioned.
    pub raw_bucket: String,
    /// Where accepted videos appear: versioned.
    pub approved_bucket: String,
    /// All state between invocations, policy and reports: unversioned.
    pub ledger_bucket: String,
    /// S3's notifications of uploads.
    pub raw_uploads_topic_arn: String,
    /// Rekognition's notifications of finished jobs.
    pub moderation_results_topic_arn: String,
    /// Announcements of verdicts.
    pub decisions_topic_arn: String,
    /// The activity that the state machine waits on.
    pub activity_arn: String,
    /// The state machine.
    pub state_machine_arn: String,
    /// The role that Rekognition assumes to notify.
    pub rekognition_role_arn: String,
    /// Gets the events that ingest failed on for good.
    pub ingest_failures_queue_arn: String,
    /// Gets the events that the callback failed on for good.
    pub callback_failures_queue_arn: String,
    /// Gets the notifications of finished jobs that could not be delivered.
    pub undelivered_results_queue_arn: String,
    account: Account,
}

/// Why a stack could not be deployed.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The state machine's template and its placeholders do not fit.
    #[error("the state machine's template cannot be filled in")]
    Template(#[from] TemplateError),
    /// A principal's policy cannot be read, or the table of what calls need.
    #[error(transparent)]
    Permissions(#[from] permissions::PermissionsError),
    /// A service refused.
    #[error("{resource} could not be created")]
    Refused {
        /// What was to be created.
        resource: String,
        /// The service's answer.
        source: ApiError,
    },
    /// A resource got another ARN than the one that the others were told.
    #[error("{expected} was created as {actual}")]
    Arn {
        /// The planned ARN.
        expected: String,
        /// The service's.
        actual: String,
    },
    /// The policy could not be put into the ledger.
    #[error("the policy could not be put into the ledger bucket: {0}")]
    Policy(String),
}

impl Stack {
    /// The plan: all names and ARNs, nothing created.
    #[must_use]
    pub fn new(account: &Account, options: StackOptions) -> Self {
        let name = options.name.clone();
        let arn =
            |service, kind: &str, what: &str| account.arn(service, &format!("{kind}{name}-{what}"));
        Self {
            raw_bucket: format!("{name}-raw"),
            approved_bucket: format!("{name}-approved"),
            ledger_bucket: format!("{name}-ledger"),
            raw_uploads_topic_arn: arn("sns", "", "raw-uploads"),
            moderation_results_topic_arn: arn("sns", "", "moderation-results"),
            decisions_topic_arn: arn("sns", "", "decisions"),
            activity_arn: arn("states", "activity:", "moderate"),
            state_machine_arn: arn("states", "stateMachine:", "video-ingest"),
            rekognition_role_arn: iam::role_arn(account, &format!("{name}-rekognition")),
            ingest_failures_queue_arn: arn("sqs", "", "ingest-failures"),
            callback_failures_queue_arn: arn("sqs", "", "callback-failures"),
            undelivered_results_queue_arn: arn("sqs", "", "undelivered-results"),
            account: account.clone(),
            options,
        }
    }

    /// The deployed name of a function.
    #[must_use]
    pub fn function_name(&self, function: Function) -> String {
        format!("{}-{}", self.options.name, function.name())
    }

    /// The ARN of a function.
    #[must_use]
    pub fn function_arn(&self, function: Function) -> String {
        let resource = format!("function:{}", self.function_name(function));
        self.account.arn("lambda", &resource)
    }

    /// Lets the schedules run, or stop.
    pub fn set_schedules(&self, aws: &Aws, enabled: bool) {
        for rule in ["every-minute", "sweep"] {
            aws.events
                .set_enabled(&format!("{}-{rule}", self.options.name), enabled);
        }
    }

    /// The ARN of an execution of the state machine.
    #[must_use]
    pub fn execution_arn(&self, execution: &str) -> String {
        let machine = self
            .state_machine_arn
            .replace(":stateMachine:", ":execution:");
        format!("{machine}:{execution}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_those_of_the_account() {
        let stack = Stack::new(&Account::default(), StackOptions::default());
        assert_eq!(
            stack.activity_arn,
            "arn:aws:states:us-east-1:123456789012:activity:reelgate-moderate"
        );
        assert_eq!(
            stack.function_arn(Function::Reconciler),
            "arn:aws:lambda:us-east-1:123456789012:function:reelgate-reconciler"
        );
        assert_eq!(
            stack.execution_arn("clip-0a"),
            "arn:aws:states:us-east-1:123456789012:execution:reelgate-video-ingest:clip-0a"
        );
    }

    #[test]
    fn every_function_is_found_by_its_name() {
        for function in Function::ALL {
            assert_eq!(Function::by_name(function.name()), Some(function));
        }
        assert_eq!(Function::by_name("Reconciler"), None);
    }
}
