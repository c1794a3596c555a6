//! StartExecution, StopExecution, and histories.

use serde_json::json;

use super::{Bench, error, settle, wait_s};

fn waiting() -> serde_json::Value {
    json!({"StartAt": "State_1", "States": {"State_1": {"Type": "Wait", "Seconds": 1000, "End": true}}})
}

/// "If StartExecution is called with the same name and input as a running execution, the call succeeds and returns the
/// same response" (API reference, StartExecution).
#[tokio::test(start_paused = true)]
async fn starting_a_running_execution_again_with_the_same_input_answers_the_same() {
    let bench = Bench::new();
    let machine = bench.machine(waiting());
    let input = json!({"stateMachineArn": machine, "name": "run", "input": "{}"});
    let first = bench.call("StartExecution", input.clone()).await.unwrap();
    wait_s(10).await;
    assert_eq!(bench.call("StartExecution", input).await.unwrap(), first);
    assert_eq!(bench.aws.sfn.executions_started(), 1);
    assert_eq!(
        first["executionArn"],
        "arn:aws:states:us-east-1:123456789012:execution:machine:run"
    );
}

/// Message and both cases: LocalStack's test_start_execution_idempotent, recorded on AWS 2024-08-21.
#[tokio::test(start_paused = true)]
async fn another_input_or_a_closed_execution_make_the_name_taken() {
    let bench = Bench::new();
    let machine = bench.machine(waiting());
    let arn = bench.start(&machine, json!({})).await;
    let message = format!("Execution Already Exists: '{arn}'");
    let other = json!({"stateMachineArn": machine, "name": "run", "input": r#"{"a":1}"#});
    bench
        .refuses("StartExecution", other, "ExecutionAlreadyExists", &message)
        .await;
    bench
        .client
        .stop_execution()
        .execution_arn(&arn)
        .send()
        .await
        .unwrap();
    let same = json!({"stateMachineArn": machine, "name": "run", "input": "{}"});
    bench
        .refuses("StartExecution", same, "ExecutionAlreadyExists", &message)
        .await;
}

/// "After an execution is closed, its name can be reused after 90 days" (API reference, StartExecution).
#[tokio::test(start_paused = true)]
async fn a_name_is_free_again_ninety_days_after_the_close() {
    let bench = Bench::new();
    let machine = bench.machine(waiting());
    let arn = bench.start(&machine, json!({"n": 1})).await;
    bench
        .client
        .stop_execution()
        .execution_arn(&arn)
        .send()
        .await
        .unwrap();
    wait_s(90 * 86_400 - 1).await;
    let again = bench
        .client
        .start_execution()
        .state_machine_arn(&machine)
        .name("run");
    assert_eq!(
        error(again.clone().send().await).0,
        "ExecutionAlreadyExists"
    );
    wait_s(1).await;
    again.send().await.unwrap();
    assert_eq!(bench.describe(&arn).await["input"], "{}");
    let listed = bench.client.list_executions().state_machine_arn(&machine);
    assert_eq!(listed.send().await.unwrap().executions().len(), 1);
}

/// LocalStack's snapshots of test_invalid_start_execution_input.
#[tokio::test(start_paused = true)]
async fn input_that_is_not_json_is_refused_in_the_words_of_aws() {
    let bench = Bench::new();
    let machine = bench.machine(waiting());
    let cases = [
        (
            "not some json",
            "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
        ),
        (
            "{'not': 'json'}",
            "Unexpected character (''' (code 39)): was expecting double-quote to start field name",
        ),
        ("", "Invalid execution input."),
    ];
    for (text, problem) in cases {
        let input = json!({"stateMachineArn": machine, "input": text});
        let message = format!("Invalid State Machine Execution Input: '{problem}'");
        bench
            .refuses("StartExecution", input, "InvalidExecutionInput", &message)
            .await;
    }
    for text in ["2", r#""text""#, "null", "[1]"] {
        let input = json!({"stateMachineArn": machine, "input": text});
        bench.call("StartExecution", input).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn input_defaults_to_an_empty_object_and_the_name_to_an_id() {
    let bench = Bench::new();
    let start = bench
        .client
        .start_execution()
        .state_machine_arn(bench.machine(waiting()));
    let arn = start.send().await.unwrap().execution_arn;
    let described = bench.describe(&arn).await;
    assert_eq!(described["input"], "{}");
    assert_eq!(described["name"].as_str().unwrap().len(), 36);
}

/// The characters of the API reference; the message as recorded by LocalStack's test_sfn_api_activities; the limit's as in
/// wolfeidau/buildkite-serverless-agent issue 37.
#[tokio::test(start_paused = true)]
async fn names_have_eighty_characters_at_most_and_none_that_is_forbidden() {
    let bench = Bench::new();
    let machine = bench.machine(waiting());
    for c in " <>{}[]?*\"#%\\^|~`$&,;:/\t\u{85}".chars() {
        let name = format!("a{c}b");
        let input = json!({"stateMachineArn": machine, "name": name});
        let message = format!("Invalid Name: '{name}'");
        bench
            .refuses("StartExecution", input, "InvalidName", &message)
            .await;
    }
    for name in ["dots.and-more_(of)=+!@'", "größe", &"x".repeat(80)] {
        let input = json!({"stateMachineArn": machine, "name": name});
        bench.call("StartExecution", input).await.unwrap();
    }
    let name = "x".repeat(81);
    let message = format!(
        "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must have length less than or equal to 80"
    );
    let input = json!({"stateMachineArn": machine, "name": name});
    bench
        .refuses("StartExecution", input, "ValidationException", &message)
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_named() {
    let bench = Bench::new();
    let base = "arn:aws:states:us-east-1:123456789012";
    let cases = [
        (
            "StartExecution",
            "stateMachineArn",
            format!("{base}:stateMachine:none"),
            "StateMachineDoesNotExist",
            "State Machine Does Not Exist",
        ),
        (
            "DescribeExecution",
            "executionArn",
            format!("{base}:execution:m:none"),
            "ExecutionDoesNotExist",
            "Execution Does Not Exist",
        ),
        (
            "GetActivityTask",
            "activityArn",
            format!("{base}:activity:none"),
            "ActivityDoesNotExist",
            "Activity Does Not Exist",
        ),
    ];
    for (operation, member, arn, code, words) in cases {
        let message = format!("{words}: '{arn}'");
        bench
            .refuses(operation, json!({ member: arn }), code, &message)
            .await;
    }
    // The message is from a custom resource's test that quotes the service.
    let input = json!({"stateMachineArn": format!("{base}:execution:m:n")});
    let message = "Invalid Arn: 'Resource type not valid in this context: execution'";
    bench
        .refuses("StartExecution", input, "InvalidArn", message)
        .await;
}

/// LocalStack's snapshot of test_stop_execution: ExecutionAborted follows nothing.
#[tokio::test(start_paused = true)]
async fn a_stopped_execution_ends_with_an_event_that_follows_nothing() {
    let bench = Bench::new();
    let arn = bench.start(&bench.machine(waiting()), json!({})).await;
    settle().await;
    bench
        .client
        .stop_execution()
        .execution_arn(&arn)
        .send()
        .await
        .unwrap();
    let history = bench.history(&arn).await;
    assert_eq!(
        history[2],
        json!({"id": 3, "previousEventId": 0, "type": "ExecutionAborted", "executionAbortedEventDetails": {}})
    );
    assert_eq!(history.len(), 3);
    wait_s(2000).await;
    assert_eq!(bench.history(&arn).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stop_keeps_its_error_and_cause_and_a_second_one_changes_nothing() {
    let bench = Bench::new();
    let arn = bench.start(&bench.machine(waiting()), json!({})).await;
    let stop = bench.client.stop_execution().execution_arn(&arn);
    let first = stop.clone().error("E").cause("C").send().await.unwrap();
    wait_s(5).await;
    let second = stop.error("F").send().await.unwrap();
    assert_eq!(first.stop_date(), second.stop_date());
    let described = bench.describe(&arn).await;
    assert_eq!(
        (&described["error"], &described["cause"]),
        (&json!("E"), &json!("C"))
    );
    assert_eq!(described["status"], "ABORTED");
}

/// LocalStack's snapshot of test_start_execution (a Pass state).
#[tokio::test(start_paused = true)]
async fn a_pass_state_leaves_the_four_events_that_aws_records() {
    let bench = Bench::new();
    let machine = bench.machine(
        json!({"Comment": "BASE_PASS_RESULT", "StartAt": "State_1", "States": {
        "State_1": {"Type": "Pass", "Result": {"Arg1": "argument1"}, "End": true}}}),
    );
    let arn = bench.start(&machine, json!({})).await;
    let whole = json!({"truncated": false});
    let output = r#"{"Arg1":"argument1"}"#;
    let history = bench.history(&arn).await;
    assert_eq!(
        json!(history[1..]),
        json!([
            {"id": 2, "previousEventId": 0, "type": "PassStateEntered",
             "stateEnteredEventDetails": {"name": "State_1", "input": "{}", "inputDetails": whole}},
            {"id": 3, "previousEventId": 2, "type": "PassStateExited",
             "stateExitedEventDetails": {"name": "State_1", "output": output, "outputDetails": whole}},
            {"id": 4, "previousEventId": 3, "type": "ExecutionSucceeded",
             "executionSucceededEventDetails": {"output": output, "outputDetails": whole}},
        ])
    );
}

/// Number, error and cause as in captured histories; "if the event number 25,000 isn't ExecutionSucceeded, the
/// ExecutionFailed event is logged" (Developer Guide, "Avoid reaching the history quota").
#[tokio::test(start_paused = true)]
async fn the_last_of_25_000_events_fails_the_execution() {
    let bench = Bench::new();
    let arn = bench
        .start(
            &bench.machine(json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "A"}}})),
            json!({}),
        )
        .await;
    wait_s(1).await;
    let newest = json!({"executionArn": arn, "reverseOrder": true, "maxResults": 1});
    let last = &bench.call("GetExecutionHistory", newest).await.unwrap()["events"][0];
    assert_eq!(
        (&last["id"], &last["previousEventId"]),
        (&json!(25_000), &json!(24_999))
    );
    assert_eq!(
        last["executionFailedEventDetails"],
        json!({"error": "States.Runtime", "cause": "The execution reached the maximum number of history events (25000)."})
    );
    let described = bench.describe(&arn).await;
    assert_eq!(described["redriveStatus"], "NOT_REDRIVABLE");
    assert_eq!(
        described["redriveStatusReason"],
        "Execution history event limit exceeded"
    );
}

/// The same seed and requests give the same bytes, tokens and retry delays included.
#[tokio::test(start_paused = true)]
async fn equal_seeds_give_equal_histories() {
    async fn one_run() -> String {
        let bench = Bench::new();
        let retry = json!({"TimeoutSeconds": 7, "Retry": [
            {"ErrorEquals": ["States.ALL"], "JitterStrategy": "FULL", "IntervalSeconds": 60, "MaxAttempts": 5}]});
        let machine = bench.task_machine(retry);
        let mut seen = String::new();
        for n in 0..3 {
            let start = bench
                .client
                .start_execution()
                .state_machine_arn(&machine)
                .name(format!("run-{n}"));
            start.send().await.unwrap();
        }
        for _ in 0..9 {
            let input = json!({"activityArn": bench.activity_arn});
            let task = bench.call("GetActivityTask", input).await.unwrap();
            seen.push_str(&task.to_string());
        }
        wait_s(3600).await;
        for n in 0..3 {
            let arn = format!("arn:aws:states:us-east-1:123456789012:execution:machine:run-{n}");
            let history = bench
                .call("GetExecutionHistory", json!({"executionArn": arn}))
                .await
                .unwrap();
            seen.push_str(&history.to_string());
        }
        seen
    }
    assert_eq!(one_run().await, one_run().await);
}
