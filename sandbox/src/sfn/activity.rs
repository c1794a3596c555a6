//! Activities: polls, tasks in flight and their clocks.
//!
//! - A poll waits 60 seconds at most. It is registered with the service, not with the connection: when the client goes
//!   away the registration stays for the rest of its time and *will be handed* a task that nobody receives
//!   (aws/aws-sdk-go issue 1465, aws/aws-sdk-js issues 1626 and 2259).
//! - A token is handed out exactly once. Both clocks of a task start then, when ActivityStarted is recorded, so a task
//!   that nobody polls never times out (Developer Guide, Task state, TimeoutSeconds).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::asl::data_flow::Failure;
use super::history::{Detail, Reason};
use super::state::{Ended, ExecutionId, Now, State};
use super::token::TaskId;
use crate::wire::ApiError;

/// "The maximum number of workers concurrently polling for activity tasks" (Developer Guide, quotas of 2023).
pub(super) const MAX_POLLERS: usize = 1000;

/// "The maximum time the service holds on to the request before responding" (API reference, GetActivityTask).
pub(super) const POLL: Duration = Duration::from_mins(1);

pub(super) struct Activity {
    pub(super) arn: Arc<str>,
    pub(super) name: String,
    pub(super) created_ms: i64,
    /// Scheduled and not started, oldest first. Tasks of closed executions are dropped when they come up.
    queue: VecDeque<TaskId>,
    /// Polls without a task, oldest first, so the first to expire comes first.
    pollers: VecDeque<Poller>,
}

struct Poller {
    id: u64,
    worker_name: Option<String>,
    expires: Instant,
    reply: oneshot::Sender<Assignment>,
}

/// What a poll is answered with. Not `Debug`: the token is a secret.
pub(super) struct Assignment {
    pub(super) token: String,
    pub(super) input: Arc<str>,
}

/// What a poll gets at once.
pub(super) enum Polled {
    Task(Assignment),
    Waiting(u64, oneshot::Receiver<Assignment>),
}

/// A task that is scheduled or started, and not ended.
pub(super) struct LiveTask {
    execution: ExecutionId,
    activity: Arc<str>,
    input: Arc<str>,
    limits: Limits,
    /// Set when the task starts.
    timeout_at: Option<Instant>,
    heartbeat_at: Option<Instant>,
    started: Option<oneshot::Sender<()>>,
    ended: oneshot::Sender<TaskEnd>,
}

/// The task's TimeoutSeconds and HeartbeatSeconds, as they really take.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    pub(super) timeout: Option<Duration>,
    pub(super) heartbeat: Option<Duration>,
}

/// What the worker reported.
#[derive(Debug)]
pub(super) enum TaskEnd {
    Succeeded(Arc<str>),
    Failed(Reason),
}

/// The driver's side of a task.
pub(super) struct Scheduled {
    pub(super) task: TaskId,
    pub(super) started: oneshot::Receiver<()>,
    pub(super) ended: oneshot::Receiver<TaskEnd>,
}

impl Activity {
    pub(super) fn new(arn: Arc<str>, name: &str, created_ms: i64) -> Self {
        Self {
            arn,
            name: name.to_owned(),
            created_ms,
            queue: VecDeque::new(),
            pollers: VecDeque::new(),
        }
    }

    fn drop_expired(&mut self, now: Now) {
        while self.pollers.front().is_some_and(|p| p.expires <= now.at) {
            self.pollers.pop_front();
        }
    }
}

impl State {
    /// Puts a task in an activity's queue, or hands it to the poll that waits longest.
    pub(super) fn schedule(
        &mut self,
        execution: ExecutionId,
        activity: &Arc<str>,
        input: Arc<str>,
        limits: Limits,
        now: Now,
    ) -> Scheduled {
        let task = self.next_task;
        self.next_task += 1;
        let (started_tx, started) = oneshot::channel();
        let (ended_tx, ended) = oneshot::channel();
        let live = LiveTask {
            execution,
            activity: Arc::clone(activity),
            input,
            limits,
            timeout_at: None,
            heartbeat_at: None,
            started: Some(started_tx),
            ended: ended_tx,
        };
        self.tasks.insert(task, live);
        self.executions[execution].task = Some(task);
        let waiting = self.activities.get_mut(activity).and_then(|activity| {
            activity.drop_expired(now);
            let poller = activity.pollers.pop_front();
            if poller.is_none() {
                activity.queue.push_back(task);
            }
            poller
        });
        if let Some(poller) = waiting
            && let Some(assignment) = self.start(task, poller.worker_name, now)
        {
            // Nobody may be there to receive it: a phantom poll. The task is started all the same.
            let _ = poller.reply.send(assignment);
        }
        Scheduled {
            task,
            started,
            ended,
        }
    }

    /// A worker asks for a task.
    pub(super) fn poll(
        &mut self,
        arn: &str,
        worker_name: Option<String>,
        expires: Instant,
        now: Now,
    ) -> Result<Polled, ApiError> {
        loop {
            let activity = self
                .activities
                .get_mut(arn)
                .ok_or_else(|| does_not_exist(arn))?;
            let Some(task) = activity.queue.pop_front() else {
                break;
            };
            if let Some(assignment) = self.start(task, worker_name.clone(), now) {
                return Ok(Polled::Task(assignment));
            }
        }
        let id = self.next_poller;
        let activity = self
            .activities
            .get_mut(arn)
            .ok_or_else(|| does_not_exist(arn))?;
        activity.drop_expired(now);
        if activity.pollers.len() >= MAX_POLLERS {
            return Err(ApiError::client(
                "ActivityWorkerLimitExceeded",
                "The maximum number of workers concurrently polling for activity tasks has been reached.",
            ));
        }
        let (reply, assigned) = oneshot::channel();
        activity.pollers.push_back(Poller {
            id,
            worker_name,
            expires,
            reply,
        });
        self.next_poller += 1;
        Ok(Polled::Waiting(id, assigned))
    }

    /// Ends a poll whose time is over.
    pub(super) fn end_poll(&mut self, arn: &str, id: u64) {
        if let Some(activity) = self.activities.get_mut(arn) {
            activity.pollers.retain(|poller| poller.id != id);
        }
    }

    /// Starts a task: its token is made and its clocks run. None if its execution is closed.
    fn start(&mut self, id: TaskId, worker_name: Option<String>, now: Now) -> Option<Assignment> {
        let execution = self.tasks.get(&id)?.execution;
        let recorded = self.record(execution, now, Detail::ActivityStarted { worker_name });
        recorded.ok()?;
        let token = self.mint.token(id);
        let task = self.tasks.get_mut(&id)?;
        task.timeout_at = task.limits.timeout.map(|limit| now.at + limit);
        task.heartbeat_at = task.limits.heartbeat.map(|limit| now.at + limit);
        if let Some(started) = task.started.take() {
            let _ = started.send(());
        }
        let input = Arc::clone(&task.input);
        Some(Assignment { token, input })
    }

    /// SendTaskHeartbeat.
    pub(super) fn heartbeat(&mut self, token: &str, now: Now) -> Result<(), ApiError> {
        let id = self.live_task(token, now)?;
        if let Some(task) = self.tasks.get_mut(&id) {
            task.heartbeat_at = task.limits.heartbeat.map(|limit| now.at + limit);
        }
        Ok(())
    }

    /// SendTaskSuccess and SendTaskFailure.
    pub(super) fn end_task(&mut self, token: &str, end: TaskEnd, now: Now) -> Result<(), ApiError> {
        let id = self.live_task(token, now)?;
        let Some(task) = self.tasks.remove(&id) else {
            return Err(timed_out());
        };
        let detail = match &end {
            TaskEnd::Succeeded(output) => Detail::ActivitySucceeded {
                output: Arc::clone(output),
            },
            TaskEnd::Failed(reason) => Detail::ActivityFailed(reason.clone()),
        };
        self.executions[task.execution].task = None;
        // At the history's limit the execution fails here; the worker's call is accepted all the same.
        if self.record(task.execution, now, detail).is_ok() {
            let _ = task.ended.send(end);
        }
        Ok(())
    }

    /// The task of a token, if it is still in flight.
    ///
    /// A token of a task that ended, timed out or whose execution closed gets `TaskTimedOut`, in the words that many
    /// captures show (aws-samples/amazon-mwaa-examples issue 61); any other text `InvalidToken` (LocalStack's recorded
    /// test_sfn_send_task_outcome_with_no_such_token).
    fn live_task(&self, token: &str, now: Now) -> Result<TaskId, ApiError> {
        let invalid = || ApiError::client("InvalidToken", "Invalid Token: 'Invalid token'");
        let id = self.mint.task(token).ok_or_else(invalid)?;
        let task = self.tasks.get(&id).ok_or_else(timed_out)?;
        match task.due() {
            Some(due) if due <= now.at => Err(timed_out()),
            _ => Ok(id),
        }
    }

    /// The activity that a token's task is of; None for a task that has ended, and for what is no token.
    pub(super) fn activity_of(&self, token: &str) -> Option<&str> {
        let task = self.tasks.get(&self.mint.task(token)?)?;
        Some(&task.activity)
    }

    /// When a started task times out next; None if it never does, or has ended.
    pub(super) fn due(&self, task: TaskId) -> Option<Instant> {
        self.tasks.get(&task)?.due()
    }

    /// Times out a task whose time is over; None if it is not (a heartbeat came).
    pub(super) fn time_out_task(&mut self, id: TaskId, now: Now) -> Option<Result<Failure, Ended>> {
        let over = |at: Option<Instant>| at.is_some_and(|at| at <= now.at);
        let task = self.tasks.get(&id)?;
        if !over(task.due()) {
            return None;
        }
        let failure = Failure {
            error: Some("States.Timeout".to_owned()),
            missed_heartbeat: !over(task.timeout_at),
            ..Failure::default()
        };
        let execution = task.execution;
        self.tasks.remove(&id);
        self.executions[execution].task = None;
        let recorded = self.record(execution, now, Detail::ActivityTimedOut);
        Some(recorded.map(|_| failure))
    }
}

impl LiveTask {
    fn due(&self) -> Option<Instant> {
        match (self.timeout_at, self.heartbeat_at) {
            (Some(timeout), Some(heartbeat)) => Some(timeout.min(heartbeat)),
            (timeout, heartbeat) => timeout.or(heartbeat),
        }
    }
}

fn timed_out() -> ApiError {
    ApiError::client(
        "TaskTimedOut",
        "Task Timed Out: 'Provided task does not exist anymore'",
    )
}

pub(super) fn does_not_exist(arn: &str) -> ApiError {
    ApiError::client(
        "ActivityDoesNotExist",
        format!("Activity Does Not Exist: '{arn}'"),
    )
}
