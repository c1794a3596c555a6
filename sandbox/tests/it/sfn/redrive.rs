//! RedriveExecution.

use serde_json::json;

use super::{Bench, TASK_GONE, settle, wait_s};

async fn redrive(bench: &Bench, arn: &str) {
    let redrive = bench.client.redrive_execution().execution_arn(arn);
    redrive.send().await.unwrap();
    settle().await;
}

/// "Continues the failed execution from the unsuccessful step and uses the same input", with the same ARN; the task gets
/// a new token (Developer Guide, "Redriving executions").
#[tokio::test(start_paused = true)]
async fn a_failed_task_runs_again_with_the_same_input_and_a_new_token() {
    let bench = Bench::new();
    let machine = bench.machine(json!({"StartAt": "First", "States": {
        "First": {"Type": "Pass", "Result": {"from": "first"}, "Next": "Work"},
        "Work": {"Type": "Task", "Resource": bench.activity_arn, "End": true,
                 "Parameters": {"input.$": "$", "redrives.$": "$$.Execution.RedriveCount", "retries.$": "$$.State.RetryCount"}},
    }}));
    let arn = bench.start(&machine, json!({})).await;
    let (first, input) = bench.poll().await;
    assert_eq!(
        input,
        json!({"input": {"from": "first"}, "redrives": 0, "retries": 0})
    );
    bench.fail(&first, "Oops", "why").await;
    wait_s(100).await;
    redrive(&bench, &arn).await;

    let described = bench.describe(&arn).await;
    assert_eq!(described["status"], "RUNNING");
    assert_eq!(described["redriveCount"], 1);
    assert_eq!(
        (described.get("stopDate"), described.get("error")),
        (None, None)
    );
    let (second, input) = bench.poll().await;
    assert_eq!(
        input,
        json!({"input": {"from": "first"}, "redrives": 1, "retries": 0})
    );
    let stale = json!({"taskToken": first});
    bench
        .refuses("SendTaskHeartbeat", stale, "TaskTimedOut", TASK_GONE)
        .await;
    bench.succeed(&second, json!("done")).await;
    settle().await;
    assert_eq!(bench.status(&arn).await, "SUCCEEDED");
    // "Schedules and starts the Task state again": no First, and no TaskStateEntered.
    assert_eq!(
        bench.event_types(&arn).await[7..],
        [
            "ExecutionFailed",
            "ExecutionRedriven",
            "ActivityScheduled",
            "ActivityStarted",
            "ActivitySucceeded",
            "TaskStateExited",
            "ExecutionSucceeded"
        ]
    );
    let redriven = &bench.history(&arn).await[8];
    assert_eq!(
        redriven["executionRedrivenEventDetails"],
        json!({"redriveCount": 1})
    );
}

#[tokio::test(start_paused = true)]
async fn timed_out_executions_run_again_with_the_whole_time() {
    let bench = Bench::new();
    let machine = bench.machine(json!({"StartAt": "Work", "TimeoutSeconds": 100, "States": {
        "Work": {"Type": "Task", "Resource": bench.activity_arn, "End": true}}}));
    let arn = bench.start(&machine, json!({})).await;
    wait_s(101).await;
    assert_eq!(bench.status(&arn).await, "TIMED_OUT");
    redrive(&bench, &arn).await;
    wait_s(99).await;
    // "The state machine level timeout, if defined, is reset to 0."
    assert_eq!(bench.status(&arn).await, "RUNNING");
    let (token, _) = bench.poll().await;
    bench.succeed(&token, json!(1)).await;
    settle().await;
    assert_eq!(bench.status(&arn).await, "SUCCEEDED");
}

#[tokio::test(start_paused = true)]
async fn stopped_executions_run_again() {
    let bench = Bench::new();
    let arn = bench.start(&bench.task_machine(json!({})), json!({})).await;
    let (first, _) = bench.poll().await;
    bench
        .client
        .stop_execution()
        .execution_arn(&arn)
        .send()
        .await
        .unwrap();
    redrive(&bench, &arn).await;
    let (second, _) = bench.poll().await;
    assert_ne!(first, second);
    bench.succeed(&second, json!(1)).await;
    settle().await;
    assert_eq!(bench.status(&arn).await, "SUCCEEDED");
}

/// "Reenters the Fail state and fails again" (Developer Guide, "Redrive behavior of individual states").
#[tokio::test(start_paused = true)]
async fn an_execution_that_ended_in_a_fail_state_only_fails_again() {
    let bench = Bench::new();
    let machine = bench.machine(json!({"StartAt": "Work", "States": {
        "Work": {"Type": "Task", "Resource": bench.activity_arn, "End": true,
                 "Catch": [{"ErrorEquals": ["ContentRejected"], "Next": "Rejected"}]},
        "Rejected": {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.Cause"},
    }}));
    let arn = bench.start(&machine, json!({})).await;
    let (token, _) = bench.poll().await;
    bench.fail(&token, "ContentRejected", "Violence").await;
    redrive(&bench, &arn).await;
    let described = bench.describe(&arn).await;
    assert_eq!(described["status"], "FAILED");
    assert_eq!(
        (&described["error"], &described["cause"]),
        (&json!("ContentRejected"), &json!("Violence"))
    );
    let types = bench.event_types(&arn).await;
    assert_eq!(
        types[types.len() - 3..],
        ["ExecutionRedriven", "FailStateEntered", "ExecutionFailed"]
    );
}

/// "The retry counters are reset to 0" (Developer Guide, "Handling errors", redrive).
#[tokio::test(start_paused = true)]
async fn retriers_start_over() {
    let bench = Bench::new();
    let retry = json!({"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]});
    let arn = bench.start(&bench.task_machine(retry), json!({})).await;
    for _ in 0..2 {
        for _ in 0..2 {
            let (token, _) = bench.poll().await;
            bench.fail(&token, "Oops", "").await;
        }
        assert_eq!(bench.status(&arn).await, "FAILED");
        redrive(&bench, &arn).await;
    }
}

/// Reasons in the words of the API reference (DescribeExecution, redriveStatusReason).
#[tokio::test(start_paused = true)]
async fn what_cannot_be_redriven_says_why() {
    let bench = Bench::new();
    let arn = bench.start(&bench.task_machine(json!({})), json!({})).await;
    let input = json!({"executionArn": arn});
    let running = "Execution is RUNNING and cannot be redriven";
    bench
        .refuses(
            "RedriveExecution",
            input.clone(),
            "ExecutionNotRedrivable",
            running,
        )
        .await;
    assert_eq!(bench.describe(&arn).await["redriveStatusReason"], running);
    bench
        .client
        .stop_execution()
        .execution_arn(&arn)
        .send()
        .await
        .unwrap();
    assert_eq!(bench.describe(&arn).await["redriveStatus"], "REDRIVABLE");
    wait_s(14 * 86_400 + 1).await;
    let over = "Execution redrivable period exceeded";
    bench
        .refuses("RedriveExecution", input, "ExecutionNotRedrivable", over)
        .await;
}

/// "The API will return idempotent responses for the last 10 client tokens used to successfully redrive the execution.
/// These client tokens are valid for up to 15 minutes" (API reference, RedriveExecution).
#[tokio::test(start_paused = true)]
async fn a_repeated_client_token_redrives_once() {
    let bench = Bench::new();
    let arn = bench.start(&bench.task_machine(json!({})), json!({})).await;
    bench
        .client
        .stop_execution()
        .execution_arn(&arn)
        .send()
        .await
        .unwrap();
    let input = json!({"executionArn": arn, "clientToken": "once"});
    let first = bench.call("RedriveExecution", input.clone()).await.unwrap();
    wait_s(60).await;
    assert_eq!(
        bench.call("RedriveExecution", input.clone()).await.unwrap(),
        first
    );
    assert_eq!(bench.describe(&arn).await["redriveCount"], 1);
    wait_s(15 * 60).await;
    bench
        .client
        .stop_execution()
        .execution_arn(&arn)
        .send()
        .await
        .unwrap();
    bench.call("RedriveExecution", input).await.unwrap();
    assert_eq!(bench.describe(&arn).await["redriveCount"], 2);
}

/// RUNNING executions are listed "by startDate or redriveDate", newest first.
#[tokio::test(start_paused = true)]
async fn a_redriven_execution_is_listed_by_its_redrive() {
    let bench = Bench::new();
    let machine = bench.task_machine(json!({}));
    let arn = bench.start(&machine, json!({})).await;
    bench
        .client
        .stop_execution()
        .execution_arn(&arn)
        .send()
        .await
        .unwrap();
    wait_s(10).await;
    bench
        .client
        .start_execution()
        .state_machine_arn(&machine)
        .name("younger")
        .send()
        .await
        .unwrap();
    wait_s(10).await;
    redrive(&bench, &arn).await;
    let listed = bench
        .client
        .list_executions()
        .state_machine_arn(&machine)
        .send()
        .await
        .unwrap();
    let names: Vec<&str> = listed
        .executions()
        .iter()
        .map(aws_sdk_sfn::types::ExecutionListItem::name)
        .collect();
    assert_eq!(names, ["run", "younger"]);
    assert_eq!(listed.executions()[0].redrive_count(), Some(1));
}
