//! State machines.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::asl::{Definition, Problem};
use super::super::history::seconds;
use super::super::state::{ExecutionStatus, Listing, Machine, Revision};
use super::super::{Core, definition_problems};
use super::input::Input;
use super::pages;
use crate::wire::ApiError;

pub(super) fn create_state_machine(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let name = input.required_name("name")?;
    let definition = input.required("definition")?;
    let role_arn = input.required("roleArn")?;
    let kind = input.text("type")?;
    input.finish()?;
    if let Some(kind) = kind.filter(|kind| kind != "STANDARD") {
        return Err(ApiError::not_implemented(&format!(
            "state machines of type {kind}"
        )));
    }
    let (arn, created_ms) = create(core, &name, &definition, &role_arn)?;
    Ok(json!({"stateMachineArn": arn, "creationDate": seconds(created_ms)}))
}

/// Creates a state machine: its ARN and when it was created. One with the same name, definition and role is found.
///
/// # Errors
/// `InvalidDefinition`; `StateMachineAlreadyExists` when the definition or the role differ.
pub(in crate::sfn) fn create(
    core: &Core,
    name: &str,
    definition: &str,
    role_arn: &str,
) -> Result<(String, i64), ApiError> {
    let arn = core.account.arn("states", &format!("stateMachine:{name}"));
    let parsed = parse(definition)?;
    core.with(|state, now| {
        if let Some(machine) = state.machines.get(&arn) {
            if machine.deleting {
                return Err(deleting(&arn));
            }
            if machine.revision.text != definition || *machine.revision.role_arn != *role_arn {
                let message = format!("State Machine Already Exists: '{arn}'");
                return Err(ApiError::client("StateMachineAlreadyExists", message));
            }
            return Ok((arn, machine.created_ms));
        }
        let revision = Revision {
            machine_arn: arn.clone(),
            machine_name: name.to_owned(),
            role_arn: role_arn.into(),
            text: definition.to_owned(),
            definition: parsed,
        };
        let machine = Machine {
            revision: Arc::new(revision),
            revision_id: None,
            created_ms: now.ms,
            deleting: false,
            listing: Listing::default(),
        };
        state.machines.insert(arn.clone(), machine);
        Ok((arn, now.ms))
    })
}

fn parse(definition: &str) -> Result<Definition, ApiError> {
    Definition::parse(definition).map_err(|problems| {
        let problems: Vec<String> = problems
            .iter()
            .map(|problem| format!("SCHEMA_VALIDATION_FAILED: {problem}"))
            .collect();
        ApiError::client(
            "InvalidDefinition",
            format!(
                "Invalid State Machine Definition: '{}'",
                problems.join(", ")
            ),
        )
    })
}

pub(super) fn describe(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let arn = input.arn("stateMachineArn", "stateMachine")?;
    input.finish()?;
    core.with(|state, _| {
        let machine = state
            .machines
            .get(&arn)
            .ok_or_else(|| does_not_exist(&arn))?;
        let mut described = json!({
            "stateMachineArn": arn,
            "name": machine.revision.machine_name,
            "status": if machine.deleting { "DELETING" } else { "ACTIVE" },
            "definition": machine.revision.text,
            "roleArn": *machine.revision.role_arn,
            "type": "STANDARD",
            "creationDate": seconds(machine.created_ms),
            "loggingConfiguration": {"level": "OFF", "includeExecutionData": false},
            "tracingConfiguration": {"enabled": false},
        });
        // None until the first update (LocalStack, test_create_update_state_machine snapshots).
        if let Some(id) = &machine.revision_id {
            described["revisionId"] = json!(id);
        }
        Ok(described)
    })
}

pub(super) fn list(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let max_results = input.max_results()?;
    let next_token = input.text("nextToken")?;
    input.finish()?;
    let after: String = match next_token {
        None => String::new(),
        Some(token) => pages::after(&core.clock, "stateMachines", &token)?,
    };
    core.with(|state, _| {
        let mut rest = state.machines.iter().filter(|(arn, _)| **arn > after);
        let page: Vec<(&String, &Machine)> = rest.by_ref().take(max_results).collect();
        let next_token = page
            .last()
            .filter(|_| rest.next().is_some())
            .map(|(arn, _)| pages::token(&core.clock, "stateMachines", arn));
        let page = page.into_iter().map(|(arn, machine)| {
            json!({
                "stateMachineArn": arn,
                "name": machine.revision.machine_name,
                "type": "STANDARD",
                "creationDate": seconds(machine.created_ms),
            })
        });
        Ok(super::listing("stateMachines", page.collect(), next_token))
    })
}

/// "Running executions will continue to use the previous definition and roleArn" (API reference, UpdateStateMachine).
pub(super) fn update(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let arn = input.arn("stateMachineArn", "stateMachine")?;
    let definition = input.text("definition")?;
    let role_arn = input.text("roleArn")?;
    input.finish()?;
    if definition.is_none() && role_arn.is_none() {
        let message = "Either the definition, the role ARN, the LoggingConfiguration, the EncryptionConfiguration or the TracingConfiguration must be specified";
        return Err(ApiError::client("MissingRequiredParameter", message));
    }
    let parsed = definition.as_deref().map(parse).transpose()?;
    let revision_id = core.rng.uuid();
    core.with(|state, now| {
        let machine = state
            .machines
            .get_mut(&arn)
            .ok_or_else(|| does_not_exist(&arn))?;
        if machine.deleting {
            return Err(deleting(&arn));
        }
        let before = &machine.revision;
        machine.revision = Arc::new(Revision {
            machine_arn: arn,
            machine_name: before.machine_name.clone(),
            role_arn: role_arn.map_or_else(|| Arc::clone(&before.role_arn), Into::into),
            definition: parsed.unwrap_or_else(|| before.definition.clone()),
            text: definition.unwrap_or_else(|| before.text.clone()),
        });
        machine.revision_id = Some(revision_id.clone());
        Ok(json!({"updateDate": seconds(now.ms), "revisionId": revision_id}))
    })
}

/// Deleting what does not exist succeeds (LocalStack, test_delete_nonexistent_sm). A machine with running executions is
/// DELETING until they are closed.
pub(super) fn delete(core: &Core, mut input: Input) -> Result<Value, ApiError> {
    let arn = input.arn("stateMachineArn", "stateMachine")?;
    input.finish()?;
    core.with(|state, _| {
        if let Some(machine) = state.machines.get_mut(&arn) {
            machine.deleting = true;
            if machine.listing.count(ExecutionStatus::Running) == 0 {
                state.machines.remove(&arn);
            }
        }
    });
    Ok(json!({}))
}

pub(super) fn validate(mut input: Input) -> Result<Value, ApiError> {
    let definition = input.required("definition")?;
    let kind = input.text("type")?;
    input.finish()?;
    if let Some(kind) = kind.filter(|kind| kind != "STANDARD") {
        return Err(ApiError::not_implemented(&format!(
            "state machines of type {kind}"
        )));
    }
    let problems = definition_problems(&definition);
    let diagnostics: Vec<Value> = problems.iter().map(diagnostic).collect();
    let result = if problems.is_empty() { "OK" } else { "FAIL" };
    Ok(json!({"result": result, "diagnostics": diagnostics, "truncated": false}))
}

fn diagnostic(problem: &Problem) -> Value {
    json!({
        "severity": "ERROR",
        "code": "SCHEMA_VALIDATION_FAILED",
        "message": problem.message,
        "location": problem.location,
    })
}

pub(super) fn does_not_exist(arn: &str) -> ApiError {
    let message = format!("State Machine Does Not Exist: '{arn}'");
    ApiError::client("StateMachineDoesNotExist", message)
}

pub(super) fn deleting(arn: &str) -> ApiError {
    let message = format!("State Machine is Deleting: '{arn}'");
    ApiError::client("StateMachineDeleting", message)
}
