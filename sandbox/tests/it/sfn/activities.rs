//! Polls, tokens and what workers report.

use std::time::Duration;

use aws_sdk_sfn::operation::get_activity_task::GetActivityTaskOutput;
use sandbox::sfn::TOKEN_CANARY;
use serde_json::json;
use tokio::time::Instant;

use super::{Bench, TASK_GONE, error, settle, wait_s};

/// The whole history, in AWS's words: LocalStack's snapshot of test_activity_task, recorded on AWS.
#[tokio::test(start_paused = true)]
async fn an_activity_task_leaves_the_seven_events_that_aws_records() {
    let bench = Bench::new();
    let machine = bench.task_machine(json!({}));
    let arn = bench.start(&machine, json!({"Value1": "Hello"})).await;
    let polled = bench
        .client
        .get_activity_task()
        .activity_arn(&bench.activity_arn)
        .worker_name("BASE_ID_ACTIVITY_CONSUMER");
    let task = polled.send().await.unwrap();
    bench
        .succeed(task.task_token().unwrap(), json!({"Value2": "World"}))
        .await;

    let input = r#"{"Value1":"Hello"}"#;
    let output = r#"{"Value2":"World"}"#;
    let whole = json!({"truncated": false});
    let role = "arn:aws:iam::123456789012:role/machine";
    assert_eq!(
        json!(bench.history(&arn).await),
        json!([
            {"id": 1, "previousEventId": 0, "type": "ExecutionStarted",
             "executionStartedEventDetails": {"input": input, "inputDetails": whole, "roleArn": role}},
            {"id": 2, "previousEventId": 0, "type": "TaskStateEntered",
             "stateEnteredEventDetails": {"name": "Work", "input": input, "inputDetails": whole}},
            {"id": 3, "previousEventId": 2, "type": "ActivityScheduled",
             "activityScheduledEventDetails": {"resource": bench.activity_arn, "input": input, "inputDetails": whole}},
            {"id": 4, "previousEventId": 3, "type": "ActivityStarted",
             "activityStartedEventDetails": {"workerName": "BASE_ID_ACTIVITY_CONSUMER"}},
            {"id": 5, "previousEventId": 4, "type": "ActivitySucceeded",
             "activitySucceededEventDetails": {"output": output, "outputDetails": whole}},
            {"id": 6, "previousEventId": 5, "type": "TaskStateExited",
             "stateExitedEventDetails": {"name": "Work", "output": output, "outputDetails": whole}},
            {"id": 7, "previousEventId": 6, "type": "ExecutionSucceeded",
             "executionSucceededEventDetails": {"output": output, "outputDetails": whole}},
        ])
    );
}

/// LocalStack's snapshots of test_activity_task_no_worker_name and test_activity_task_with_heartbeat.
#[tokio::test(start_paused = true)]
async fn events_tell_limits_and_worker_only_if_given() {
    let bench = Bench::new();
    let limits = json!({"TimeoutSeconds": 60, "HeartbeatSeconds": 10});
    let arn = bench.start(&bench.task_machine(limits), json!({})).await;
    bench.poll().await;
    let history = bench.history(&arn).await;
    let scheduled = &history[2]["activityScheduledEventDetails"];
    assert_eq!(scheduled["timeoutInSeconds"], 60);
    assert_eq!(scheduled["heartbeatInSeconds"], 10);
    assert_eq!(history[3]["activityStartedEventDetails"], json!({}));
}

/// LocalStack's snapshot of test_activity_task_failure.
#[tokio::test(start_paused = true)]
async fn a_failure_that_nothing_catches_fails_the_execution_with_its_error_and_cause() {
    let bench = Bench::new();
    let arn = bench.start(&bench.task_machine(json!({})), json!({})).await;
    let (token, _) = bench.poll().await;
    bench.fail(&token, "Programmatic Error", "why").await;
    let history = bench.history(&arn).await;
    let reason = json!({"error": "Programmatic Error", "cause": "why"});
    assert_eq!(history[4]["type"], "ActivityFailed");
    assert_eq!(history[4]["activityFailedEventDetails"], reason);
    assert_eq!(history[5]["type"], "ExecutionFailed");
    assert_eq!(history[5]["executionFailedEventDetails"], reason);
    assert_eq!(bench.status(&arn).await, "FAILED");
}

/// LocalStack's snapshot of test_activity_task_on_deleted: no ActivityScheduled, and no catcher helps.
#[tokio::test(start_paused = true)]
async fn a_deleted_activity_fails_the_execution_uncaught() {
    let bench = Bench::new();
    let machine = bench.machine(json!({"StartAt": "Work", "States": {
        "Work": {"Type": "Task", "Resource": bench.activity_arn, "End": true,
                 "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]},
        "Caught": {"Type": "Succeed"},
    }}));
    let delete = bench
        .client
        .delete_activity()
        .activity_arn(&bench.activity_arn);
    delete.send().await.unwrap();
    let arn = bench.start(&machine, json!({})).await;
    let history = bench.history(&arn).await;
    let cause = format!(
        "An error occurred while executing the state 'Work' (entered at the event id #2). The activity {} does not exist.",
        bench.activity_arn
    );
    assert_eq!(
        history[2],
        json!({"id": 3, "previousEventId": 2, "type": "ExecutionFailed",
               "executionFailedEventDetails": {"error": "States.Runtime", "cause": cause}})
    );
    assert_eq!(history.len(), 3);
}

/// "The maximum time the service holds on to the request before responding is 60 seconds" (API reference,
/// GetActivityTask); the token is then absent (LocalStack, base_id_activity_consumer_timeout).
#[tokio::test(start_paused = true)]
async fn a_poll_without_a_task_answers_after_sixty_seconds_without_a_token() {
    let bench = Bench::new();
    let begun = Instant::now();
    let answer = bench
        .call(
            "GetActivityTask",
            json!({"activityArn": bench.activity_arn}),
        )
        .await;
    assert_eq!(begun.elapsed().as_secs(), 60);
    assert_eq!(answer, Ok(json!({})));
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_answered_as_soon_as_there_is_a_task() {
    let bench = Bench::new();
    let machine = bench.task_machine(json!({}));
    let poll = bench
        .client
        .get_activity_task()
        .activity_arn(&bench.activity_arn)
        .send();
    let poll = tokio::spawn(poll);
    wait_s(30).await;
    let begun = Instant::now();
    bench.start(&machine, json!({"n": 1})).await;
    let task: GetActivityTaskOutput = poll.await.unwrap().unwrap();
    assert_eq!(task.input(), Some(r#"{"n":1}"#));
    assert!(begun.elapsed() < Duration::from_secs(1));
}

/// A poll whose client is gone stays registered for the rest of its 60 seconds and takes a task with it
/// (aws/aws-sdk-go issue 1465, aws/aws-sdk-js issue 1626).
#[tokio::test(start_paused = true)]
async fn a_dropped_poll_still_takes_a_task() {
    let bench = Bench::new();
    let machine = bench.task_machine(json!({"TimeoutSeconds": 3600}));
    drop_a_poll(&bench).await;
    wait_s(50).await;
    let arn = bench.start(&machine, json!({})).await;
    assert_eq!(
        bench.event_types(&arn).await.last().unwrap(),
        "ActivityStarted"
    );
    let begun = Instant::now();
    let input = json!({"activityArn": bench.activity_arn});
    assert_eq!(bench.call("GetActivityTask", input).await, Ok(json!({})));
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_poll_is_forgotten_after_its_sixty_seconds() {
    let bench = Bench::new();
    let machine = bench.task_machine(json!({}));
    drop_a_poll(&bench).await;
    wait_s(61).await;
    let arn = bench.start(&machine, json!({})).await;
    assert_eq!(
        bench.event_types(&arn).await.last().unwrap(),
        "ActivityScheduled"
    );
    bench.poll().await;
}

async fn drop_a_poll(bench: &Bench) {
    let input = json!({"activityArn": bench.activity_arn});
    let poll = bench.call("GetActivityTask", input);
    let dropped = tokio::time::timeout(Duration::from_secs(1), poll).await;
    assert!(dropped.is_err());
}

#[tokio::test(start_paused = true)]
async fn tasks_are_handed_out_in_the_order_they_were_scheduled_each_once() {
    let bench = Bench::new();
    let machine = bench.task_machine(json!({}));
    for n in 0..5 {
        let start = bench
            .client
            .start_execution()
            .state_machine_arn(&machine)
            .input(json!({ "n": n }).to_string());
        start.send().await.unwrap();
        settle().await;
    }
    let mut tokens = std::collections::BTreeSet::new();
    for n in 0..5 {
        let (token, input) = bench.poll().await;
        assert_eq!(input, json!({ "n": n }));
        tokens.insert(token);
    }
    assert_eq!(tokens.len(), 5);
}

/// "The maximum number of workers concurrently polling for activity tasks has been reached." (API reference,
/// ActivityWorkerLimitExceeded; the number is the quota of 2023).
#[tokio::test(start_paused = true)]
async fn the_thousand_and_first_poller_is_refused() {
    let bench = Bench::new();
    for _ in 0..1000 {
        let poll = bench
            .client
            .get_activity_task()
            .activity_arn(&bench.activity_arn)
            .send();
        tokio::spawn(poll);
    }
    settle().await;
    bench
        .refuses(
            "GetActivityTask",
            json!({"activityArn": bench.activity_arn}),
            "ActivityWorkerLimitExceeded",
            "The maximum number of workers concurrently polling for activity tasks has been reached.",
        )
        .await;
}

/// Tokens of real activities have 600 characters and this prefix (captured get-activity-task output).
#[tokio::test(start_paused = true)]
async fn tokens_have_the_form_of_real_ones_and_carry_the_canary() {
    let bench = Bench::new();
    bench.start(&bench.task_machine(json!({})), json!({})).await;
    let (token, _) = bench.poll().await;
    assert_eq!(token.len(), 600);
    assert!(token.starts_with("AAAAKgAAAAIAAAAAAAAAA"));
    assert!(token.contains(TOKEN_CANARY));
}

/// A second call gets TaskTimedOut with this message (aws-samples/amazon-mwaa-examples issue 61 and others).
#[tokio::test(start_paused = true)]
async fn a_task_that_ended_does_not_exist_anymore() {
    let bench = Bench::new();
    bench.start(&bench.task_machine(json!({})), json!({})).await;
    let (token, _) = bench.poll().await;
    bench.succeed(&token, json!(1)).await;
    let gone = ("TaskTimedOut".to_owned(), TASK_GONE.to_owned());
    let success = bench
        .client
        .send_task_success()
        .task_token(&token)
        .output("1");
    assert_eq!(error(success.send().await), gone);
    let failure = bench.client.send_task_failure().task_token(&token);
    assert_eq!(error(failure.send().await), gone);
    let heartbeat = bench.client.send_task_heartbeat().task_token(&token);
    assert_eq!(error(heartbeat.send().await), gone);
}

#[tokio::test(start_paused = true)]
async fn a_task_of_a_stopped_execution_does_not_exist_anymore() {
    let bench = Bench::new();
    let arn = bench.start(&bench.task_machine(json!({})), json!({})).await;
    let (token, _) = bench.poll().await;
    bench
        .client
        .stop_execution()
        .execution_arn(&arn)
        .send()
        .await
        .unwrap();
    let heartbeat = json!({"taskToken": token});
    bench
        .refuses("SendTaskHeartbeat", heartbeat, "TaskTimedOut", TASK_GONE)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_queued_task_of_a_stopped_execution_is_never_handed_out() {
    let bench = Bench::new();
    let arn = bench.start(&bench.task_machine(json!({})), json!({})).await;
    settle().await;
    bench
        .client
        .stop_execution()
        .execution_arn(&arn)
        .send()
        .await
        .unwrap();
    let input = json!({"activityArn": bench.activity_arn});
    assert_eq!(bench.call("GetActivityTask", input).await, Ok(json!({})));
}

/// LocalStack's recorded test_sfn_send_task_outcome_with_no_such_token.
#[tokio::test(start_paused = true)]
async fn a_text_that_is_no_token_is_invalid() {
    let bench = Bench::new();
    let input = json!({"taskToken": "NoSuchToken", "output": "1"});
    let message = "Invalid Token: 'Invalid token'";
    bench
        .refuses("SendTaskSuccess", input, "InvalidToken", message)
        .await;
}

/// Limits of the model: output 262,144 bytes, error 256 characters, cause 32,768. Sensitive values are not repeated.
#[tokio::test(start_paused = true)]
async fn reports_that_are_too_long_are_refused_without_repeating_them() {
    let bench = Bench::new();
    let constraint = "failed to satisfy constraint: Member must have length less than or equal to";
    let cases = [
        ("SendTaskSuccess", "output", 262_144),
        ("SendTaskFailure", "error", 256),
        ("SendTaskFailure", "cause", 32_768),
    ];
    for (operation, member, max) in cases {
        let input = json!({"taskToken": "t", member: "x".repeat(max + 1)});
        let message =
            format!("1 validation error detected: Value at '{member}' {constraint} {max}");
        bench
            .refuses(operation, input, "ValidationException", &message)
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn output_that_is_not_json_is_invalid_and_the_task_goes_on() {
    let bench = Bench::new();
    let arn = bench.start(&bench.task_machine(json!({})), json!({})).await;
    let (token, _) = bench.poll().await;
    let success = bench
        .client
        .send_task_success()
        .task_token(&token)
        .output("not json");
    let (code, _) = error(success.send().await);
    assert_eq!(code, "InvalidOutput");
    bench.succeed(&token, json!("fine")).await;
    settle().await;
    assert_eq!(bench.describe(&arn).await["output"], r#""fine""#);
}
