//! The wire side of Lambda: REST JSON, version 2015-03-31.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use super::capacity::{Slot, Throttled};
use super::failure::Outcome;
use super::{FunctionConfig, Lambda, SYNC_PAYLOAD_BYTES_MAX, check_json, check_size, invocation};
use crate::wire::{ApiError, Request, Response, body, collect};

pub(super) async fn handle(lambda: &Arc<Lambda>, request: Request) -> Response {
    let request_id = lambda.rng.uuid();
    let mut response = match answer(lambda, request).await {
        Ok(response) => response,
        Err(error) => refuse(&error),
    };
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.entry("x-amzn-requestid").or_insert(id);
    }
    response
}

fn refuse(error: &ApiError) -> Response {
    let value = json!({"Type": "User", "Message": error.message});
    let mut response = with_status(error.status, value.to_string());
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

async fn answer(lambda: &Arc<Lambda>, request: Request) -> Result<Response, ApiError> {
    let (parts, content) = request.into_parts();
    let path = parts.uri.path();
    let not_implemented = || ApiError::not_implemented(&format!("Lambda {} {path}", parts.method));
    let rest = path
        .strip_prefix("/2015-03-31/functions")
        .ok_or_else(not_implemented)?;
    let rest = rest.trim_matches('/').to_owned();
    let segments: Vec<&str> = rest.split('/').collect();
    let mut query = query(parts.uri.query());
    let response = match (&parts.method, segments.as_slice()) {
        (&Method::GET, [""]) => list_functions(lambda, &mut query)?,
        (&Method::GET, [name]) => {
            let config = find(lambda, name, &mut query)?;
            with_status(StatusCode::OK, function_json(lambda, &config).to_string())
        }
        (&Method::GET, [name, "configuration"]) => {
            let config = find(lambda, name, &mut query)?;
            with_status(
                StatusCode::OK,
                configuration_json(lambda, &config).to_string(),
            )
        }
        (&Method::POST, [name, "invocations"]) => {
            let config = find(lambda, name, &mut query)?;
            refuse_rest(&query)?;
            let payload = collect(content).await.map_err(|error| {
                ApiError::client("InvalidRequestContentException", error.to_string())
            })?;
            return invoke(lambda, &config, &parts.headers, payload).await;
        }
        _ => return Err(not_implemented()),
    };
    refuse_rest(&query)?;
    Ok(response)
}

fn query(query: Option<&str>) -> BTreeMap<String, String> {
    serde_urlencoded::from_str(query.unwrap_or_default()).unwrap_or_default()
}

fn refuse_rest(query: &BTreeMap<String, String>) -> Result<(), ApiError> {
    match query.keys().next() {
        None => Ok(()),
        Some(name) => Err(ApiError::not_implemented(&format!(
            "Lambda parameter {name}"
        ))),
    }
}

/// The function that a path names. There are no versions but `$LATEST`.
fn find(
    lambda: &Lambda,
    name: &str,
    query: &mut BTreeMap<String, String>,
) -> Result<Arc<FunctionConfig>, ApiError> {
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    match query.remove("Qualifier") {
        None => lambda.config(&name),
        Some(qualifier) => lambda.config(&format!("{name}:{qualifier}")),
    }
}

async fn invoke(
    lambda: &Arc<Lambda>,
    config: &Arc<FunctionConfig>,
    headers: &HeaderMap,
    payload: Bytes,
) -> Result<Response, ApiError> {
    if headers.contains_key("x-amz-client-context") {
        return Err(ApiError::not_implemented(
            "parameter ClientContext of Lambda Invoke",
        ));
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(log_type) = text("x-amz-log-type").filter(|log_type| *log_type != "None") {
        let what = format!("LogType {log_type} of Lambda Invoke");
        return Err(ApiError::not_implemented(&what));
    }
    match text("x-amz-invocation-type").unwrap_or("RequestResponse") {
        "DryRun" => Ok(with_status(StatusCode::NO_CONTENT, Bytes::new())),
        "Event" => {
            let request_id = lambda.invoke_async(&config.name, payload)?;
            let mut response = with_status(StatusCode::ACCEPTED, Bytes::new());
            if let Ok(id) = HeaderValue::from_str(&request_id) {
                response.headers_mut().insert("x-amzn-requestid", id);
            }
            Ok(response)
        }
        "RequestResponse" => {
            check_size("RequestResponse", payload.len(), SYNC_PAYLOAD_BYTES_MAX)?;
            check_json(&payload)?;
            let slot = acquire(lambda, config)?;
            Ok(outcome_response(
                run_detached(lambda, slot, config, payload).await,
            ))
        }
        other => Err(ApiError::not_implemented(&format!(
            "InvocationType {other} of Lambda Invoke"
        ))),
    }
}

/// An invocation goes on when its caller hangs up.
async fn run_detached(
    lambda: &Arc<Lambda>,
    slot: Slot,
    config: &Arc<FunctionConfig>,
    payload: Bytes,
) -> Outcome {
    let request_id = lambda.rng.uuid();
    let lambda = Arc::clone(lambda);
    let config = Arc::clone(config);
    let running =
        tokio::spawn(
            async move { invocation::run(&lambda, slot, &config, &request_id, payload).await },
        );
    running.await.unwrap_or_else(|error| {
        Err(super::failure::document(
            "Sandbox.Cancelled",
            &error.to_string(),
        ))
    })
}

/// The message and reasons are those of TooManyRequestsException (Lambda API reference, Invoke).
fn acquire(lambda: &Arc<Lambda>, config: &FunctionConfig) -> Result<Slot, ApiError> {
    lambda
        .capacity
        .try_acquire(&config.name)
        .map_err(|throttled| {
            lambda.count(&config.name, |counts| counts.throttles += 1);
            let reason = match throttled {
                Throttled::Account => "ConcurrentInvocationLimitExceeded",
                Throttled::Function => "ReservedFunctionConcurrentInvocationLimitExceeded",
            };
            ApiError {
                status: StatusCode::TOO_MANY_REQUESTS,
                code: "TooManyRequestsException".to_owned(),
                message: format!("Rate Exceeded. ({reason})"),
            }
        })
}

/// A function's error is a success of Invoke, told by a header (Lambda API reference, Invoke).
fn outcome_response(outcome: Outcome) -> Response {
    let failed = outcome.is_err();
    let payload = outcome.unwrap_or_else(|error| error.to_string().into());
    let mut response = with_status(StatusCode::OK, payload);
    let headers = response.headers_mut();
    headers.insert(
        "x-amz-executed-version",
        HeaderValue::from_static("$LATEST"),
    );
    if failed {
        headers.insert(
            "x-amz-function-error",
            HeaderValue::from_static("Unhandled"),
        );
    }
    response
}

fn list_functions(
    lambda: &Lambda,
    query: &mut BTreeMap<String, String>,
) -> Result<Response, ApiError> {
    let max_items = query
        .remove("MaxItems")
        .map_or(Ok(50), |text| text.parse::<usize>());
    let max_items = max_items
        .ok()
        .filter(|items| (1..=10_000).contains(items))
        .ok_or_else(|| {
            ApiError::client(
                "InvalidParameterValueException",
                "MaxItems must be between 1 and 10000",
            )
        })?;
    // A page never has more than 50 functions (Lambda API reference, ListFunctions).
    let max_items = max_items.min(50);
    let after = query.remove("Marker").unwrap_or_default();
    let functions = lambda.lock();
    let configs = functions.values().map(|function| &function.config);
    let mut rest = configs.filter(|config| config.name > after);
    let page: Vec<_> = rest.by_ref().take(max_items).collect();
    let more = rest.next().is_some();
    let listed: Vec<Value> = page
        .iter()
        .map(|config| configuration_json(lambda, config))
        .collect();
    let mut answer = json!({"Functions": listed});
    if more {
        answer["NextMarker"] = page.last().map(|config| config.name.clone()).into();
    }
    Ok(with_status(StatusCode::OK, answer.to_string()))
}

fn function_json(lambda: &Lambda, config: &FunctionConfig) -> Value {
    let mut answer = json!({"Configuration": configuration_json(lambda, config)});
    if let Some(reserved) = config.reserved_concurrency {
        answer["Concurrency"] = json!({"ReservedConcurrentExecutions": reserved});
    }
    answer
}

fn configuration_json(lambda: &Lambda, config: &FunctionConfig) -> Value {
    json!({
        "FunctionName": config.name,
        "FunctionArn": lambda.arn(&config.name),
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Architectures": ["arm64"],
        "PackageType": "Zip",
        "Timeout": config.timeout.as_secs(),
        "MemorySize": config.memory_mb,
        "Environment": {"Variables": config.environment},
        "Version": "$LATEST",
        "State": "Active",
        "LastUpdateStatus": "Successful",
    })
}

fn with_status(status: StatusCode, content: impl Into<Bytes>) -> Response {
    let mut response = http::Response::new(body(content));
    *response.status_mut() = status;
    response
}
