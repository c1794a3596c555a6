//! The errors that S3 answers with, worded as S3 words them (Amazon S3 API reference, Error responses, and the
//! descriptions of the operations).

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use s3s::{S3Error, S3ErrorCode};

use crate::wire::ApiError;

use super::store::Version;

/// Part sizes, single PUTs and single copies end here: 5 GiB (Amazon S3 User Guide, Multipart upload limits).
pub(super) const SINGLE_MAX_BYTES: u64 = 5 << 30;

pub(super) fn error(code: S3ErrorCode, message: &'static str) -> S3Error {
    S3Error::with_message(code, message)
}

pub(super) fn no_such_bucket() -> S3Error {
    error(
        S3ErrorCode::NoSuchBucket,
        "The specified bucket does not exist",
    )
}

pub(super) fn no_such_key() -> S3Error {
    error(S3ErrorCode::NoSuchKey, "The specified key does not exist.")
}

pub(super) fn no_such_version() -> S3Error {
    error(
        S3ErrorCode::NoSuchVersion,
        "The specified version does not exist.",
    )
}

pub(super) fn no_such_upload() -> S3Error {
    error(
        S3ErrorCode::NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
         completed.",
    )
}

pub(super) fn precondition_failed() -> S3Error {
    error(
        S3ErrorCode::PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold",
    )
}

pub(super) fn not_modified() -> S3Error {
    error(S3ErrorCode::NotModified, "Not Modified")
}

pub(super) fn invalid_argument(message: impl Into<String>) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidArgument, message.into())
}

pub(super) fn invalid_request(message: impl Into<String>) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidRequest, message.into())
}

/// A copy source, or a range of one, beyond what one request may copy.
pub(super) fn copy_source_too_large() -> S3Error {
    invalid_request(format!(
        "The specified copy source is larger than the maximum allowable size for a copy source: {SINGLE_MAX_BYTES}"
    ))
}

/// What an operation, parameter or value that the sandbox does not implement is refused with.
pub(super) fn not_implemented(what: &str) -> S3Error {
    let ApiError { message, .. } = ApiError::not_implemented(what);
    S3Error::with_message(S3ErrorCode::NotImplemented, message)
}

/// The current version is a delete marker: the key is treated as missing, and the headers say why.
pub(super) fn deleted(marker: &Version) -> S3Error {
    with_marker_headers(no_such_key(), marker)
}

/// A delete marker was asked for by its version: it has no content (Amazon S3 User Guide, Working with delete
/// markers).
pub(super) fn is_delete_marker(marker: &Version) -> S3Error {
    with_marker_headers(
        error(
            S3ErrorCode::MethodNotAllowed,
            "The specified method is not allowed against this resource.",
        ),
        marker,
    )
}

fn with_marker_headers(mut error: S3Error, marker: &Version) -> S3Error {
    let mut headers = HeaderMap::new();
    headers.insert(
        HeaderName::from_static("x-amz-delete-marker"),
        HeaderValue::from_static("true"),
    );
    if let Ok(id) = HeaderValue::from_str(&marker.id) {
        headers.insert(HeaderName::from_static("x-amz-version-id"), id);
    }
    if error.code() == &S3ErrorCode::MethodNotAllowed {
        headers.insert(http::header::ALLOW, HeaderValue::from_static("DELETE"));
    }
    headers.insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/xml"),
    );
    error.set_headers(headers);
    error
}

/// The disk let the sandbox down.
pub(super) fn storage(source: std::io::Error) -> S3Error {
    S3Error::with_source(S3ErrorCode::InternalError, Box::new(source))
}

/// The same error, for callers inside the sandbox.
pub(super) fn api_error(error: &S3Error) -> ApiError {
    ApiError {
        status: error
            .status_code()
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        code: error.code().as_str().to_owned(),
        message: error.message().unwrap_or_default().to_owned(),
    }
}
