//! The clocks of tasks and executions.

use sandbox::account::Account;
use sandbox::aws::{Aws, AwsConfig};
use sandbox::clock::Clock;
use sandbox::rng::SharedRng;
use serde_json::json;
use time::macros::datetime;
use tokio::time::Instant;

use super::{Bench, TASK_GONE, settle, wait_s};

/// "The count begins when GetActivityTask receives a token and ActivityStarted is logged" (Developer Guide, Task state):
/// an activity that nobody polls waits on.
#[tokio::test(start_paused = true)]
async fn time_without_a_poller_does_not_count() {
    let bench = Bench::new();
    let limits = json!({"TimeoutSeconds": 5, "HeartbeatSeconds": 2});
    let arn = bench.start(&bench.task_machine(limits), json!({})).await;
    wait_s(86_400 * 30).await;
    assert_eq!(bench.status(&arn).await, "RUNNING");
    let (token, _) = bench.poll().await;
    bench.succeed(&token, json!(1)).await;
    settle().await;
    assert_eq!(bench.status(&arn).await, "SUCCEEDED");
}

/// A task's timeout ends in status FAILED with error States.Timeout and without a cause; only the machine's gives
/// TIMED_OUT (LocalStack, test_activity_task_start_timeout and test_timeouts snapshots).
#[tokio::test(start_paused = true)]
async fn a_task_that_times_out_fails_the_execution_without_a_cause() {
    let bench = Bench::new();
    let limits = json!({"TimeoutSeconds": 5});
    let arn = bench.start(&bench.task_machine(limits), json!({})).await;
    wait_s(4).await;
    let (token, _) = bench.poll().await;
    wait_s(4).await;
    assert_eq!(bench.status(&arn).await, "RUNNING");
    wait_s(2).await;
    let history = bench.history(&arn).await;
    assert_eq!(history[4]["type"], "ActivityTimedOut");
    assert_eq!(
        history[4]["activityTimedOutEventDetails"],
        json!({"error": "States.Timeout"})
    );
    assert_eq!(
        history[5],
        json!({"id": 6, "previousEventId": 5, "type": "ExecutionFailed",
               "executionFailedEventDetails": {"error": "States.Timeout"}})
    );
    let described = bench.describe(&arn).await;
    assert_eq!(described["status"], "FAILED");
    assert_eq!(described["error"], "States.Timeout");
    assert_eq!(described.get("cause"), None);
    let late = json!({"taskToken": token, "output": "1"});
    bench
        .refuses("SendTaskSuccess", late, "TaskTimedOut", TASK_GONE)
        .await;
}

/// "Timeout is its maximum allowed duration, regardless of the number of SendTaskHeartbeat requests" (API reference,
/// SendTaskHeartbeat); heartbeats leave no events.
#[tokio::test(start_paused = true)]
async fn heartbeats_reset_only_the_heartbeat_clock() {
    let bench = Bench::new();
    let limits = json!({"TimeoutSeconds": 100, "HeartbeatSeconds": 10});
    let arn = bench.start(&bench.task_machine(limits), json!({})).await;
    let (token, _) = bench.poll().await;
    for _ in 0..10 {
        wait_s(9).await;
        let beat = bench.client.send_task_heartbeat().task_token(&token);
        beat.send().await.unwrap();
    }
    assert_eq!(bench.status(&arn).await, "RUNNING");
    wait_s(9).await;
    bench
        .client
        .send_task_heartbeat()
        .task_token(&token)
        .send()
        .await
        .unwrap();
    wait_s(2).await;
    assert_eq!(bench.describe(&arn).await["error"], "States.Timeout");
    assert_eq!(bench.event_types(&arn).await[4], "ActivityTimedOut");
}

/// A missed heartbeat is recorded as States.Timeout (LocalStack, test_heartbeats snapshot, recorded on AWS).
#[tokio::test(start_paused = true)]
async fn a_missed_heartbeat_is_a_timeout() {
    let bench = Bench::new();
    let limits = json!({"TimeoutSeconds": 100, "HeartbeatSeconds": 10});
    let arn = bench.start(&bench.task_machine(limits), json!({})).await;
    bench.poll().await;
    wait_s(11).await;
    let described = bench.describe(&arn).await;
    assert_eq!(described["status"], "FAILED");
    assert_eq!(described["error"], "States.Timeout");
}

/// `States.HeartbeatTimeout` "is available inside the Catch and Retry fields" (Developer Guide, "Handling errors").
#[tokio::test(start_paused = true)]
async fn a_retrier_may_name_a_missed_heartbeat() {
    let bench = Bench::new();
    let fields = json!({"TimeoutSeconds": 100, "HeartbeatSeconds": 10,
        "Retry": [{"ErrorEquals": ["States.HeartbeatTimeout"], "MaxAttempts": 1}]});
    bench.start(&bench.task_machine(fields), json!({})).await;
    let (first, _) = bench.poll().await;
    wait_s(11).await;
    let (second, _) = bench.poll().await;
    assert_ne!(first, second);
}

/// The machine's TimeoutSeconds includes the queue, gives status TIMED_OUT, and neither error nor cause (LocalStack,
/// test_timeouts; Developer Guide, "Troubleshooting activities").
#[tokio::test(start_paused = true)]
async fn the_machine_times_out_with_time_in_the_queue() {
    let bench = Bench::new();
    let machine = bench.machine(json!({"StartAt": "Work", "TimeoutSeconds": 100, "States": {
        "Work": {"Type": "Task", "Resource": bench.activity_arn, "End": true}}}));
    let arn = bench.start(&machine, json!({})).await;
    wait_s(101).await;
    let described = bench.describe(&arn).await;
    assert_eq!(described["status"], "TIMED_OUT");
    assert_eq!(
        (described.get("error"), described.get("cause")),
        (None, None)
    );
    let last = bench.history(&arn).await.pop().unwrap();
    assert_eq!(last["type"], "ExecutionTimedOut");
    let input = json!({"activityArn": bench.activity_arn});
    assert_eq!(bench.call("GetActivityTask", input).await, Ok(json!({})));
}

#[tokio::test(start_paused = true)]
async fn limits_may_come_from_the_input() {
    let bench = Bench::new();
    let fields = json!({"TimeoutSecondsPath": "$.t", "HeartbeatSecondsPath": "$.h"});
    let arn = bench
        .start(&bench.task_machine(fields), json!({"t": 50, "h": 20}))
        .await;
    let (token, _) = bench.poll().await;
    let scheduled = &bench.history(&arn).await[2]["activityScheduledEventDetails"];
    assert_eq!(scheduled["timeoutInSeconds"], 50);
    assert_eq!(scheduled["heartbeatInSeconds"], 20);
    wait_s(15).await;
    bench
        .client
        .send_task_heartbeat()
        .task_token(&token)
        .send()
        .await
        .unwrap();
    wait_s(19).await;
    assert_eq!(bench.status(&arn).await, "RUNNING");
    wait_s(2).await;
    assert_eq!(bench.status(&arn).await, "FAILED");
}

/// Durations that Step Functions owns are divided by the speed: polls, limits and retry delays; stamps stay wall time.
#[tokio::test(start_paused = true)]
async fn at_speed_sixty_a_minute_takes_a_second() {
    let clock = Clock::new(datetime!(2026-11-01 12:00 UTC), 60.0);
    let rng = SharedRng::seeded(1);
    let bench = Bench::on(Aws::new(
        Account::default(),
        clock,
        rng,
        &AwsConfig::default(),
    ));
    let begun = Instant::now();
    let input = json!({"activityArn": bench.activity_arn});
    assert_eq!(bench.call("GetActivityTask", input).await, Ok(json!({})));
    assert_eq!(begun.elapsed().as_millis(), 1000);

    let fields = json!({"TimeoutSeconds": 600, "Retry": [
        {"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 120, "MaxAttempts": 1}]});
    let arn = bench.start(&bench.task_machine(fields), json!({})).await;
    bench.poll().await;
    wait_s(11).await;
    assert_eq!(bench.event_types(&arn).await[4..], ["ActivityTimedOut"]);
    wait_s(2).await;
    assert_eq!(
        bench.event_types(&arn).await[4..],
        ["ActivityTimedOut", "ActivityScheduled"]
    );
    let started = bench.describe(&arn).await["startDate"].as_f64().unwrap();
    assert!((started - 1_793_534_401.0).abs() < 0.01, "{started}");
}
