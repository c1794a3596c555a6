//! The wire: REST and JSON below `/2015-03-31/functions` (Lambda API reference). What is not listed is refused by name.

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use super::{Function, Lambda};
use crate::wire::{ApiError, Request, Response, body, collect};

pub(super) async fn handle(lambda: &Arc<Lambda>, request: Request) -> Response {
    match answer(lambda, request).await {
        Ok(response) => response,
        Err(error) => {
            let document =
                json!({"Type": "User", "Message": error.message, "message": error.message});
            let mut response = document_response(error.status, &document);
            if let Ok(code) = HeaderValue::from_str(&error.code) {
                response.headers_mut().insert("x-amzn-errortype", code);
            }
            response
        }
    }
}

async fn answer(lambda: &Arc<Lambda>, request: Request) -> Result<Response, ApiError> {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (request.method().clone(), segments.as_slice()) {
        (Method::GET, ["2015-03-31", "functions"]) => {
            let state = lambda.lock();
            let functions: Vec<Value> = state
                .functions
                .values()
                .map(|function| describe(lambda, function))
                .collect();
            Ok(document_response(
                StatusCode::OK,
                &json!({"Functions": functions}),
            ))
        }
        (Method::GET, ["2015-03-31", "functions", name, "configuration"]) => {
            let name = lambda.function_name(name)?;
            Ok(document_response(StatusCode::OK, &find(lambda, &name)))
        }
        (Method::GET, ["2015-03-31", "functions", name]) => {
            let name = lambda.function_name(name)?;
            Ok(document_response(
                StatusCode::OK,
                &json!({"Configuration": find(lambda, &name), "Tags": {}}),
            ))
        }
        (Method::POST, ["2015-03-31", "functions", name, "invocations"]) => {
            let name = lambda.function_name(name)?;
            invoke(lambda, &name, request).await
        }
        (method, _) => Err(ApiError::not_implemented(&format!(
            "the operation {method} {path} of Lambda"
        ))),
    }
}

async fn invoke(lambda: &Arc<Lambda>, name: &str, request: Request) -> Result<Response, ApiError> {
    let kind = request
        .headers()
        .get("x-amz-invocation-type")
        .and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or("RequestResponse").to_owned();
    let mut payload = collect(request.into_body())
        .await
        .map_err(|error| ApiError::client("InvalidRequestContentException", error.to_string()))?;
    if payload.is_empty() {
        payload = "{}".into();
    }
    serde_json::from_slice::<Value>(&payload).map_err(|error| {
        ApiError::client(
            "InvalidRequestContentException",
            format!("Could not parse request body into json: {error}"),
        )
    })?;
    match kind.as_str() {
        "DryRun" => Ok(document_response(StatusCode::NO_CONTENT, &Value::Null)),
        "Event" => {
            lambda.invoke_async(name, payload)?;
            Ok(document_response(StatusCode::ACCEPTED, &Value::Null))
        }
        "RequestResponse" => {
            let result = lambda
                .invoke_now(name, payload)
                .await
                .ok_or_else(|| ApiError {
                    status: StatusCode::TOO_MANY_REQUESTS,
                    code: "TooManyRequestsException".to_owned(),
                    message: "Rate Exceeded.".to_owned(),
                })?;
            Ok(match result {
                Ok(value) => document_response(StatusCode::OK, &value),
                Err(error) => {
                    let mut response = document_response(StatusCode::OK, &error.document());
                    response.headers_mut().insert(
                        "x-amz-function-error",
                        HeaderValue::from_static("Unhandled"),
                    );
                    response
                }
            })
        }
        other => Err(ApiError::client(
            "InvalidParameterValueException",
            format!("Unknown invocation type {other}"),
        )),
    }
}

fn find(lambda: &Lambda, name: &str) -> Value {
    let state = lambda.lock();
    state
        .functions
        .get(name)
        .map_or(Value::Null, |function| describe(lambda, function))
}

fn describe(lambda: &Lambda, function: &Function) -> Value {
    let config = &function.config;
    json!({
        "FunctionName": config.name,
        "FunctionArn": lambda.arn(&config.name),
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Timeout": config.timeout.as_secs(),
        "MemorySize": config.memory_mb,
        "Architectures": ["arm64"],
        "PackageType": "Zip",
        "State": "Active",
        "Version": "$LATEST",
        "Environment": {"Variables": config.environment},
    })
}

fn document_response(status: StatusCode, document: &Value) -> Response {
    let text = if document.is_null() {
        String::new()
    } else {
        document.to_string()
    };
    let mut response = http::Response::new(body(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
