//! Answers that are no answer to the request: what a service says when it cannot, and what the network makes of it.

use aws_smithy_runtime_api::client::result::ConnectorError;
use http::StatusCode;
use serde_json::json;

use crate::wire::{Response, body};

/// Why there is no proper answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The service is at a limit.
    Throttled,
    /// The service failed: HTTP 500.
    Internal,
    /// S3's HTTP 503, "Please reduce your request rate".
    SlowDown,
    /// The connection broke.
    Reset,
    /// A conditional write met another one at the same moment: HTTP 409, ConditionalRequestConflict (S3 user guide, "How to
    /// prevent object overwrites with conditional writes").
    Conflict,
    /// HTTP 200 with an error in its body, as long copies may end (S3 API reference, CopyObject).
    ErrorInSuccess,
    /// The page token of GetContentModeration expired.
    PageExpired,
    /// The request token of StartContentModeration was used with other parameters.
    ParameterMismatch,
    /// The caller lacks a permission.
    Denied,
}

impl Refusal {
    /// The answer as the SDKs get it. `is_xml` is the service's protocol.
    pub(crate) fn answer(self, is_xml: bool) -> Result<Response, ConnectorError> {
        let (status, code) = match self {
            Self::Reset => return Err(ConnectorError::io("connection reset by peer".into())),
            Self::Throttled if is_xml => (StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
            Self::Throttled => (StatusCode::BAD_REQUEST, "ThrottlingException"),
            Self::Internal if is_xml => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"),
            Self::SlowDown => (StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
            Self::Conflict => (StatusCode::CONFLICT, "ConditionalRequestConflict"),
            Self::ErrorInSuccess => (StatusCode::OK, "InternalError"),
            Self::PageExpired => (StatusCode::BAD_REQUEST, "InvalidPaginationTokenException"),
            Self::ParameterMismatch => (
                StatusCode::BAD_REQUEST,
                "IdempotentParameterMismatchException",
            ),
            Self::Denied if is_xml => (StatusCode::FORBIDDEN, "AccessDenied"),
            Self::Denied => (StatusCode::BAD_REQUEST, "AccessDeniedException"),
        };
        let document = if is_xml {
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>an injected fault</Message></Error>"
            )
        } else {
            json!({"__type": code, "message": "an injected fault"}).to_string()
        };
        let mut response = http::Response::new(body(document));
        *response.status_mut() = status;
        Ok(response)
    }
}
