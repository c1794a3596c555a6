//! EventBridge. Expectations are from the EventBridge user guide and API reference.

use std::time::Duration;

use sandbox::aws::Aws;
use sandbox::events::{Rule, Target, Trigger};
use serde_json::{Value, json};

use crate::call::{Answer, json_call, pass, recording_function};
use crate::support::aws;

async fn events(aws: &Aws, operation: &str, content: Value) -> Answer {
    json_call(aws, "events", &format!("AWSEvents.{operation}"), content).await
}

fn put(aws: &Aws, name: &str, trigger: Trigger, function_arn: &str, input: Option<Value>) {
    let rule = Rule {
        name: name.to_owned(),
        trigger,
        targets: vec![Target {
            function_arn: function_arn.to_owned(),
            input,
        }],
    };
    aws.events.put_rule(rule).unwrap();
}

fn every_minute() -> Trigger {
    Trigger::Rate(Duration::from_secs(60))
}

#[tokio::test(start_paused = true)]
async fn a_schedule_ticks_once_an_interval_beginning_one_interval_later() {
    let aws = aws();
    let (function_arn, calls) = recording_function(&aws, "worker");
    put(&aws, "tick", every_minute(), &function_arn, None);
    pass(59).await;
    assert_eq!(calls.lock().unwrap().len(), 0);
    pass(242).await;
    let calls = calls.lock().unwrap();
    let times: Vec<f64> = calls.iter().map(|(at, _)| *at).collect();
    assert_eq!(times.len(), 5, "{times:?}");
    for (tick, at) in times.iter().enumerate() {
        let expected = 60.0 * f64::from(u32::try_from(tick).unwrap() + 1);
        assert!((expected..=expected + 0.502).contains(at), "{times:?}");
    }
    let mut event = calls[0].1.payload.clone();
    assert_eq!(event["id"].take().as_str().unwrap().len(), 36);
    assert_eq!(
        event,
        json!({
            "version": "0",
            "id": null,
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": "2026-11-01T12:01:00Z",
            "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:123456789012:rule/tick"],
            "detail": {},
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_disabled_schedule_rests_and_a_replaced_one_ticks_once() {
    let aws = aws();
    let (function_arn, calls) = recording_function(&aws, "worker");
    put(&aws, "tick", every_minute(), &function_arn, None);
    put(
        &aws,
        "tick",
        every_minute(),
        &function_arn,
        Some(json!({"constant": true})),
    );
    events(&aws, "DisableRule", json!({"Name": "tick"})).await;
    pass(301).await;
    assert_eq!(calls.lock().unwrap().len(), 0);
    events(&aws, "EnableRule", json!({"Name": "tick"})).await;
    pass(61).await;
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].1.payload, json!({"constant": true}));
}

#[tokio::test(start_paused = true)]
async fn a_pattern_chooses_events_of_the_bus() {
    let aws = aws();
    let (function_arn, calls) = recording_function(&aws, "worker");
    let pattern = json!({
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"status": ["RUNNING", "FAILED"]},
    });
    put(
        &aws,
        "status",
        Trigger::Pattern(pattern),
        &function_arn,
        None,
    );
    let kind = "Step Functions Execution Status Change";
    let resources = ["arn:aws:states:us-east-1:123456789012:execution:m:e".to_owned()];
    for status in ["RUNNING", "SUCCEEDED", "FAILED"] {
        aws.events
            .emit("aws.states", kind, &resources, json!({"status": status}));
    }
    aws.events
        .emit("aws.s3", kind, &resources, json!({"status": "RUNNING"}));
    pass(1).await;
    let calls = calls.lock().unwrap();
    let mut statuses: Vec<_> = calls
        .iter()
        .map(|(_, call)| call.payload["detail"]["status"].as_str().unwrap())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["FAILED", "RUNNING"]);
    assert_eq!(calls[0].1.payload["resources"], json!(resources));
    assert_eq!(calls[0].1.payload["time"], "2026-11-01T12:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn rules_are_told_over_the_wire() {
    let aws = aws();
    put(
        &aws,
        "daily",
        Trigger::Rate(Duration::from_secs(86_400)),
        "arn:f",
        Some(json!({"a": 1})),
    );
    put(&aws, "tick", every_minute(), "arn:f", None);
    put(
        &aws,
        "half-hour",
        Trigger::Rate(Duration::from_secs(1800)),
        "arn:f",
        None,
    );
    events(&aws, "DisableRule", json!({"Name": "tick"})).await;
    let tick = events(&aws, "DescribeRule", json!({"Name": "tick"}))
        .await
        .json();
    assert_eq!(
        tick,
        json!({
            "Name": "tick",
            "Arn": "arn:aws:events:us-east-1:123456789012:rule/tick",
            "State": "DISABLED",
            "EventBusName": "default",
            "ScheduleExpression": "rate(1 minute)",
        })
    );
    let listed = events(&aws, "ListRules", json!({})).await.json();
    let expressions = listed["Rules"].as_array().unwrap().iter();
    let expressions: Vec<_> = expressions
        .map(|rule| &rule["ScheduleExpression"])
        .collect();
    assert_eq!(
        expressions,
        ["rate(1 day)", "rate(30 minutes)", "rate(1 minute)"]
    );
    let targets = events(&aws, "ListTargetsByRule", json!({"Rule": "daily"}))
        .await
        .json();
    assert_eq!(targets["Targets"][0]["Input"], "{\"a\":1}");
    let missing = events(&aws, "DescribeRule", json!({"Name": "none"}))
        .await
        .json();
    assert_eq!(missing["__type"], "ResourceNotFoundException");
    assert_eq!(
        missing["message"],
        "Rule none does not exist on EventBus default."
    );
    let refused = events(&aws, "PutRule", json!({})).await.json();
    assert_eq!(
        refused["message"],
        "the sandbox does not implement EventBridge PutRule"
    );
}

#[tokio::test(start_paused = true)]
async fn put_events_fails_entry_by_entry() {
    let aws = aws();
    let (function_arn, calls) = recording_function(&aws, "f");
    let pattern = Trigger::Pattern(json!({"source": ["my.app"]}));
    put(&aws, "mine", pattern, &function_arn, None);
    let entry =
        |source: &str, detail: &str| json!({"Source": source, "DetailType": "d", "Detail": detail});
    let entries = json!([
        entry("my.app", "{\"a\": 1}"),
        entry("aws.s3", "{}"),
        entry("my.app", "{")
    ]);
    let answer = events(&aws, "PutEvents", json!({"Entries": entries}))
        .await
        .json();
    assert_eq!(answer["FailedEntryCount"], 2);
    assert_eq!(
        answer["Entries"][1]["ErrorCode"],
        "NotAuthorizedForSourceException"
    );
    assert_eq!(answer["Entries"][2]["ErrorCode"], "MalformedDetail");
    pass(1).await;
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].1.payload["id"], answer["Entries"][0]["EventId"]);
    assert_eq!(calls[0].1.payload["detail"], json!({"a": 1}));
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_is_not_implemented_is_refused_with_its_path() {
    let rule = Rule {
        name: "r".to_owned(),
        trigger: Trigger::Pattern(json!({"detail": {"ip": [{"cidr": "10.0.0.0/8"}]}})),
        targets: vec![],
    };
    let error = aws().events.put_rule(rule).unwrap_err();
    assert_eq!(error.code, "InvalidEventPatternException");
    assert!(
        error
            .message
            .ends_with("$.detail.ip: operator cidr is not implemented"),
        "{error}"
    );
}
