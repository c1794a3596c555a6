//! Requests without an SDK, and functions that are closures.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use sandbox::aws::Aws;
use sandbox::lambda::{Code, FunctionConfig, FunctionError, Handler, Invocation};
use sandbox::wire::{body, collect};
use serde_json::Value;

/// A response, collected.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// Sends a request to `service`, signed as far as routing looks at it.
pub(crate) async fn call(
    aws: &Aws,
    service: &str,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    content: impl Into<bytes::Bytes>,
) -> Answer {
    let credential = format!("Credential=AKIDEXAMPLE/20261101/us-east-1/{service}/aws4_request");
    let mut request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:4566")
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host"),
        );
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = aws.handle(request.body(body(content)).unwrap()).await;
    let (parts, content) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8(collect(content).await.unwrap().to_vec()).unwrap(),
    }
}

/// Sends an AWS JSON request.
pub(crate) async fn json_call(aws: &Aws, service: &str, target: &str, content: Value) -> Answer {
    let headers = [("x-amz-target", target)];
    call(aws, service, ("POST", "/"), &headers, content.to_string()).await
}

/// A handler made of a closure.
struct FnHandler<F>(F);

impl<F, R> Handler for FnHandler<F>
where
    F: Fn(Invocation) -> R + Send + Sync,
    R: Future<Output = Result<Value, FunctionError>> + Send + 'static,
{
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'static, Result<Value, FunctionError>> {
        (self.0)(invocation).boxed()
    }
}

/// Code that is a closure.
pub(crate) fn handler<F, R>(closure: F) -> Code
where
    F: Fn(Invocation) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Value, FunctionError>> + Send + 'static,
{
    Code::Handler(Arc::new(FnHandler(closure)))
}

/// A function as AWS would configure it by default, with the timeout of 3 s.
pub(crate) fn function(name: &str, code: Code) -> FunctionConfig {
    FunctionConfig {
        name: name.to_owned(),
        timeout: Duration::from_secs(3),
        memory_mb: 128,
        role_arn: None,
        environment: BTreeMap::new(),
        code,
        reserved_concurrency: None,
        max_retries: 2,
        max_event_age: Duration::from_hours(6),
        on_failure_arn: None,
    }
}

/// What a recording function was invoked with: when (seconds since the test began), and the invocation.
pub(crate) type Calls = Arc<Mutex<Vec<(f64, Invocation)>>>;

/// A function that notes its calls and succeeds; returns its ARN.
pub(crate) fn recording_function(aws: &Aws, name: &str) -> (String, Calls) {
    let calls = Calls::default();
    let noted = Arc::clone(&calls);
    let started = tokio::time::Instant::now();
    let code = handler(move |invocation| {
        let at = started.elapsed().as_secs_f64();
        noted.lock().unwrap().push((at, invocation));
        async { Ok(Value::Null) }
    });
    (aws.lambda.create_function(function(name, code)), calls)
}

/// Lets the sandbox's time pass.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
