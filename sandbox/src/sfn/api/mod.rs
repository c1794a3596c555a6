//! The wire: AWS JSON 1.0, `X-Amz-Target: AWSStepFunctions.<Operation>`, every error of the model HTTP 400.
//!
//! Source: Step Functions API reference. What the model has and the sandbox does not, operation or member, is refused by
//! its name.

mod activities;
mod executions;
mod input;
mod machines;
mod pages;
mod redrive;

use std::sync::Arc;

use serde_json::Value;

use super::Core;
use crate::params::json_operation;
use crate::wire::{ApiError, Request, Response, json_response};
use input::Input;

pub(super) use activities::create as create_activity;
pub(super) use machines::create as create_state_machine;

pub(super) async fn handle(core: &Arc<Core>, request: Request) -> Response {
    let request_id = core.rng.uuid();
    let result = answer(core, request).await;
    json_response("application/x-amz-json-1.0", &request_id, result)
}

async fn answer(core: &Arc<Core>, request: Request) -> Result<Value, ApiError> {
    let (operation, body) = json_operation("AWSStepFunctions", request).await?;
    let input = Input::parse(&operation, &body)?;
    match operation.as_str() {
        "GetActivityTask" => activities::get_task(core, input).await,
        _ => answer_at_once(core, &operation, input),
    }
}

fn answer_at_once(core: &Arc<Core>, operation: &str, input: Input) -> Result<Value, ApiError> {
    match operation {
        "CreateActivity" => activities::create_activity(core, input),
        "DescribeActivity" => activities::describe(core, input),
        "ListActivities" => activities::list(core, input),
        "DeleteActivity" => activities::delete(core, input),
        "SendTaskSuccess" => activities::send_success(core, input),
        "SendTaskFailure" => activities::send_failure(core, input),
        "SendTaskHeartbeat" => activities::send_heartbeat(core, input),
        "CreateStateMachine" => machines::create_state_machine(core, input),
        "DescribeStateMachine" => machines::describe(core, input),
        "ListStateMachines" => machines::list(core, input),
        "UpdateStateMachine" => machines::update(core, input),
        "DeleteStateMachine" => machines::delete(core, input),
        "ValidateStateMachineDefinition" => machines::validate(input),
        "StartExecution" => executions::start(core, input),
        "StopExecution" => executions::stop(core, input),
        "RedriveExecution" => redrive::redrive(core, input),
        "DescribeExecution" => executions::describe(core, input),
        "ListExecutions" => executions::list(core, input),
        "GetExecutionHistory" => executions::history(core, input),
        other => Err(ApiError::not_implemented(&format!(
            "the operation AWSStepFunctions.{other}"
        ))),
    }
}

/// One page of a listing; the token is there only when more follow.
fn listing(member: &str, page: Vec<Value>, next_token: Option<String>) -> Value {
    let mut answer = serde_json::Map::new();
    answer.insert(member.to_owned(), page.into());
    answer.extend(next_token.map(|token| ("nextToken".to_owned(), token.into())));
    answer.into()
}
