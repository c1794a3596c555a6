//! The services behind their sockets.

use std::collections::BTreeMap;
use std::time::Duration;

use sandbox::server::Server;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::aws;

/// An AWS JSON request to SQS, as bytes.
fn sqs_request(operation: &str, content: &serde_json::Value) -> String {
    let content = content.to_string();
    let length = content.len();
    format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Amz-Target: AmazonSQS.{operation}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=A/20261101/us-east-1/sqs/aws4_request\r\n\
         Content-Length: {length}\r\n\r\n{content}"
    )
}

#[tokio::test]
async fn a_request_over_the_socket_is_answered() {
    let aws = aws();
    aws.sqs.create_queue("q");
    let server = Server::start(aws, 0).await.unwrap();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = sqs_request("ListQueues", &json!({}));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.ends_with("{\"QueueUrls\":[\"http://x/123456789012/q\"]}"),
        "{answer}"
    );
    server.shut_down().await;
}

/// A poller that hung up must not take what comes later: the handling of its request ends with its connection.
#[tokio::test]
async fn hanging_up_ends_the_handling_of_a_long_poll() {
    let aws = aws();
    let queue_arn = aws.sqs.create_queue("q");
    let server = Server::start(aws.clone(), 0).await.unwrap();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let idle_tasks = tasks();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let poll = json!({"QueueUrl": "http://x/123456789012/q", "WaitTimeSeconds": 20});
    stream
        .write_all(sqs_request("ReceiveMessage", &poll).as_bytes())
        .await
        .unwrap();
    until(|| tasks() > idle_tasks).await;
    drop(stream);
    until(|| tasks() == idle_tasks).await;
    aws.sqs.send(&queue_arn, "m", &BTreeMap::new()).unwrap();
    let counts = sqs_request(
        "GetQueueAttributes",
        &json!({"QueueUrl": "q", "AttributeNames": ["ApproximateNumberOfMessages"]}),
    );
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(counts.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.ends_with("{\"Attributes\":{\"ApproximateNumberOfMessages\":\"1\"}}"),
        "{answer}"
    );
    server.shut_down().await;
}

#[tokio::test]
async fn shutting_down_does_not_wait_for_long_polls_to_end() {
    let aws = aws();
    aws.sqs.create_queue("q");
    let server = Server::start(aws, 0).await.unwrap();
    let address = server.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let poll = json!({"QueueUrl": "q", "WaitTimeSeconds": 20});
    stream
        .write_all(sqs_request("ReceiveMessage", &poll).as_bytes())
        .await
        .unwrap();
    tokio::time::timeout(Duration::from_secs(10), server.shut_down())
        .await
        .unwrap();
    let mut rest = Vec::new();
    assert_eq!(
        stream.read_to_end(&mut rest).await.unwrap_or(0),
        0,
        "hung up without an answer"
    );
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let server = Server::start(aws(), 0).await.unwrap();
    let port = server.address().port();
    assert!(server.address().ip().is_loopback());
    assert!(Server::start(aws(), port).await.is_err());
}

/// Waits for a condition, not for a time.
async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .unwrap();
}
