//! Rekognition's errors, as they look on the wire.

use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::wire::{ApiError, Response, body};

/// The answer of an operation. An error's body has a capital `Message`, its code twice, and a `Logref` (Rekognition
/// developer guide, "Error handling", the example of InvalidS3ObjectException).
pub(super) fn response(request_id: &str, result: Result<Value, ApiError>) -> Response {
    let (status, value) = match result {
        Ok(value) => (StatusCode::OK, value),
        Err(error) => (
            error.status,
            json!({
                "__type": error.code,
                "Code": error.code,
                "Logref": request_id,
                "Message": error.message,
            }),
        ),
    };
    let mut response = http::Response::new(body(value.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// The object cannot be read (developer guide, "Error handling").
pub(super) fn invalid_s3_object() -> ApiError {
    ApiError::client(
        "InvalidS3ObjectException",
        "Unable to get object metadata from S3. Check object key, region and/or access permissions.",
    )
}

/// The object is over the limit (developer guide, "Error handling").
pub(super) fn video_too_large(size_bytes: u64, max: u64) -> ApiError {
    ApiError::client(
        "VideoTooLargeException",
        format!(
            "Video size in bytes: {size_bytes} is more than the maximum limit of: {max} bytes."
        ),
    )
}

/// Too many jobs are open. The wording, its two spaces included, is a real one (aws-solutions/media-insights-on-aws#143).
pub(super) fn limit_exceeded(open: usize, account_id: &str, max: usize) -> ApiError {
    ApiError::client(
        "LimitExceededException",
        format!("{open}  open Jobs for User {account_id}. Maximum limit: {max}"),
    )
}

/// A token was used again with other parameters (developer guide, "Error handling").
pub(super) fn parameter_mismatch(token: &str) -> ApiError {
    ApiError::client(
        "IdempotentParameterMismatchException",
        format!("The ClientRequestToken: {token} you have supplied is already in use."),
    )
}

/// No such job, or its results expired (API reference, GetContentModeration).
pub(super) fn resource_not_found() -> ApiError {
    ApiError::client(
        "ResourceNotFoundException",
        "The resource specified in the request cannot be found.",
    )
}

/// No such page token, or it expired, or it belongs to another request (API reference, GetContentModeration).
pub(super) fn invalid_pagination_token() -> ApiError {
    ApiError::client(
        "InvalidPaginationTokenException",
        "Pagination token in the request is not valid.",
    )
}
