//! SNS through its SDK. Expectations are from the SNS and Lambda developer guides.

use std::collections::BTreeMap;

use aws_sdk_sns::Client;
use aws_sdk_sns::error::ProvideErrorMetadata as _;
use aws_sdk_sns::types::MessageAttributeValue;
use sandbox::aws::Aws;
use sandbox::sns::Subscription;
use serde_json::{Value, json};

use crate::call::{call, pass, recording_function};
use crate::support::{aws, sdk_config};

fn client(aws: &Aws) -> Client {
    Client::new(&sdk_config(aws))
}

fn text(value: &str) -> MessageAttributeValue {
    typed("String", value)
}

fn typed(data_type: &str, value: &str) -> MessageAttributeValue {
    let attribute = MessageAttributeValue::builder()
        .data_type(data_type)
        .string_value(value);
    attribute.build().unwrap()
}

fn to(endpoint_arn: &str) -> Subscription {
    Subscription {
        endpoint_arn: endpoint_arn.to_owned(),
        ..Subscription::default()
    }
}

/// The messages that a queue's notifications carry.
fn messages(aws: &Aws, queue_arn: &str) -> Vec<String> {
    let bodies = aws.sqs.bodies(queue_arn);
    let envelopes = bodies
        .iter()
        .map(|body| serde_json::from_str::<Value>(body).unwrap());
    envelopes
        .map(|envelope| envelope["Message"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_function_gets_the_documented_event() {
    let aws = aws();
    let (function_arn, calls) = recording_function(&aws, "callback");
    let topic_arn = aws.sns.create_topic("results");
    let subscription_arn = aws.sns.subscribe(&topic_arn, to(&function_arn)).unwrap();
    let published = client(&aws)
        .publish()
        .topic_arn(&topic_arn)
        .message("{\"a\": 1}");
    let published = published
        .message_attributes("kind", text("x & <y>"))
        .send()
        .await
        .unwrap();
    pass(1).await;
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        calls[0].1.payload,
        json!({"Records": [{
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription_arn,
            "EventSource": "aws:sns",
            "Sns": {
                "SignatureVersion": "1",
                "Timestamp": "2026-11-01T12:00:00.000Z",
                "Signature": "EXAMPLE",
                "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-EXAMPLE.pem",
                "MessageId": published.message_id().unwrap(),
                "Message": "{\"a\": 1}",
                "MessageAttributes": {"kind": {"Type": "String", "Value": "x & <y>"}},
                "Type": "Notification",
                "UnsubscribeURL": format!(
                    "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"
                ),
                "TopicArn": topic_arn,
                "Subject": null,
            },
        }]})
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_gets_the_notification_or_the_raw_message() {
    let aws = aws();
    let sns = client(&aws);
    let topic_arn = sns
        .create_topic()
        .name("t")
        .send()
        .await
        .unwrap()
        .topic_arn
        .unwrap();
    let (wrapped, raw) = (aws.sqs.create_queue("wrapped"), aws.sqs.create_queue("raw"));
    let subscribe = sns.subscribe().topic_arn(&topic_arn).protocol("sqs");
    subscribe.clone().endpoint(&wrapped).send().await.unwrap();
    let subscribe = subscribe
        .endpoint(&raw)
        .attributes("RawMessageDelivery", "true");
    subscribe.send().await.unwrap();
    let publish = sns
        .publish()
        .topic_arn(&topic_arn)
        .subject("S")
        .message("m");
    publish
        .message_attributes("n", typed("Number", "5"))
        .send()
        .await
        .unwrap();
    pass(1).await;
    assert_eq!(aws.sqs.bodies(&raw), ["m"]);
    let envelope: Value = serde_json::from_str(&aws.sqs.bodies(&wrapped)[0]).unwrap();
    assert_eq!(envelope["Type"], "Notification");
    assert_eq!(envelope["Subject"], "S");
    assert_eq!(envelope["TopicArn"], topic_arn);
    assert_eq!(
        envelope["MessageAttributes"],
        json!({"n": {"Type": "Number", "Value": "5"}})
    );
}

#[tokio::test(start_paused = true)]
async fn filter_policies_choose_by_attributes() {
    let aws = aws();
    let topic_arn = aws.sns.create_topic("decisions");
    let subscribe = |name: &str, policy: Value| {
        let queue_arn = aws.sqs.create_queue(name);
        let subscription = Subscription {
            filter_policy: Some(policy),
            ..to(&queue_arn)
        };
        aws.sns.subscribe(&topic_arn, subscription).unwrap();
        queue_arn
    };
    let rejected = subscribe("rejected", json!({"verdict": ["Rejected"]}));
    let others = subscribe(
        "others",
        json!({"verdict": [{"anything-but": ["Rejected"]}]}),
    );
    let long = subscribe(
        "long",
        json!({"seconds": [{"numeric": [">=", 60]}], "verdict": [{"exists": true}]}),
    );
    let unmarked = subscribe("unmarked", json!({"verdict": [{"exists": false}]}));
    let publish = client(&aws).publish().topic_arn(&topic_arn);
    let with = |verdict: &str, seconds: &str| {
        let attributed = publish
            .clone()
            .message(verdict)
            .message_attributes("verdict", text(verdict));
        attributed
            .message_attributes("seconds", typed("Number", seconds))
            .send()
    };
    with("Rejected", "60").await.unwrap();
    with("Approved", "59.5").await.unwrap();
    publish.clone().message("bare").send().await.unwrap();
    pass(1).await;
    assert_eq!(messages(&aws, &rejected), ["Rejected"]);
    assert_eq!(messages(&aws, &others), ["Approved"]);
    assert_eq!(messages(&aws, &long), ["Rejected"]);
    assert_eq!(messages(&aws, &unmarked), ["bare"]);

    let subscription = Subscription {
        filter_policy: Some(json!({"verdict": [{"wildcard": "R*"}]})),
        ..to(&rejected)
    };
    let error = aws.sns.subscribe(&topic_arn, subscription).unwrap_err();
    assert_eq!(
        error.message,
        "Invalid parameter: FilterPolicy: verdict: operator wildcard is not implemented"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_missing_function_should_have_got_goes_to_the_dead_letter_queue() {
    let aws = aws();
    let topic_arn = aws.sns.create_topic("raw-uploads");
    let dead = aws.sqs.create_queue("dead");
    let gone = "arn:aws:lambda:us-east-1:123456789012:function:gone";
    let sns = client(&aws);
    let subscribe = sns
        .subscribe()
        .topic_arn(&topic_arn)
        .protocol("lambda")
        .endpoint(gone);
    let policy = json!({"deadLetterTargetArn": dead}).to_string();
    subscribe
        .attributes("RedrivePolicy", policy)
        .send()
        .await
        .unwrap();
    aws.sns
        .publish(&topic_arn, None, "lost", &BTreeMap::new())
        .unwrap();
    pass(1).await;
    assert_eq!(messages(&aws, &dead), ["lost"]);
}

#[tokio::test(start_paused = true)]
async fn deliveries_leave_within_a_fifth_of_a_second() {
    let aws = aws();
    let (function_arn, calls) = recording_function(&aws, "f");
    let topic_arn = aws.sns.create_topic("t");
    aws.sns.subscribe(&topic_arn, to(&function_arn)).unwrap();
    for _ in 0..50 {
        aws.sns
            .publish(&topic_arn, None, "m", &BTreeMap::new())
            .unwrap();
    }
    pass(1).await;
    let times: Vec<f64> = calls.lock().unwrap().iter().map(|(at, _)| *at).collect();
    assert_eq!(times.len(), 50);
    assert!(times.iter().all(|at| *at <= 0.202), "{times:?}");
    assert!(times[0] < times[49], "deliveries are spread");
}

#[tokio::test(start_paused = true)]
async fn subscriptions_can_be_listed_read_and_removed() {
    let aws = aws();
    let sns = client(&aws);
    let topic_arn = aws.sns.create_topic("t");
    let queue_arn = aws.sqs.create_queue("q");
    let arn = aws.sns.subscribe(&topic_arn, to(&queue_arn)).unwrap();
    assert_eq!(
        aws.sns.subscribe(&topic_arn, to(&queue_arn)).unwrap(),
        arn,
        "the same again"
    );
    let listed = sns
        .list_subscriptions_by_topic()
        .topic_arn(&topic_arn)
        .send()
        .await
        .unwrap();
    let listed = listed.subscriptions();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].endpoint(), Some(queue_arn.as_str()));
    assert_eq!(listed[0].protocol(), Some("sqs"));
    assert_eq!(
        sns.list_subscriptions()
            .send()
            .await
            .unwrap()
            .subscriptions(),
        listed
    );
    let attributes = sns
        .get_subscription_attributes()
        .subscription_arn(&arn)
        .send()
        .await
        .unwrap();
    assert_eq!(
        attributes.attributes().unwrap()["RawMessageDelivery"],
        "false"
    );
    let topic = || sns.get_topic_attributes().topic_arn(&topic_arn).send();
    assert_eq!(
        topic().await.unwrap().attributes().unwrap()["SubscriptionsConfirmed"],
        "1"
    );
    sns.unsubscribe()
        .subscription_arn(&arn)
        .send()
        .await
        .unwrap();
    assert_eq!(
        topic().await.unwrap().attributes().unwrap()["SubscriptionsConfirmed"],
        "0"
    );
    let topics = sns.list_topics().send().await.unwrap();
    assert_eq!(topics.topics()[0].topic_arn(), Some(topic_arn.as_str()));
}

#[tokio::test(start_paused = true)]
async fn errors_have_the_documented_codes() {
    let aws = aws();
    let sns = client(&aws);
    let missing = "arn:aws:sns:us-east-1:123456789012:none";
    let error = sns
        .publish()
        .topic_arn(missing)
        .message("m")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("NotFound"));
    assert_eq!(error.message(), Some("Topic does not exist"));
    let topic_arn = aws.sns.create_topic("t");
    let publish = sns.publish().topic_arn(&topic_arn);
    let full = "x".repeat(256 << 10);
    publish.clone().message(&full).send().await.unwrap();
    let error = publish
        .clone()
        .message(full + "x")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameter"));
    assert_eq!(error.message(), Some("Invalid parameter: Message too long"));
    let error = publish.clone().message("").send().await.unwrap_err();
    assert_eq!(error.message(), Some("Invalid parameter: Empty message"));
    let number = publish
        .message("m")
        .message_attributes("n", typed("Number", "five"));
    assert_eq!(
        number.send().await.unwrap_err().code(),
        Some("InvalidParameterValue")
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_implemented_is_refused_by_name() {
    let aws = aws();
    let refused = async |form: &'static str| {
        let answer = call(&aws, "sns", ("POST", "/"), &[], form).await;
        assert!(
            answer.text.contains("<Code>NotImplemented</Code>"),
            "{}",
            answer.text
        );
        assert!(answer.text.contains("<RequestId>"), "{}", answer.text);
        let message = answer.text.split("<Message>").nth(1).unwrap();
        message.split("</Message>").next().unwrap().to_owned()
    };
    assert_eq!(
        refused("Action=PublishBatch&Version=2010-03-31").await,
        "the sandbox does not implement SNS PublishBatch"
    );
    assert_eq!(
        refused("Action=CreateTopic&Name=t&Attributes.entry.1.key=FifoTopic").await,
        "the sandbox does not implement parameter Attributes.entry.1.key of SNS CreateTopic"
    );
    assert_eq!(
        refused("Action=Subscribe&TopicArn=t&Protocol=email&Endpoint=a%40b").await,
        "the sandbox does not implement protocol email of SNS Subscribe"
    );
}
