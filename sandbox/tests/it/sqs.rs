//! SQS over AWS JSON 1.0. Expectations are from the SQS API reference.

use http::StatusCode;
use sandbox::aws::Aws;
use serde_json::{Value, json};

use crate::call::{Answer, json_call, pass};
use crate::support::aws;

async fn sqs(aws: &Aws, operation: &str, content: Value) -> Answer {
    json_call(aws, "sqs", &format!("AmazonSQS.{operation}"), content).await
}

async fn queue(aws: &Aws) -> String {
    let answer = sqs(aws, "CreateQueue", json!({"QueueName": "dead"})).await;
    answer.json()["QueueUrl"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_message_is_hidden_while_it_is_in_flight_and_gone_once_deleted() {
    let aws = aws();
    let url = queue(&aws).await;
    let sent = sqs(
        &aws,
        "SendMessage",
        json!({"QueueUrl": url, "MessageBody": "This is a test message"}),
    )
    .await;
    // The digest that the API reference shows for this very body.
    assert_eq!(
        sent.json()["MD5OfMessageBody"],
        "fafb00f5732ab283681e124bf8747ed1"
    );
    let receive = json!({"QueueUrl": url, "AttributeNames": ["All"]});
    let first = sqs(&aws, "ReceiveMessage", receive.clone()).await.json();
    let message = &first["Messages"][0];
    assert_eq!(message["Body"], "This is a test message");
    assert_eq!(message["MD5OfBody"], sent.json()["MD5OfMessageBody"]);
    assert_eq!(message["Attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(
        sqs(&aws, "ReceiveMessage", receive.clone()).await.json(),
        json!({})
    );

    pass(31).await;
    let again = sqs(&aws, "ReceiveMessage", receive.clone()).await.json();
    assert_eq!(
        again["Messages"][0]["Attributes"]["ApproximateReceiveCount"],
        "2"
    );
    let receipt = &again["Messages"][0]["ReceiptHandle"];
    sqs(
        &aws,
        "DeleteMessage",
        json!({"QueueUrl": url, "ReceiptHandle": receipt}),
    )
    .await;
    pass(31).await;
    assert_eq!(sqs(&aws, "ReceiveMessage", receive).await.json(), json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_when_a_message_comes_or_the_wait_is_over() {
    let aws = aws();
    let url = queue(&aws).await;
    let started = tokio::time::Instant::now();
    let poll = json!({"QueueUrl": url, "WaitTimeSeconds": 20, "MaxNumberOfMessages": 10});
    assert_eq!(
        sqs(&aws, "ReceiveMessage", poll.clone()).await.json(),
        json!({})
    );
    assert_eq!(started.elapsed().as_secs(), 20);

    let sender = aws.clone();
    tokio::spawn(async move {
        pass(5).await;
        let arn = sender.sqs.create_queue("dead");
        sender
            .sqs
            .send(&arn, "late", &std::collections::BTreeMap::new())
            .unwrap();
    });
    let polled = sqs(&aws, "ReceiveMessage", poll).await.json();
    assert_eq!(polled["Messages"][0]["Body"], "late");
    assert_eq!(started.elapsed().as_secs(), 25);
}

#[tokio::test(start_paused = true)]
async fn attributes_and_counts_are_told() {
    let aws = aws();
    let url = queue(&aws).await;
    let attributes = json!({
        "kind": {"DataType": "String", "StringValue": "x"},
        "raw": {"DataType": "Binary", "BinaryValue": "AAE="},
    });
    let send = json!({"QueueUrl": url, "MessageBody": "a", "MessageAttributes": attributes});
    let sent = sqs(&aws, "SendMessage", send).await.json();
    let delayed = json!({"QueueUrl": url, "MessageBody": "b", "DelaySeconds": 60});
    sqs(&aws, "SendMessage", delayed).await;
    let counts = sqs(
        &aws,
        "GetQueueAttributes",
        json!({"QueueUrl": url, "AttributeNames": ["All"]}),
    )
    .await;
    let counts = &counts.json()["Attributes"];
    assert_eq!(counts["ApproximateNumberOfMessages"], "1");
    assert_eq!(counts["ApproximateNumberOfMessagesDelayed"], "1");
    assert_eq!(counts["MessageRetentionPeriod"], "1209600");
    assert_eq!(
        counts["QueueArn"],
        "arn:aws:sqs:us-east-1:123456789012:dead"
    );
    let receive = json!({"QueueUrl": url, "MessageAttributeNames": ["All"]});
    let received = sqs(&aws, "ReceiveMessage", receive).await.json();
    assert_eq!(received["Messages"][0]["MessageAttributes"], attributes);
    assert_eq!(
        received["Messages"][0]["MD5OfMessageAttributes"],
        sent["MD5OfMessageAttributes"]
    );
    sqs(&aws, "PurgeQueue", json!({"QueueUrl": url})).await;
    assert_eq!(
        aws.sqs.bodies("arn:aws:sqs:us-east-1:123456789012:dead"),
        Vec::<String>::new()
    );
}

#[tokio::test(start_paused = true)]
async fn errors_have_the_codes_of_both_protocols() {
    let aws = aws();
    let answer = sqs(&aws, "GetQueueUrl", json!({"QueueName": "none"})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.json()["__type"],
        "com.amazonaws.sqs#QueueDoesNotExist"
    );
    assert_eq!(
        answer.json()["message"],
        "The specified queue does not exist."
    );
    assert_eq!(
        answer.header("x-amzn-query-error"),
        "AWS.SimpleQueueService.NonExistentQueue;Sender"
    );
    let refused = sqs(&aws, "SendMessageBatch", json!({})).await;
    assert_eq!(
        refused.json()["message"],
        "the sandbox does not implement SQS SendMessageBatch"
    );
    let refused = sqs(
        &aws,
        "GetQueueUrl",
        json!({"QueueName": "x", "QueueOwnerAWSAccountId": "1"}),
    )
    .await;
    assert_eq!(
        refused.json()["message"],
        "the sandbox does not implement parameter QueueOwnerAWSAccountId of GetQueueUrl"
    );
}
