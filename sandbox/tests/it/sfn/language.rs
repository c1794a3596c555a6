//! The states language as it runs: retries, catches, choices, waits, data.

use serde_json::json;
use tokio::time::Instant;

use super::{Bench, settle, wait_s};

/// A retry is a new ActivityScheduled and ActivityStarted with a new token, its delays 1, 2, 4 s, at most MaxAttempts (3)
/// of them (Developer Guide, "Handling errors").
#[tokio::test(start_paused = true)]
async fn a_failed_task_is_tried_three_times_more_each_after_twice_the_delay() {
    let bench = Bench::new();
    let fields =
        json!({"Parameters": {"n.$": "$$.State.RetryCount"}, "Retry": [{"ErrorEquals": ["Oops"]}]});
    let arn = bench.start(&bench.task_machine(fields), json!({})).await;
    for (n, delay_s) in [(0, 0.0), (1, 1.0), (2, 2.0), (3, 4.0)] {
        let begun = Instant::now();
        let (token, input) = bench.poll().await;
        let waited_s = begun.elapsed().as_secs_f64();
        assert!((waited_s - delay_s).abs() < 0.1, "{waited_s}");
        assert_eq!(input, json!({ "n": n }));
        bench.fail(&token, "Oops", "").await;
    }
    assert_eq!(bench.describe(&arn).await["error"], "Oops");
    let types = bench.event_types(&arn).await;
    assert_eq!(
        types
            .iter()
            .filter(|kind| *kind == "TaskStateEntered")
            .count(),
        1
    );
    assert_eq!(
        types
            .iter()
            .filter(|kind| *kind == "ActivityScheduled")
            .count(),
        4
    );
    let history = bench.history(&arn).await;
    // The chain of ids goes on from the failure to the next attempt.
    assert_eq!(
        (&history[5]["type"], &history[5]["previousEventId"]),
        (&json!("ActivityScheduled"), &json!(5))
    );
}

/// The first retrier that names an error governs: `MaxAttempts` 0 first keeps a verdict from being retried by a later
/// `States.ALL` (Developer Guide, "Retry all errors except States.Timeout").
#[tokio::test(start_paused = true)]
async fn a_retrier_with_no_attempts_shields_its_errors() {
    let bench = Bench::new();
    let fields = json!({"Retry": [
        {"ErrorEquals": ["ContentRejected"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"]}]});
    let arn = bench.start(&bench.task_machine(fields), json!({})).await;
    let (token, _) = bench.poll().await;
    bench.fail(&token, "ContentRejected", "").await;
    assert_eq!(bench.status(&arn).await, "FAILED");
}

/// A catcher's default ResultPath replaces the input; another keeps it (Developer Guide, "Fallback states").
#[tokio::test(start_paused = true)]
async fn a_catcher_puts_error_and_cause_where_it_is_told() {
    for (result_path, expect) in [
        (json!({}), json!({"Error": "Oops", "Cause": "why"})),
        (
            json!({"ResultPath": "$.failure"}),
            json!({"kept": 1, "failure": {"Error": "Oops", "Cause": "why"}}),
        ),
        (json!({"ResultPath": null}), json!({"kept": 1})),
    ] {
        let bench = Bench::new();
        let mut catcher = json!({"ErrorEquals": ["States.TaskFailed"], "Next": "Caught"});
        super::merge(&mut catcher, result_path);
        let machine = bench.machine(json!({"StartAt": "Work", "States": {
            "Work": {"Type": "Task", "Resource": bench.activity_arn, "End": true, "Catch": [catcher]},
            "Caught": {"Type": "Pass", "End": true},
        }}));
        let arn = bench.start(&machine, json!({"kept": 1})).await;
        let (token, _) = bench.poll().await;
        bench.fail(&token, "Oops", "why").await;
        let described = bench.describe(&arn).await;
        assert_eq!(described["output"], expect.to_string());
        assert_eq!(
            bench.event_types(&arn).await[4..7],
            ["ActivityFailed", "TaskStateExited", "PassStateEntered"]
        );
    }
}

/// `States.TaskFailed` names every error but `States.Timeout`.
#[tokio::test(start_paused = true)]
async fn task_failed_does_not_catch_a_timeout() {
    let bench = Bench::new();
    let machine = bench.machine(json!({"StartAt": "Work", "States": {
        "Work": {"Type": "Task", "Resource": bench.activity_arn, "TimeoutSeconds": 5, "End": true,
                 "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "Caught"}]},
        "Caught": {"Type": "Succeed"},
    }}));
    let arn = bench.start(&machine, json!({})).await;
    bench.poll().await;
    wait_s(6).await;
    assert_eq!(bench.describe(&arn).await["error"], "States.Timeout");
}

#[tokio::test(start_paused = true)]
async fn input_and_result_flow_as_the_specification_says() {
    let bench = Bench::new();
    let fields = json!({
        "InputPath": "$.job", "Parameters": {"id.$": "$.id", "fixed": true},
        "ResultSelector": {"verdict.$": "$.v"}, "ResultPath": "$.moderation", "OutputPath": "$['moderation', 'x']"});
    assert!(
        bench
            .aws
            .sfn
            .create_state_machine(
                "bad",
                &json!({"StartAt": "W", "States": {"W": fields}}).to_string()
            )
            .is_err()
    );
    let fields = json!({
        "InputPath": "$.job", "Parameters": {"id.$": "$.id", "fixed": true},
        "ResultSelector": {"verdict.$": "$.v"}, "ResultPath": "$.job.moderation", "OutputPath": "$.job"});
    let arn = bench
        .start(
            &bench.task_machine(fields),
            json!({"job": {"id": 7}, "other": 1}),
        )
        .await;
    let (token, input) = bench.poll().await;
    assert_eq!(input, json!({"fixed": true, "id": 7}));
    bench
        .succeed(&token, json!({"v": "Approved", "w": 0}))
        .await;
    settle().await;
    let expect = json!({"id": 7, "moderation": {"verdict": "Approved"}});
    assert_eq!(bench.describe(&arn).await["output"], expect.to_string());
}

#[tokio::test(start_paused = true)]
async fn the_context_object_tells_of_execution_state_and_machine() {
    let bench = Bench::new();
    let fields = json!({"Parameters": {"context.$": "$$"}});
    let machine = bench.task_machine(fields);
    let arn = bench.start(&machine, json!({"n": 1})).await;
    let (_, input) = bench.poll().await;
    assert_eq!(
        input["context"],
        json!({
            "Execution": {"Id": arn, "Input": {"n": 1}, "Name": "run", "RoleArn": "arn:aws:iam::123456789012:role/machine",
                          "StartTime": "2026-11-01T12:00:00.000Z", "RedriveCount": 0},
            "State": {"EnteredTime": "2026-11-01T12:00:00.000Z", "Name": "Work", "RetryCount": 0},
            "StateMachine": {"Id": machine, "Name": "machine"},
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_choice_takes_the_first_rule_that_holds_or_its_default() {
    let choice = json!({"StartAt": "C", "States": {
        "C": {"Type": "Choice", "Default": "Other", "Choices": [
            {"Variable": "$.n", "NumericGreaterThan": 10, "Next": "Big"},
            {"Variable": "$.n", "NumericGreaterThan": 5, "Next": "Medium"}]},
        "Big": {"Type": "Pass", "Result": "big", "End": true},
        "Medium": {"Type": "Pass", "Result": "medium", "End": true},
        "Other": {"Type": "Pass", "Result": "other", "End": true},
    }});
    for (n, expect) in [(11, "\"big\""), (6, "\"medium\""), (1, "\"other\"")] {
        let described = Bench::new().run(choice.clone(), json!({ "n": n })).await;
        assert_eq!(described["output"], expect);
    }
}

/// Cause as measured on AWS: the state has no next one.
#[tokio::test(start_paused = true)]
async fn a_choice_without_a_match_fails_the_execution() {
    let described = Bench::new()
        .run(
            json!({"StartAt": "C", "States": {
                "C": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "D"}]},
                "D": {"Type": "Succeed"}}}),
            json!({"n": 2}),
        )
        .await;
    assert_eq!(described["error"], "States.Runtime");
    assert_eq!(
        described["cause"],
        "An error occurred while executing the state 'C' (entered at the event id #2). Failed to transition out of the state. The state does not point to a next state."
    );
}

#[tokio::test(start_paused = true)]
async fn waits_take_their_seconds_or_end_at_their_timestamp() {
    let waits = [
        (json!({"Seconds": 90}), 90),
        (json!({"SecondsPath": "$.s"}), 30),
        (json!({"Timestamp": "2026-11-01T12:00:45Z"}), 45),
        (json!({"TimestampPath": "$.at"}), 60),
        (json!({"Timestamp": "2016-01-01T00:00:00Z"}), 0),
    ];
    for (until, seconds) in waits {
        let mut state = json!({"Type": "Wait", "End": true});
        super::merge(&mut state, until);
        let bench = Bench::new();
        let input = json!({"s": 30, "at": "2026-11-01T13:01:00+01:00"});
        let described = bench
            .run(
                json!({"StartAt": "W", "States": {"W": state}}),
                input.clone(),
            )
            .await;
        let waited =
            described["stopDate"].as_f64().unwrap() - described["startDate"].as_f64().unwrap();
        assert!((waited - f64::from(seconds)).abs() < 0.01, "{waited}");
        assert_eq!(described["output"], input.to_string());
    }
}

/// ErrorPath and CausePath take paths and intrinsic functions (Developer Guide, Fail state).
#[tokio::test(start_paused = true)]
async fn a_fail_state_takes_error_and_cause_from_its_input() {
    let definition = json!({"StartAt": "F", "States": {
        "F": {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('{} at {} s', $.label, $.at)"}}});
    let bench = Bench::new();
    let described = bench
        .run(
            definition,
            json!({"e": "ContentRejected", "label": "Violence", "at": 3}),
        )
        .await;
    assert_eq!(described["status"], "FAILED");
    assert_eq!(described["error"], "ContentRejected");
    assert_eq!(described["cause"], "Violence at 3 s");
}

/// The words are those of executions on AWS (aws-samples/serverless-coffee-workshop issue 56); States.ALL does not catch.
#[tokio::test(start_paused = true)]
async fn a_path_to_nothing_fails_the_execution_uncaught() {
    let bench = Bench::new();
    let described = bench
        .run(
            json!({"StartAt": "Emit", "States": {
                "Emit": {"Type": "Task", "Resource": bench.activity_arn, "Parameters": {"orderId.$": "$.detail.orderId"},
                         "Retry": [{"ErrorEquals": ["States.ALL"]}], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "S"}], "End": true},
                "S": {"Type": "Succeed"}}}),
            json!({"orderNumber": "10"}),
        )
        .await;
    assert_eq!(described["error"], "States.Runtime");
    assert_eq!(
        described["cause"],
        "An error occurred while executing the state 'Emit' (entered at the event id #2). The JSONPath '$.detail.orderId' specified for the field 'orderId.$' could not be found in the input '{\"orderNumber\":\"10\"}'"
    );
}

/// The quota of 256 KiB for a state's output; States.ALL does not catch what exceeds it.
#[tokio::test(start_paused = true)]
async fn output_over_the_quota_fails_the_execution() {
    let bench = Bench::new();
    let fields = json!({"ResultPath": "$.result"});
    let input = json!({"big": "x".repeat(200_000)});
    let arn = bench.start(&bench.task_machine(fields), input).await;
    let (token, _) = bench.poll().await;
    bench.succeed(&token, json!("y".repeat(100_000))).await;
    settle().await;
    let described = bench.describe(&arn).await;
    assert_eq!(described["error"], "States.DataLimitExceeded");
}

/// Nobody knows AWS's limit. The next state would read the data as null, and the execution would go on with that.
#[tokio::test(start_paused = true)]
async fn data_that_nests_too_deep_to_be_read_again_fails_the_execution() {
    let bench = Bench::new();
    let endless = json!({"StartAt": "Wrap", "States": {
        "Wrap": {"Type": "Pass", "Parameters": {"inner.$": "$"}, "Next": "Wrap"}}});
    let described = bench.run(endless, json!(1)).await;
    assert_eq!(described["error"], "States.Runtime");
    let cause = described["cause"].as_str().unwrap();
    assert!(cause.contains("nests more than 127 deep"), "{cause}");
}
