//! State machines, and what is refused.

use serde_json::{Value, json};

use super::{Bench, error, settle, wait_s};

fn pass(result: &str) -> Value {
    json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": result, "End": true}}})
}

fn creation(definition: &Value) -> Value {
    json!({"name": "m", "definition": definition.to_string(), "roleArn": "arn:aws:iam::123456789012:role/r"})
}

/// LocalStack's snapshots of test_create_exact_duplicate_sm and test_create_duplicate_definition_format_sm.
#[tokio::test(start_paused = true)]
async fn creating_the_same_machine_twice_finds_it_and_another_is_refused() {
    let bench = Bench::new();
    let first = bench
        .call("CreateStateMachine", creation(&pass("x")))
        .await
        .unwrap();
    wait_s(10).await;
    let second = bench
        .call("CreateStateMachine", creation(&pass("x")))
        .await
        .unwrap();
    assert_eq!(first, second);
    let arn = "arn:aws:states:us-east-1:123456789012:stateMachine:m";
    assert_eq!(first["stateMachineArn"], arn);
    let message = format!("State Machine Already Exists: '{arn}'");
    bench
        .refuses(
            "CreateStateMachine",
            creation(&pass("y")),
            "StateMachineAlreadyExists",
            &message,
        )
        .await;
    assert_eq!(
        bench
            .call("DescribeStateMachine", json!({"stateMachineArn": arn}))
            .await
            .unwrap(),
        json!({"stateMachineArn": arn, "name": "m", "status": "ACTIVE", "definition": pass("x").to_string(), "type": "STANDARD",
               "roleArn": "arn:aws:iam::123456789012:role/r", "creationDate": 1_793_534_400.0,
               "loggingConfiguration": {"level": "OFF", "includeExecutionData": false}, "tracingConfiguration": {"enabled": false}})
    );
}

/// LocalStack's snapshot of test_create_delete_invalid_sm.
#[tokio::test(start_paused = true)]
async fn an_invalid_definition_is_refused_with_all_its_problems() {
    let bench = Bench::new();
    let message = "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are required: [States] at /'";
    bench
        .refuses(
            "CreateStateMachine",
            creation(&json!({"StartAt": "A"})),
            "InvalidDefinition",
            message,
        )
        .await;
    let definition = json!({"StartAt": "A", "States": {"A": {"Type": "Parallel"}, "B": {"Type": "Pass", "End": true, "Foo": 1}}});
    let refused = bench
        .aws
        .sfn
        .create_state_machine("m", &definition.to_string())
        .unwrap_err();
    assert_eq!(
        refused.message,
        "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: States of type Parallel are not implemented at /States/A/Type, SCHEMA_VALIDATION_FAILED: Field is not supported at /States/B/Foo'"
    );
    let locations: Vec<String> = sandbox::sfn::definition_problems(&definition.to_string())
        .into_iter()
        .map(|problem| problem.location)
        .collect();
    assert_eq!(locations, ["/States/A/Type", "/States/B/Foo"]);
    let validated = bench
        .client
        .validate_state_machine_definition()
        .definition(definition.to_string());
    let validated = validated.send().await.unwrap();
    assert_eq!(validated.result().as_str(), "FAIL");
    assert_eq!(validated.diagnostics().len(), 2);
}

/// "Running executions will continue to use the previous definition" (API reference, UpdateStateMachine).
#[tokio::test(start_paused = true)]
async fn an_update_is_for_executions_that_start_after_it() {
    let bench = Bench::new();
    let waits = |then: &str| json!({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 10, "Next": "A"}, "A": {"Type": "Pass", "Result": then, "End": true}}});
    let machine = bench.machine(waits("old"));
    let before = bench.start(&machine, json!({})).await;
    let update = bench
        .client
        .update_state_machine()
        .state_machine_arn(&machine);
    update
        .definition(waits("new").to_string())
        .send()
        .await
        .unwrap();
    let after = bench
        .client
        .start_execution()
        .state_machine_arn(&machine)
        .send()
        .await
        .unwrap();
    wait_s(11).await;
    assert_eq!(bench.describe(&before).await["output"], "\"old\"");
    assert_eq!(
        bench.describe(after.execution_arn()).await["output"],
        "\"new\""
    );
}

/// "A state machine is deleted only when all its executions are completed. On the next state transition, the state
/// machine's executions are terminated" (API reference, DeleteStateMachine).
#[tokio::test(start_paused = true)]
async fn a_deleted_machine_goes_with_its_last_execution() {
    let bench = Bench::new();
    let machine = bench.machine(json!({"StartAt": "W", "States": {
        "W": {"Type": "Wait", "Seconds": 10, "Next": "A"}, "A": {"Type": "Pass", "End": true}}}));
    let arn = bench.start(&machine, json!({})).await;
    settle().await;
    let delete = bench
        .client
        .delete_state_machine()
        .state_machine_arn(&machine);
    delete.clone().send().await.unwrap();
    let start = bench.client.start_execution().state_machine_arn(&machine);
    assert_eq!(error(start.clone().send().await).0, "StateMachineDeleting");
    wait_s(11).await;
    assert_eq!(bench.status(&arn).await, "ABORTED");
    assert_eq!(error(start.send().await).0, "StateMachineDoesNotExist");
    // Deleting what does not exist succeeds (LocalStack, test_delete_nonexistent_sm).
    delete.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn activities_and_machines_are_listed_in_pages() {
    let bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench
            .client
            .create_activity()
            .name(name)
            .send()
            .await
            .unwrap();
        bench
            .aws
            .sfn
            .create_state_machine(name, &pass(name).to_string())
            .unwrap();
    }
    let mut pages = bench
        .client
        .list_activities()
        .into_paginator()
        .page_size(3)
        .items()
        .send();
    let mut names = Vec::new();
    while let Some(activity) = pages.next().await {
        names.push(activity.unwrap().name().to_owned());
    }
    assert_eq!(names, ["a", "b", "c", "work"]);
    let mut pages = bench
        .client
        .list_state_machines()
        .into_paginator()
        .page_size(2)
        .items()
        .send();
    let mut names = Vec::new();
    while let Some(machine) = pages.next().await {
        names.push(machine.unwrap().name().to_owned());
    }
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn creating_an_activity_twice_finds_it() {
    let bench = Bench::new();
    let first = bench.call("CreateActivity", json!({"name": "x"})).await;
    wait_s(5).await;
    assert_eq!(
        bench.call("CreateActivity", json!({"name": "x"})).await,
        first
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_implemented_is_refused_by_name() {
    let bench = Bench::new();
    let refusal = |what: &str| {
        Err((
            501,
            "NotImplemented".to_owned(),
            format!("the sandbox does not implement {what}"),
        ))
    };
    let started = bench.call("StartSyncExecution", json!({})).await;
    assert_eq!(
        started,
        refusal("the operation AWSStepFunctions.StartSyncExecution")
    );
    let mut input = creation(&pass("x"));
    input["loggingConfiguration"] = json!({"level": "ALL"});
    let created = bench.call("CreateStateMachine", input).await;
    assert_eq!(
        created,
        refusal("the member loggingConfiguration of CreateStateMachine")
    );
    let mut input = creation(&pass("x"));
    input["type"] = json!("EXPRESS");
    let created = bench.call("CreateStateMachine", input).await;
    assert_eq!(created, refusal("state machines of type EXPRESS"));
    let listed = bench.call("ListStateMachines", json!({"nope": 1})).await;
    assert_eq!(listed, refusal("the member nope of ListStateMachines"));
}

#[tokio::test(start_paused = true)]
async fn a_missing_member_is_named() {
    let bench = Bench::new();
    let message = "1 validation error detected: Value null at 'taskToken' failed to satisfy constraint: Member must not be null";
    bench
        .refuses(
            "SendTaskHeartbeat",
            json!({}),
            "ValidationException",
            message,
        )
        .await;
}
