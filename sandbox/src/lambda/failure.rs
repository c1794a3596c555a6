//! How failed invocations look: the error document, and the record that an on-failure destination gets.

use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

/// What came out of an invocation: the function's answer, or the error document.
pub(super) type Outcome = Result<Bytes, Value>;

/// The error document of a function: what Lambda puts in `responsePayload` and answers Invoke with.
pub(super) fn document(error_type: &str, message: &str) -> Value {
    json!({"errorType": error_type, "errorMessage": message})
}

/// The invocation outlived the function's timeout, and its environment was killed.
pub(super) fn timed_out(request_id: &str, timeout: Duration) -> Value {
    let seconds = timeout.as_secs_f64();
    let text = format!("RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds");
    document("Sandbox.Timedout", &text)
}

/// The process ended before it answered.
pub(super) fn exited(request_id: &str, reason: &str) -> Value {
    document(
        "Runtime.ExitError",
        &format!("RequestId: {request_id} Error: {reason}"),
    )
}

/// There is nothing that could be started.
pub(super) fn no_entrypoint(request_id: &str, program: &str, error: &std::io::Error) -> Value {
    let text = format!("RequestId: {request_id} Error: fork/exec {program}: {error}");
    document("Runtime.InvalidEntrypoint", &text)
}

/// How a process ended, in Lambda's words.
pub(super) fn exit_reason(status: ExitStatus) -> String {
    match status.code() {
        Some(0) => "Runtime exited without providing a reason".to_owned(),
        Some(code) => format!("Runtime exited with error: exit status {code}"),
        None => format!("Runtime exited with error: signal: {}", signal_name(status)),
    }
}

#[cfg(unix)]
fn signal_name(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match status.signal() {
        Some(4) => "illegal instruction".to_owned(),
        Some(6) => "aborted".to_owned(),
        Some(9) => "killed".to_owned(),
        Some(11) => "segmentation fault".to_owned(),
        Some(15) => "terminated".to_owned(),
        Some(signal) => format!("signal {signal}"),
        None => "unknown".to_owned(),
    }
}

#[cfg(not(unix))]
fn signal_name(status: ExitStatus) -> String {
    status.to_string()
}

/// Why Lambda gave up on an asynchronous event: the `condition` of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    RetriesExhausted,
    EventAgeExceeded,
    ZeroReservedConcurrency,
}

/// An asynchronous event that failed for good.
pub(super) struct Failed<'a> {
    pub(super) timestamp: String,
    pub(super) request_id: &'a str,
    pub(super) function_arn: &'a str,
    pub(super) condition: Condition,
    pub(super) invoke_count: u32,
    pub(super) request_payload: &'a [u8],
    /// The error document of the last invocation, if it was invoked at all.
    pub(super) response_payload: Option<Value>,
}

impl Failed<'_> {
    /// The record that an on-failure destination gets (Lambda developer guide, "Capturing records of Lambda asynchronous
    /// invocations"). Without an invocation there is no response to tell of.
    pub(super) fn record(self) -> Value {
        let condition = match self.condition {
            Condition::RetriesExhausted => "RetriesExhausted",
            Condition::EventAgeExceeded => "EventAgeExceeded",
            Condition::ZeroReservedConcurrency => "ZeroReservedConcurrency",
        };
        let mut record = json!({
            "version": "1.0",
            "timestamp": self.timestamp,
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": format!("{}:$LATEST", self.function_arn),
                "condition": condition,
                "approximateInvokeCount": self.invoke_count,
            },
            "requestPayload": serde_json::from_slice::<Value>(self.request_payload).unwrap_or_default(),
        });
        if let Some(payload) = self.response_payload {
            record["responseContext"] = json!({
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            });
            record["responsePayload"] = payload;
        }
        record
    }
}
