//! Listings and their pages.

use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent};
use sandbox::sfn::ExecutionStatus as Status;
use serde_json::{Value, json};

use super::{Bench, settle, wait_s};

async fn names(bench: &Bench, input: Value) -> Vec<String> {
    let listed = bench.call("ListExecutions", input).await.unwrap();
    let items = listed["executions"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn start(bench: &Bench, machine: &str, name: &str) {
    let start = bench
        .client
        .start_execution()
        .state_machine_arn(machine)
        .name(name);
    start.send().await.unwrap();
    wait_s(1).await;
}

/// "Results are sorted by time, with the most recent execution first" (API reference, ListExecutions).
#[tokio::test(start_paused = true)]
async fn executions_are_listed_newest_first_and_by_status() {
    let bench = Bench::new();
    let machine = bench.task_machine(json!({}));
    for name in ["a", "b", "c"] {
        start(&bench, &machine, name).await;
    }
    let (token, _) = bench.poll().await;
    bench.succeed(&token, json!({})).await;
    settle().await;
    let with = |status: &str| json!({"stateMachineArn": machine, "statusFilter": status});
    assert_eq!(
        names(&bench, json!({"stateMachineArn": machine})).await,
        ["c", "b", "a"]
    );
    assert_eq!(names(&bench, with("RUNNING")).await, ["c", "b"]);
    assert_eq!(names(&bench, with("SUCCEEDED")).await, ["a"]);
    assert_eq!(names(&bench, with("ABORTED")).await, Vec::<String>::new());
    assert_eq!(bench.aws.sfn.execution_count(Status::Running), 2);
    assert_eq!(bench.aws.sfn.execution_count(Status::Succeeded), 1);
}

#[tokio::test(start_paused = true)]
async fn pages_neither_repeat_nor_hide_what_did_not_change_between_them() {
    let bench = Bench::new();
    let machine = bench.task_machine(json!({}));
    for n in 0..7 {
        start(&bench, &machine, &format!("run-{n}")).await;
    }
    let list = bench
        .client
        .list_executions()
        .state_machine_arn(&machine)
        .status_filter(ExecutionStatus::Running)
        .max_results(3);
    let first = list.clone().send().await.unwrap();
    let mut seen: Vec<String> = first
        .executions()
        .iter()
        .map(|e| e.name().to_owned())
        .collect();
    start(&bench, &machine, "late").await;
    let arn = first.executions()[1].execution_arn();
    bench
        .client
        .stop_execution()
        .execution_arn(arn)
        .send()
        .await
        .unwrap();
    let mut token = first.next_token().map(str::to_owned);
    while let Some(next) = token {
        let page = list.clone().next_token(next).send().await.unwrap();
        seen.extend(page.executions().iter().map(|e| e.name().to_owned()));
        token = page.next_token().map(str::to_owned);
    }
    let expect: Vec<String> = (0..7).rev().map(|n| format!("run-{n}")).collect();
    assert_eq!(seen, expect);
}

/// Maximum 1000 and the message: LocalStack's test_sfn_api. "A value of 0 uses the default", 100.
#[tokio::test(start_paused = true)]
async fn pages_have_a_hundred_executions_unless_told_and_a_thousand_at_most() {
    let bench = Bench::new();
    let machine = bench.task_machine(json!({}));
    for n in 0..101 {
        start(&bench, &machine, &format!("run-{n}")).await;
    }
    for size in [json!({}), json!({"maxResults": 0})] {
        let mut input = json!({"stateMachineArn": machine});
        super::merge(&mut input, size);
        assert_eq!(names(&bench, input).await.len(), 100);
    }
    let input = json!({"stateMachineArn": machine, "maxResults": 1001});
    let message = "1 validation error detected: Value '1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000";
    bench
        .refuses("ListExecutions", input, "ValidationException", message)
        .await;
}

/// "Each pagination token expires after 24 hours. Using an expired pagination token will return an HTTP 400 InvalidToken
/// error"; "keep all other arguments unchanged" (API reference, ListExecutions).
#[tokio::test(start_paused = true)]
async fn page_tokens_expire_and_serve_one_listing_only() {
    let bench = Bench::new();
    let machine = bench.task_machine(json!({}));
    start(&bench, &machine, "a").await;
    start(&bench, &machine, "b").await;
    let first = json!({"stateMachineArn": machine, "maxResults": 1});
    let token = bench.call("ListExecutions", first).await.unwrap()["nextToken"].clone();
    let invalid = "Invalid Token: 'Invalid token'";
    let other = json!({"stateMachineArn": machine, "statusFilter": "RUNNING", "nextToken": token});
    bench
        .refuses("ListExecutions", other, "InvalidToken", invalid)
        .await;
    let next = json!({"stateMachineArn": machine, "nextToken": token});
    assert_eq!(names(&bench, next.clone()).await, ["a"]);
    wait_s(24 * 3600 + 1).await;
    bench
        .refuses("ListExecutions", next, "InvalidToken", invalid)
        .await;
    let garbage = json!({"stateMachineArn": machine, "nextToken": "garbage"});
    bench
        .refuses("ListExecutions", garbage, "InvalidToken", invalid)
        .await;
}

#[tokio::test(start_paused = true)]
async fn histories_have_pages_in_both_orders() {
    let bench = Bench::new();
    let arn = bench
        .start(&bench.task_machine(json!({})), json!({"n": 1}))
        .await;
    let (token, _) = bench.poll().await;
    bench.succeed(&token, json!(1)).await;
    settle().await;
    for (reverse, expect) in [
        (false, [1, 2, 3, 4, 5, 6, 7]),
        (true, [7, 6, 5, 4, 3, 2, 1]),
    ] {
        let mut pages = bench
            .client
            .get_execution_history()
            .execution_arn(&arn)
            .reverse_order(reverse)
            .into_paginator()
            .page_size(3)
            .send();
        let mut ids = Vec::new();
        while let Some(page) = pages.next().await {
            ids.extend(page.unwrap().events().iter().map(HistoryEvent::id));
        }
        assert_eq!(ids, expect);
    }
    let input = json!({"executionArn": arn, "includeExecutionData": false});
    let bare = bench.call("GetExecutionHistory", input).await.unwrap();
    assert_eq!(
        bare["events"][1]["stateEnteredEventDetails"],
        json!({"name": "Work"})
    );
}

/// A listing of the few running among very many closed ones must not slow down with the closed ones.
#[tokio::test(start_paused = true)]
async fn ten_thousand_executions_run_side_by_side() {
    let bench = Bench::new();
    let machine = bench.task_machine(json!({"TimeoutSeconds": 60}));
    for n in 0..10_000 {
        let input = json!({"stateMachineArn": machine, "name": format!("run-{n}")});
        bench.call("StartExecution", input).await.unwrap();
    }
    settle().await;
    for _ in 0..9_990 {
        let task = bench
            .call(
                "GetActivityTask",
                json!({"activityArn": bench.activity_arn}),
            )
            .await
            .unwrap();
        let done = json!({"taskToken": task["taskToken"], "output": "{}"});
        bench.call("SendTaskSuccess", done).await.unwrap();
    }
    settle().await;
    let running = json!({"stateMachineArn": machine, "statusFilter": "RUNNING"});
    assert_eq!(names(&bench, running).await.len(), 10);
    assert_eq!(bench.aws.sfn.execution_count(Status::Succeeded), 9_990);
}
