//! The Runtime API, version 2018-06-01 (Lambda developer guide, "Using the Lambda runtime API for custom runtimes").
//!
//! Each environment has its own path prefix, so that one listener serves all of them.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use super::process::{Assignment, Process};
use super::{Lambda, SYNC_PAYLOAD_BYTES_MAX, failure};
use crate::wire::{Request, Response, body, collect};

const ERROR_TYPE_HEADER: &str = "lambda-runtime-function-error-type";

pub(super) async fn handle(lambda: &Lambda, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let mut segments = path.trim_start_matches('/').splitn(2, '/');
    let (environment, rest) = (
        segments.next().unwrap_or_default(),
        segments.next().unwrap_or_default(),
    );
    let process = lambda.lock_processes().get(environment).cloned();
    let Some(process) = process else {
        return refuse(
            StatusCode::FORBIDDEN,
            "InvalidEnvironment",
            "No such environment, or it ended",
        );
    };
    let Some(rest) = rest.strip_prefix("2018-06-01/runtime/") else {
        return not_implemented(request.method(), &path);
    };
    let segments: Vec<&str> = rest.split('/').collect();
    match (request.method(), segments.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(&process).await,
        (&Method::POST, ["invocation", id, "response"]) => response(&process, id, request).await,
        (&Method::POST, ["invocation", id, "error"]) => error(&process, id, request).await,
        (&Method::POST, ["init", "error"]) => init_error(&process, request).await,
        (method, _) => not_implemented(method, &path),
    }
}

async fn next(process: &Arc<Process>) -> Response {
    match process.next().await {
        Some(assignment) => invocation(assignment),
        None => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Terminated",
            "The environment ended",
        ),
    }
}

fn invocation(assignment: Assignment) -> Response {
    let mut response = http::Response::new(body(assignment.payload));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let named = [
        ("lambda-runtime-aws-request-id", assignment.request_id),
        (
            "lambda-runtime-deadline-ms",
            assignment.deadline_ms.to_string(),
        ),
        (
            "lambda-runtime-invoked-function-arn",
            assignment.function_arn,
        ),
        ("lambda-runtime-trace-id", assignment.trace_id),
    ];
    for (name, value) in named {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

async fn response(process: &Process, request_id: &str, request: Request) -> Response {
    if request
        .headers()
        .contains_key("lambda-runtime-function-response-mode")
    {
        return refuse(
            StatusCode::NOT_IMPLEMENTED,
            "NotImplemented",
            "response streaming",
        );
    }
    let answer = match collect(request.into_body()).await {
        Ok(answer) => answer,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, "InvalidBody", &error.to_string()),
    };
    if answer.len() > SYNC_PAYLOAD_BYTES_MAX {
        let text = format!(
            "Response payload size exceeded maximum allowed payload size ({SYNC_PAYLOAD_BYTES_MAX} bytes)."
        );
        let error_type = "Function.ResponseSizeTooLarge";
        process.complete(request_id, Err(failure::document(error_type, &text)));
        return refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            &text,
        );
    }
    accept_if(process.complete(request_id, Ok(answer)))
}

async fn error(process: &Process, request_id: &str, request: Request) -> Response {
    if !process.works_on(request_id) {
        return accept_if(false);
    }
    let document = error_document(request).await;
    accept_if(process.complete(request_id, Err(document)))
}

async fn init_error(process: &Process, request: Request) -> Response {
    process.fail_init(error_document(request).await);
    accept_if(true)
}

/// The error as the runtime tells it: its body, or, when that is no error document, the header's type.
async fn error_document(request: Request) -> Value {
    let error_type = request
        .headers()
        .get(ERROR_TYPE_HEADER)
        .and_then(|value| value.to_str().ok());
    let error_type = error_type.unwrap_or("Runtime.UnknownError").to_owned();
    let text = collect(request.into_body()).await.unwrap_or_default();
    match serde_json::from_slice::<Value>(&text) {
        Ok(document) if document.is_object() => document,
        _ => failure::document(&error_type, &String::from_utf8_lossy(&text)),
    }
}

fn accept_if(known: bool) -> Response {
    if known {
        answer(StatusCode::ACCEPTED, &json!({"status": "OK"}))
    } else {
        refuse(
            StatusCode::BAD_REQUEST,
            "InvalidRequestID",
            "Invalid request ID",
        )
    }
}

fn not_implemented(method: &Method, path: &str) -> Response {
    let text = format!("the sandbox does not implement {method} {path} of the Runtime API");
    refuse(StatusCode::NOT_FOUND, "NotImplemented", &text)
}

fn refuse(status: StatusCode, error_type: &str, message: &str) -> Response {
    answer(status, &failure::document(error_type, message))
}

fn answer(status: StatusCode, value: &Value) -> Response {
    let mut response = http::Response::new(body(value.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
