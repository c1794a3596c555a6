//! The optimised integration `sns:publish`.

use sandbox::sns::Subscription;
use serde_json::{Value, json};

use super::{Bench, settle, wait_s};

/// A bench with a topic, and a queue that gets what carries the attribute `verdict` = `Rejected`.
fn with_topic() -> (Bench, String, String) {
    let bench = Bench::new();
    let topic_arn = bench.aws.sns.create_topic("decisions");
    let queue_arn = bench.aws.sqs.create_queue("rejected");
    let subscription = Subscription {
        endpoint_arn: queue_arn.clone(),
        filter_policy: Some(json!({"verdict": ["Rejected"]})),
        dead_letter_queue_arn: None,
    };
    bench.aws.sns.subscribe(&topic_arn, subscription).unwrap();
    (bench, topic_arn, queue_arn)
}

fn announce(topic_arn: &str, message: Value) -> Value {
    json!({"StartAt": "Publish", "States": {
        "Publish": {
            "Type": "Task", "Resource": "arn:aws:states:::sns:publish", "End": true, "ResultPath": "$.announcement",
            "Parameters": {
                "TopicArn": topic_arn, "Message": message, "Subject": "a verdict",
                "MessageAttributes": {"verdict": {"DataType": "String", "StringValue.$": "$.verdict"}}},
            "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.announcement", "Next": "Caught"}],
        },
        "Caught": {"Type": "Pass", "End": true},
    }})
}

/// Events and output: LocalStack's snapshot of test_publish_message_attributes, recorded on AWS.
#[tokio::test(start_paused = true)]
async fn a_message_is_published_with_its_attributes_and_leaves_the_seven_events_of_aws() {
    let (bench, topic_arn, queue_arn) = with_topic();
    let machine = bench.machine(announce(
        &topic_arn,
        json!({"verdict.$": "$.verdict", "n": 1}),
    ));
    let arn = bench.start(&machine, json!({"verdict": "Rejected"})).await;
    wait_s(60).await;

    let history = bench.history(&arn).await;
    let types: Vec<&str> = history
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "ExecutionStarted",
            "TaskStateEntered",
            "TaskScheduled",
            "TaskStarted",
            "TaskSucceeded",
            "TaskStateExited",
            "ExecutionSucceeded"
        ]
    );
    let scheduled = &history[2]["taskScheduledEventDetails"];
    let parameters: Value =
        serde_json::from_str(scheduled["parameters"].as_str().unwrap()).unwrap();
    assert_eq!(
        parameters["MessageAttributes"],
        json!({"verdict": {"DataType": "String", "StringValue": "Rejected"}})
    );
    assert_eq!(
        (&scheduled["resource"], &scheduled["resourceType"]),
        (&json!("publish"), &json!("sns"))
    );
    assert_eq!(scheduled["region"], "us-east-1");
    let started = json!({"resource": "publish", "resourceType": "sns"});
    assert_eq!(history[3]["taskStartedEventDetails"], started);
    let output: Value =
        serde_json::from_str(bench.describe(&arn).await["output"].as_str().unwrap()).unwrap();
    let announcement = &output["announcement"];
    assert_eq!(announcement["SdkHttpMetadata"]["HttpStatusCode"], 200);

    let bodies = bench.aws.sqs.bodies(&queue_arn);
    let envelope: Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!(envelope["MessageId"], announcement["MessageId"]);
    assert_eq!(envelope["Subject"], "a verdict");
    // A message that is not a string is published as JSON text.
    let message: Value = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
    assert_eq!(message, json!({"n": 1, "verdict": "Rejected"}));
}

#[tokio::test(start_paused = true)]
async fn message_attributes_are_what_filter_policies_see() {
    let (bench, topic_arn, queue_arn) = with_topic();
    bench
        .run(
            announce(&topic_arn, json!("text")),
            json!({"verdict": "Approved"}),
        )
        .await;
    assert_eq!(bench.aws.sqs.bodies(&queue_arn), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_fails_is_retried_then_caught() {
    let (bench, _, _) = with_topic();
    let gone = "arn:aws:sns:us-east-1:123456789012:gone";
    let machine = bench.machine(announce(gone, json!("text")));
    let arn = bench.start(&machine, json!({"verdict": "Rejected"})).await;
    wait_s(60).await;
    settle().await;
    let types = bench.event_types(&arn).await;
    assert_eq!(types.iter().filter(|kind| *kind == "TaskFailed").count(), 3);
    let output: Value =
        serde_json::from_str(bench.describe(&arn).await["output"].as_str().unwrap()).unwrap();
    assert_eq!(output["announcement"]["Error"], "SNS.NotFoundException");
}
