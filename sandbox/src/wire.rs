//! HTTP as the services see it, and the JSON error shape that most of them share.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

/// Whatever a body's source can fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request or response body: S3 streams, the other services collect.
pub type Body = http_body_util::combinators::BoxBody<Bytes, BoxError>;

/// A request as it came off the wire, whichever front end brought it.
pub type Request = http::Request<Body>;

/// A response on its way out.
pub type Response = http::Response<Body>;

/// A body held in memory.
#[must_use]
pub fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed()
}

/// The whole body of a request.
///
/// # Errors
/// When the client's connection breaks before the body ended.
pub async fn collect(body: Body) -> Result<Bytes, BoxError> {
    Ok(body.collect().await?.to_bytes())
}

/// An error that a service answers with: the HTTP status, the code that SDKs match on, and the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// The error's code, for example `ExecutionDoesNotExist`.
    pub code: String,
    /// The message, worded as AWS words it where a source tells.
    pub message: String,
}

impl ApiError {
    /// An error of the client's: HTTP 400.
    #[must_use]
    pub fn client(code: &str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// What an operation, parameter or field that the sandbox does not implement is refused with.
    #[must_use]
    pub fn not_implemented(what: &str) -> Self {
        Self {
            status: StatusCode::NOT_IMPLEMENTED,
            code: "NotImplemented".to_owned(),
            message: format!("the sandbox does not implement {what}"),
        }
    }
}

/// The answer of an AWS JSON 1.0 or 1.1 operation. `content_type` is `application/x-amz-json-1.0` or `-1.1`.
#[must_use]
pub fn json_response(
    content_type: &'static str,
    request_id: &str,
    result: Result<Value, ApiError>,
) -> Response {
    let (status, value) = match result {
        Ok(value) => (StatusCode::OK, value),
        Err(error) => (
            error.status,
            json!({"__type": error.code, "message": error.message}),
        ),
    };
    let mut response = http::Response::new(body(value.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
