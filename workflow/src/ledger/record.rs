//! `jobs/<execution>.json`: everything that is known about one execution between invocations.

use serde::{Deserialize, Serialize};

use super::{Analysis, Copying, Document, Unknown};
use crate::contract::{ErrorName, TaskInput, TaskRank, TaskToken};
use crate::event::ExecutionInput;

/// The record of an execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Schema version of this document.
    pub schema_version: u32,
    /// One more at every write.
    pub revision: u64,
    /// Who wrote this state.
    pub nonce: String,
    /// ARN of the execution.
    pub execution_arn: String,
    /// Name of the execution: the record's key, and the job's tag.
    pub execution: String,
    /// The object version that is moderated.
    pub video: ExecutionInput,
    /// What pre-flight learned; absent until it has run.
    #[serde(default)]
    pub media: Option<Media>,
    /// The task to answer; absent = detached: the state machine's Retry brings another.
    #[serde(default)]
    pub token: Option<HeldToken>,
    /// The drive of the execution that the work is done for: the newest task's, once taken up under the lease.
    pub redrive_count: u32,
    /// What is to be done next.
    pub phase: Phase,
    /// Every scan that was asked for; the last one is current.
    pub analyses: Vec<Analysis>,
    /// The right to hold a Rekognition job open, named here before it is bound and until the job is known to have ended.
    #[serde(default)]
    pub slot: Option<SlotClaim>,
    /// Set by a completion message that came while the job's id was not recorded yet: look at the job now.
    #[serde(default)]
    pub notified: bool,
    /// The verdict, fixed before any of its effects.
    #[serde(default)]
    pub judged: Option<Judged>,
    /// Copies into the approved bucket.
    #[serde(default)]
    pub copying: Copying,
    /// Tries of the current work, counted before each.
    pub attempts: u32,
    /// Leases taken since the record was created.
    #[serde(default)]
    pub lease_count: u32,
    /// What the last try failed with.
    #[serde(default)]
    pub last_error: Option<LastError>,
    /// Who may start, publish and send now.
    #[serde(default)]
    pub lease: Option<LeaseTerm>,
    /// Set once an operational end of the execution was announced.
    #[serde(default)]
    pub announced: bool,
    /// When what happened.
    pub times: Times,
    /// Fields that a newer version of this schema added: kept as they are.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Document for Record {
    fn schema_version(&self) -> u32 {
        self.schema_version
    }

    fn stamp(&mut self, schema_version: u32, nonce: String) {
        self.schema_version = schema_version;
        self.revision += 1;
        self.nonce = nonce;
    }

    fn nonce(&self) -> &str {
        &self.nonce
    }
}

/// What is to be done next for an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Start the current analysis. With a slot bound, a start may already have been sent without an answer.
    Queued,
    /// The job is open, or has ended without having been looked at.
    Running,
    /// Carry the verdict out.
    Judged,
    /// The task was answered: wait for the execution to close.
    Sent,
}

/// What pre-flight learned about the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// The container's content type, for the approved object; None if the container was not understood.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Length of the video.
    #[serde(default)]
    pub duration_ms: Option<u64>,
    /// As [`Record::unknown`].
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A task token and the rank of its task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldToken {
    /// The bearer secret.
    pub secret: TaskToken,
    /// Rank of its task: a token replaces only one of lower rank.
    pub rank: TaskRank,
    /// As [`Record::unknown`].
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A slot, and the nonce of the claim by which it is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotClaim {
    /// The slot's number.
    pub number: u32,
    /// The claim's nonce: the same for as long as the slot is held.
    pub claim: String,
}

/// What a try failed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// For people.
    pub message: String,
    /// Whether AWS refused for lack of permission.
    pub denied: bool,
    /// As [`Record::unknown`].
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What a video's execution ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The policy approves: publish.
    Approved,
    /// The policy rejects.
    Rejected,
    /// The file cannot be moderated.
    Unsupported,
    /// An operational failure, which a redrive may mend.
    Failed(ErrorName),
}

impl Outcome {
    /// The error that the task fails with; None if it succeeds.
    #[must_use]
    pub fn error_name(self) -> Option<ErrorName> {
        match self {
            Self::Approved => None,
            Self::Rejected => Some(ErrorName::ContentRejected),
            Self::Unsupported => Some(ErrorName::UnsupportedVideo),
            Self::Failed(name) => Some(name),
        }
    }
}

/// A verdict, as fixed in the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// What the execution ends with.
    pub outcome: Outcome,
    /// Why, for people: the task's cause, or the rule that approved.
    pub cause: String,
    /// The drive of the execution that it was reached in: it answers only a task of the same drive.
    pub redrive_count: u32,
    /// Hash of the policy that decided; None if no policy was asked.
    #[serde(default)]
    pub policy_hash: Option<String>,
    /// As [`Record::unknown`].
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// The right to start, publish and send for an execution, until it runs out: it is never renewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTerm {
    /// The holder's nonce.
    pub holder: String,
    /// When it runs out, in milliseconds since 1970.
    pub until_ms: i64,
    /// As [`Record::unknown`].
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// When what happened, in milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// S3's time of the version, once pre-flight has seen it.
    #[serde(default)]
    pub uploaded_ms: Option<i64>,
    /// The record was created.
    pub created_ms: i64,
    /// The verdict was fixed.
    #[serde(default)]
    pub judged_ms: Option<i64>,
    /// The approved bucket was seen to be as it should.
    #[serde(default)]
    pub published_ms: Option<i64>,
    /// The task was answered.
    #[serde(default)]
    pub sent_ms: Option<i64>,
    /// As [`Record::unknown`].
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Record {
    /// The record of a task that nothing is known about yet.
    #[must_use]
    pub fn new(
        task: &TaskInput,
        token: Option<TaskToken>,
        analysis: Analysis,
        now_ms: i64,
    ) -> Self {
        Self {
            schema_version: 0,
            revision: 0,
            nonce: String::new(),
            execution_arn: task.execution_arn.clone(),
            execution: task.execution_name.clone(),
            video: task.video.clone(),
            media: None,
            token: token.map(|secret| HeldToken {
                secret,
                rank: task.rank(),
                unknown: Unknown::new(),
            }),
            redrive_count: task.redrive_count,
            phase: Phase::Queued,
            analyses: vec![analysis],
            slot: None,
            notified: false,
            judged: None,
            copying: Copying::default(),
            attempts: 0,
            lease_count: 0,
            last_error: None,
            lease: None,
            announced: false,
            times: Times {
                created_ms: now_ms,
                ..Times::default()
            },
            unknown: Unknown::new(),
        }
    }

    /// The scan that is current.
    #[must_use]
    pub fn analysis(&self) -> Option<&Analysis> {
        self.analyses.last()
    }

    /// The scan that is current, to be changed.
    pub fn analysis_mut(&mut self) -> Option<&mut Analysis> {
        self.analyses.last_mut()
    }

    /// The job of the current scan.
    #[must_use]
    pub fn job_id(&self) -> Option<&str> {
        self.analysis()?.job_id.as_deref()
    }

    /// Whether somebody holds the lease.
    #[must_use]
    pub fn is_leased(&self, now_ms: i64) -> bool {
        self.lease
            .as_ref()
            .is_some_and(|lease| lease.until_ms > now_ms)
    }

    /// Whether the execution waits for a task to be polled.
    #[must_use]
    pub fn is_detached(&self) -> bool {
        self.token.is_none() && self.phase != Phase::Sent
    }

    /// Whether the video counts as published: a copy of its own was noted.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.copying.own_noted_ms.is_some()
    }

    /// Takes the token of a task of this execution; only one of higher rank replaces another.
    pub fn attach(&mut self, rank: TaskRank, secret: TaskToken) -> bool {
        if self.token.as_ref().is_some_and(|held| held.rank >= rank) {
            return false;
        }
        self.token = Some(HeldToken {
            secret,
            rank,
            unknown: Unknown::new(),
        });
        true
    }

    /// Drops the token that was refused; another that came meanwhile stays.
    pub fn detach(&mut self, refused: &TaskToken) -> bool {
        let detaches = self
            .token
            .as_ref()
            .is_some_and(|held| held.secret == *refused);
        if detaches {
            self.token = None;
        }
        detaches
    }

    /// Scans asked for in the current drive of the execution.
    #[must_use]
    pub fn analyses_in_drive(&self) -> usize {
        self.analyses
            .iter()
            .filter(|analysis| analysis.redrive_count == self.redrive_count)
            .count()
    }

    /// Becomes the record of a later drive of the execution, for which nothing was tried yet.
    pub fn begin_drive(&mut self, redrive_count: u32) {
        self.redrive_count = redrive_count;
        self.announced = false;
        self.attempts = 0;
        self.last_error = None;
    }

    /// Fixes the verdict.
    pub fn judge(
        &mut self,
        outcome: Outcome,
        cause: String,
        policy_hash: Option<String>,
        now_ms: i64,
    ) {
        self.judged = Some(Judged {
            outcome,
            cause,
            redrive_count: self.redrive_count,
            policy_hash,
            unknown: Unknown::new(),
        });
        self.phase = Phase::Judged;
        self.attempts = 0;
        self.last_error = None;
        self.times.judged_ms = Some(now_ms);
    }

    /// Asks for another scan.
    pub fn queue(&mut self, analysis: Analysis) {
        self.analyses.push(analysis);
        self.phase = Phase::Queued;
        self.judged = None;
        self.notified = false;
        self.attempts = 0;
        self.last_error = None;
    }
}
