//! Step Functions against what its documentation and histories recorded on AWS tell.
//!
//! Goal: every fact that the workflow relies on has a test of its own, its expectation taken from the source that the
//! test names. Method: an AWS in process on paused time; calls through the AWS SDK where a client would make them, and
//! plain HTTP where the exact bytes matter.

// Clippy knows test functions, not their helpers; and `json!` makes values to be passed on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::needless_pass_by_value
)]

mod activities;
mod api;
mod executions;
mod language;
mod listing;
mod publish;
mod redrive;
mod timeouts;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use http::header;
use http_body_util::BodyExt as _;
use sandbox::aws::Aws;
use sandbox::wire;
use serde_json::{Value, json};

use crate::support;

/// An AWS with one activity, `work`.
struct Bench {
    aws: Aws,
    client: Client,
    activity_arn: String,
}

impl Bench {
    fn new() -> Self {
        Self::on(support::aws())
    }

    fn on(aws: Aws) -> Self {
        let client = Client::new(&support::sdk_config(&aws));
        let activity_arn = aws.sfn.create_activity("work");
        Self {
            aws,
            client,
            activity_arn,
        }
    }

    /// A machine with one Task state, `Work`, on the activity; `fields` are added to the state.
    fn task_machine(&self, fields: Value) -> String {
        let mut state = json!({"Type": "Task", "Resource": self.activity_arn, "End": true});
        merge(&mut state, fields);
        self.machine(json!({"StartAt": "Work", "States": {"Work": state}}))
    }

    fn machine(&self, definition: Value) -> String {
        let created = self
            .aws
            .sfn
            .create_state_machine("machine", &definition.to_string());
        created.unwrap()
    }

    async fn start(&self, machine_arn: &str, input: Value) -> String {
        let started = self
            .client
            .start_execution()
            .state_machine_arn(machine_arn)
            .name("run")
            .input(input.to_string());
        started.send().await.unwrap().execution_arn
    }

    /// Starts a machine of these states, lets it run as long as it can, and describes it.
    async fn run(&self, definition: Value, input: Value) -> Value {
        let arn = self.start(&self.machine(definition), input).await;
        wait_s(3600).await;
        self.describe(&arn).await
    }

    /// Takes a task, as a worker does.
    async fn poll(&self) -> (String, Value) {
        let polled = self
            .client
            .get_activity_task()
            .activity_arn(&self.activity_arn);
        let task = polled.send().await.unwrap();
        let token = task.task_token().expect("a task").to_owned();
        (token, serde_json::from_str(task.input().unwrap()).unwrap())
    }

    async fn succeed(&self, token: &str, output: Value) {
        let sent = self
            .client
            .send_task_success()
            .task_token(token)
            .output(output.to_string());
        sent.send().await.unwrap();
    }

    async fn fail(&self, token: &str, error: &str, cause: &str) {
        let sent = self
            .client
            .send_task_failure()
            .task_token(token)
            .error(error)
            .cause(cause);
        sent.send().await.unwrap();
        settle().await;
    }

    async fn describe(&self, arn: &str) -> Value {
        self.call("DescribeExecution", json!({"executionArn": arn}))
            .await
            .unwrap()
    }

    async fn status(&self, arn: &str) -> String {
        let described = self.describe(arn).await;
        described["status"].as_str().unwrap().to_owned()
    }

    /// All events, without their timestamps.
    async fn history(&self, arn: &str) -> Vec<Value> {
        settle().await;
        let input = json!({"executionArn": arn, "maxResults": 1000});
        let mut answer = self.call("GetExecutionHistory", input).await.unwrap();
        let events = answer["events"].as_array_mut().unwrap();
        for event in events.iter_mut() {
            event.as_object_mut().unwrap().remove("timestamp");
        }
        std::mem::take(events)
    }

    async fn event_types(&self, arn: &str) -> Vec<String> {
        let events = self.history(arn).await;
        events
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect()
    }

    /// One operation over plain HTTP: the answer, or status, code and message of the error.
    async fn call(&self, operation: &str, input: Value) -> Result<Value, (u16, String, String)> {
        let request = http::Request::post("http://states/")
            .header("x-amz-target", format!("AWSStepFunctions.{operation}"))
            .header(
                header::AUTHORIZATION,
                "AWS4-HMAC-SHA256 Credential=AKID/20261101/us-east-1/states/aws4_request, SignedHeaders=host, Signature=0",
            )
            .body(wire::body(input.to_string()))
            .unwrap();
        let response = self.aws.handle(request).await;
        let kind = response.headers()[header::CONTENT_TYPE].clone();
        assert_eq!(kind, "application/x-amz-json-1.0");
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        if status == 200 {
            return Ok(answer);
        }
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Err((status, text("__type"), text("message")))
    }

    /// The operation must fail with status 400, this code and this message.
    #[track_caller]
    fn refuses(
        &self,
        operation: &str,
        input: Value,
        code: &str,
        message: &str,
    ) -> impl Future<Output = ()> {
        let expect = Err((400, code.to_owned(), message.to_owned()));
        let call = self.call(operation, input);
        async move { assert_eq!(call.await, expect) }
    }
}

fn merge(into: &mut Value, fields: Value) {
    let Value::Object(fields) = fields else {
        panic!("fields are an object");
    };
    into.as_object_mut().unwrap().extend(fields);
}

/// Lets everything run that needs no time.
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

async fn wait_s(seconds: u64) {
    tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
}

/// Code and message of a failed SDK call.
fn error<E: ProvideErrorMetadata, R>(
    result: Result<impl std::fmt::Debug, SdkError<E, R>>,
) -> (String, String)
where
    SdkError<E, R>: std::fmt::Debug,
{
    let error = result.unwrap_err();
    (
        error.code().unwrap_or_default().to_owned(),
        error.message().unwrap_or_default().to_owned(),
    )
}

const TASK_GONE: &str = "Task Timed Out: 'Provided task does not exist anymore'";
