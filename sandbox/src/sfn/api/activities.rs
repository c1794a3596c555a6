//! Activities, polls for their tasks, and what workers report.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::Core;
use super::super::activity::{Activity, Assignment, POLL, Polled, TaskEnd, does_not_exist};
use super::super::execution::MAX_DATA_BYTES;
use super::super::history::{Reason, seconds};
use super::input::{Input, json_problem};
use super::pages;
use crate::wire::ApiError;

pub(super) fn create_activity(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let name = input.required_name("name")?;
    input.finish()?;
    let (arn, created_ms) = create(core, &name);
    Ok(json!({"activityArn": arn, "creationDate": seconds(created_ms)}))
}

/// Creates an activity, or finds it: its ARN and when it was created.
pub(in crate::sfn) fn create(core: &Core, name: &str) -> (String, i64) {
    let arn: Arc<str> = core
        .account
        .arn("states", &format!("activity:{name}"))
        .into();
    core.with(|state, now| {
        let created_ms = state
            .activities
            .entry(Arc::clone(&arn))
            .or_insert_with(|| Activity::new(Arc::clone(&arn), name, now.ms))
            .created_ms;
        (arn.to_string(), created_ms)
    })
}

pub(super) fn describe(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let arn = input.arn("activityArn", "activity")?;
    input.finish()?;
    core.with(|state, _| match state.activities.get(arn.as_str()) {
        Some(activity) => Ok(item(activity)),
        None => Err(does_not_exist(&arn)),
    })
}

pub(super) fn list(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let max_results = input.max_results()?;
    let next_token = input.text("nextToken")?;
    input.finish()?;
    let after: String = match next_token {
        None => String::new(),
        Some(token) => pages::after(&core.clock, "activities", &token)?,
    };
    let (mut page, more) = core.with(|state, _| {
        let mut rest = state
            .activities
            .values()
            .filter(|activity| *activity.arn > *after);
        let page: Vec<Value> = rest.by_ref().take(max_results).map(item).collect();
        (page, rest.next().is_some())
    });
    let next_token = page
        .last_mut()
        .filter(|_| more)
        .map(|last| pages::token(&core.clock, "activities", last["activityArn"].clone()));
    Ok(super::listing("activities", page, next_token))
}

fn item(activity: &Activity) -> Value {
    json!({
        "activityArn": *activity.arn,
        "name": activity.name,
        "creationDate": seconds(activity.created_ms),
    })
}

pub(super) fn delete(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let arn = input.arn("activityArn", "activity")?;
    input.finish()?;
    core.with(|state, _| state.activities.remove(arn.as_str()));
    Ok(json!({}))
}

/// Waits up to 60 seconds for a task. Without one the answer has no task token: state machines of AWS's own rely on its
/// absence (LocalStack, base_id_activity_consumer_timeout).
pub(super) async fn get_task(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let arn = input.arn("activityArn", "activity")?;
    let worker_name = input.name("workerName")?;
    input.finish()?;
    let expires = Instant::now() + core.clock.scaled(POLL);
    let (poll, mut assigned) =
        match core.with(|state, now| state.poll(&arn, worker_name, expires, now))? {
            Polled::Task(assignment) => return Ok(task(&assignment)),
            Polled::Waiting(id, assigned) => (id, assigned),
        };
    let received = tokio::select! {
        biased;
        received = &mut assigned => received.ok(),
        () = tokio::time::sleep_until(expires) => core.with(|state, _| {
            state.end_poll(&arn, poll);
            assigned.try_recv().ok()
        }),
    };
    Ok(received.map_or_else(|| json!({}), |assignment| task(&assignment)))
}

fn task(assignment: &Assignment) -> Value {
    json!({"taskToken": assignment.token, "input": *assignment.input})
}

pub(super) fn send_success(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let token = input.task_token()?;
    let output = input.required_sensitive("output", MAX_DATA_BYTES)?;
    input.finish()?;
    if let Some(problem) = json_problem(&output) {
        let message = format!("Invalid Output: '{problem}'");
        return Err(ApiError::client("InvalidOutput", message));
    }
    let end = TaskEnd::Succeeded(output.into());
    core.with(|state, now| state.end_task(&token, end, now))?;
    Ok(json!({}))
}

pub(super) fn send_failure(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let token = input.task_token()?;
    let reason = reason(&mut input)?;
    input.finish()?;
    core.with(|state, now| state.end_task(&token, TaskEnd::Failed(reason), now))?;
    Ok(json!({}))
}

/// `error` (at most 256 characters) and `cause` (at most 32,768), both optional.
pub(super) fn reason(input: &mut Input) -> Result<Reason, ApiError> {
    Ok(Reason {
        error: input.sensitive("error", 256)?.map(Into::into),
        cause: input.sensitive("cause", 32_768)?.map(Into::into),
    })
}

pub(super) fn send_heartbeat(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let token = input.task_token()?;
    input.finish()?;
    core.with(|state, now| state.heartbeat(&token, now))?;
    Ok(json!({}))
}
