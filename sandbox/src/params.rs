//! Parameters of a JSON operation, read strictly: one that the operation here does not know is refused by its name.

use http::header;
use serde::de::DeserializeOwned;

use crate::wire::{ApiError, Request, collect};

/// The operation that an AWS JSON request names (`X-Amz-Target: <service>.<operation>`) and its body.
///
/// # Errors
/// `UnknownOperationException` without such a header, `SerializationException` when the body breaks off.
pub(crate) async fn json_operation(
    service: &str,
    request: Request,
) -> Result<(String, bytes::Bytes), ApiError> {
    let operation = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.strip_prefix(service)?.strip_prefix('.'))
        .map(str::to_owned)
        .ok_or_else(|| {
            let kind = request.headers().get(header::CONTENT_TYPE);
            ApiError::client(
                "UnknownOperationException",
                format!("no X-Amz-Target {service}.<operation> (content type {kind:?})"),
            )
        })?;
    let body = collect(request.into_body())
        .await
        .map_err(|error| ApiError::client("SerializationException", error.to_string()))?;
    Ok((operation, body))
}

/// The parameters of `operation`, whose type denies unknown fields.
///
/// # Errors
/// `NotImplemented` naming the first unknown parameter, else `SerializationException`.
pub(crate) fn parse<T: DeserializeOwned>(operation: &str, body: &[u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        match text.strip_prefix("unknown field `") {
            Some(rest) => {
                let name = rest.split('`').next().unwrap_or_default();
                ApiError::not_implemented(&format!("parameter {name} of {operation}"))
            }
            None => ApiError::client("SerializationException", format!("{operation}: {text}")),
        }
    })
}
