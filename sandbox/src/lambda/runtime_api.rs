//! The Runtime API, through which a process asks for invocations and answers them.
//!
//! Source: Lambda developer guide, "Using the Lambda runtime API" (version 2018-06-01). The environment's id is the first segment of
//! the path: AWS_LAMBDA_RUNTIME_API carries it.

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::{FunctionError, Lambda};
use crate::wire::{Request, Response, body, collect};

pub(super) async fn handle(lambda: &Arc<Lambda>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let [id, "2018-06-01", "runtime", rest @ ..] = segments.as_slice() else {
        return problem(StatusCode::NOT_FOUND, "no path of the Runtime API");
    };
    let environment = lambda.lock().environments.get(*id).cloned();
    let Some(environment) = environment else {
        return problem(
            StatusCode::FORBIDDEN,
            "no such environment, or it was ended",
        );
    };
    match (request.method().clone(), rest) {
        (Method::GET, ["invocation", "next"]) => match environment.take_next(lambda).await {
            Some((taken, deadline_ms)) => {
                let mut response = http::Response::new(body(taken.payload));
                let headers = [
                    ("lambda-runtime-aws-request-id", taken.request_id),
                    ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
                    ("lambda-runtime-invoked-function-arn", taken.function_arn),
                    ("content-type", "application/json".to_owned()),
                ];
                for (name, value) in headers {
                    if let Ok(value) = HeaderValue::from_str(&value) {
                        response.headers_mut().insert(name, value);
                    }
                }
                response
            }
            None => problem(StatusCode::FORBIDDEN, "the environment was ended"),
        },
        (Method::POST, ["invocation", request_id, "response"]) => {
            let request_id = (*request_id).to_owned();
            let result = match collect(request.into_body()).await {
                Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| FunctionError {
                    error_type: "Function.ResponseNotJson".to_owned(),
                    message: error.to_string(),
                }),
                Err(error) => Err(FunctionError {
                    error_type: "Runtime.TruncatedResponse".to_owned(),
                    message: error.to_string(),
                }),
            };
            accepted(environment.answer(&request_id, result))
        }
        (Method::POST, ["invocation", request_id, "error"]) => {
            let request_id = (*request_id).to_owned();
            let error = function_error(request).await;
            accepted(environment.answer(&request_id, Err(error)))
        }
        (Method::POST, ["init", "error"]) => {
            let error = function_error(request).await;
            tracing::warn!(
                error_type = error.error_type,
                message = error.message,
                "environment failed to start"
            );
            accepted(true)
        }
        _ => problem(StatusCode::NOT_FOUND, "no path of the Runtime API"),
    }
}

async fn function_error(request: Request) -> FunctionError {
    let bytes = collect(request.into_body()).await.unwrap_or_default();
    let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let text = |field: &str| document[field].as_str().unwrap_or_default().to_owned();
    FunctionError {
        error_type: text("errorType"),
        message: text("errorMessage"),
    }
}

fn accepted(accepted: bool) -> Response {
    if !accepted {
        return problem(
            StatusCode::BAD_REQUEST,
            "not the invocation that this environment works on",
        );
    }
    let mut response = http::Response::new(body(json!({"status": "OK"}).to_string()));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

fn problem(status: StatusCode, message: &str) -> Response {
    let document = json!({"errorType": "InvalidRequest", "errorMessage": message});
    let mut response = http::Response::new(body(document.to_string()));
    *response.status_mut() = status;
    response
}
