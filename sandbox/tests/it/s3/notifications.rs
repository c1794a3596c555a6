//! Event notifications, as they arrive in a queue that a topic feeds.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, NotificationConfiguration, NotificationConfigurationFilter,
    S3KeyFilter, TopicConfiguration,
};
use sandbox::aws::Aws;
use sandbox::sns::Subscription;
use serde_json::Value;

use super::{LEDGER, RAW, client, put, refused, s3};
use crate::support;

/// A topic and a queue that gets its messages.
fn topic(aws: &Aws) -> (String, String) {
    let topic_arn = aws.sns.create_topic("raw-uploads");
    let queue_arn = aws.sqs.create_queue("uploads");
    let subscription = Subscription {
        endpoint_arn: queue_arn.clone(),
        ..Subscription::default()
    };
    aws.sns.subscribe(&topic_arn, subscription).unwrap();
    (topic_arn, queue_arn)
}

/// What S3 said, message by message.
fn messages(aws: &Aws, queue_arn: &str) -> Vec<Value> {
    aws.sqs
        .bodies(queue_arn)
        .iter()
        .map(|body| {
            let envelope: Value = serde_json::from_str(body).unwrap();
            assert_eq!(envelope["Subject"], "Amazon S3 Notification");
            serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap()
        })
        .collect()
}

/// Amazon S3 User Guide, Event notification types: Put, Copy and CompleteMultipartUpload each announce the version that
/// they made, once, one record a message, after the test event.
#[tokio::test(start_paused = true)]
async fn every_new_object_is_announced_with_its_version() {
    let aws = support::aws();
    let (topic_arn, queue_arn) = topic(&aws);
    aws.s3.create_bucket(RAW, true, Some(&topic_arn));
    let client = client(&aws);
    let (version, etag) = put(&client, RAW, "a b/é.mp4", b"hello").await;
    client
        .copy_object()
        .bucket(RAW)
        .key("copy")
        .copy_source(format!("{RAW}/a%20b/%C3%A9.mp4"))
        .send()
        .await
        .unwrap();
    client
        .delete_object()
        .bucket(RAW)
        .key("copy")
        .send()
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;

    let messages = messages(&aws, &queue_arn);
    assert_eq!(messages[0]["Event"], "s3:TestEvent");
    assert!(messages[0].get("Records").is_none());
    let records: Vec<&Value> = messages[1..]
        .iter()
        .map(|message| {
            assert_eq!(message["Records"].as_array().unwrap().len(), 1);
            &message["Records"][0]
        })
        .collect();
    let names: BTreeSet<_> = records
        .iter()
        .map(|record| record["eventName"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        BTreeSet::from(["ObjectCreated:Put", "ObjectCreated:Copy"])
    );
    let put = records
        .iter()
        .find(|record| record["eventName"] == "ObjectCreated:Put")
        .unwrap();
    let object = &put["s3"]["object"];
    assert_eq!(object["key"], "a+b/%C3%A9.mp4");
    assert_eq!(object["versionId"], version);
    assert_eq!(object["eTag"], etag.trim_matches('"'));
    assert_eq!(object["size"], 5);
    assert_eq!(put["s3"]["bucket"]["name"], RAW);
}

/// Amazon S3 User Guide, Amazon S3 Event Notifications: delivery takes a while and keeps no order; the sequencer does,
/// for one key, compared as numbers.
#[tokio::test(start_paused = true)]
async fn announcements_come_late_and_out_of_order() {
    let aws = support::aws();
    let (topic_arn, queue_arn) = topic(&aws);
    aws.s3.create_bucket(RAW, true, Some(&topic_arn));
    // The test event of the new configuration arrives first.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let client = client(&aws);
    let mut versions = Vec::new();
    for _ in 0..20 {
        versions.push(put(&client, RAW, "k", b"1").await.0);
    }
    assert_eq!(messages(&aws, &queue_arn).len(), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut arrived: Vec<(u64, String)> = messages(&aws, &queue_arn)[1..]
        .iter()
        .map(|message| {
            let object = &message["Records"][0]["s3"]["object"];
            let sequencer = object["sequencer"].as_str().unwrap();
            (
                u64::from_str_radix(sequencer, 16).unwrap(),
                object["versionId"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert!(!arrived.is_sorted());
    arrived.sort();
    let sequenced: Vec<String> = arrived.into_iter().map(|(_, version)| version).collect();
    assert_eq!(sequenced, versions);
}

/// Amazon S3 API reference, PutBucketNotificationConfiguration: filters by event, prefix and suffix; the destination is
/// tested at once.
#[tokio::test(start_paused = true)]
async fn notifications_are_configured_over_the_wire() {
    let (aws, client) = s3();
    let (topic_arn, queue_arn) = topic(&aws);
    let rule = |name, value: &str| FilterRule::builder().name(name).value(value).build();
    let config = |topic_arn: &str, event| {
        NotificationConfiguration::builder()
            .topic_configurations(
                TopicConfiguration::builder()
                    .id("videos")
                    .topic_arn(topic_arn)
                    .events(event)
                    .filter(
                        NotificationConfigurationFilter::builder()
                            .key(
                                S3KeyFilter::builder()
                                    .filter_rules(rule(FilterRuleName::Prefix, "in/"))
                                    .filter_rules(rule(FilterRuleName::Suffix, ".mp4"))
                                    .build(),
                            )
                            .build(),
                    )
                    .build()
                    .unwrap(),
            )
            .build()
    };
    let configure = |config| {
        client
            .put_bucket_notification_configuration()
            .bucket(LEDGER)
            .notification_configuration(config)
            .send()
    };
    configure(config(&topic_arn, Event::S3ObjectCreated))
        .await
        .unwrap();
    let got = client
        .get_bucket_notification_configuration()
        .bucket(LEDGER)
        .send()
        .await
        .unwrap();
    assert_eq!(
        got.topic_configurations(),
        config(&topic_arn, Event::S3ObjectCreated).topic_configurations()
    );
    for key in ["in/a.mp4", "in/a.mov", "out/a.mp4"] {
        put(&client, LEDGER, key, b"1").await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let messages = messages(&aws, &queue_arn);
    assert_eq!(messages.len(), 2);
    let object = &messages[1]["Records"][0]["s3"]["object"];
    assert_eq!(object["key"], "in/a.mp4");
    assert!(object.get("versionId").is_none());

    let nowhere = format!("{topic_arn}-nowhere");
    refused(
        configure(config(&nowhere, Event::S3ObjectCreated)).await,
        400,
        "InvalidArgument",
    );
    refused(
        configure(config(&topic_arn, Event::S3ObjectRemoved)).await,
        501,
        "NotImplemented",
    );
}
