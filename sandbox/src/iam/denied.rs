//! What a role that lacks a permission is told.

use http::{HeaderValue, Method, StatusCode, header};

use crate::wire::{ApiError, Response, body, json_response};

/// A permission that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "User: {session_arn} is not authorized to perform: {action} on resource: {resource} because no identity-based policy allows the {action} action"
)]
pub struct Denied {
    /// The session of the role that called.
    pub session_arn: String,
    /// The action that its policy does not allow.
    pub action: String,
    /// On what.
    pub resource: String,
}

impl Denied {
    /// The answer of a service, in the words of the IAM User Guide ("Troubleshoot access denied error messages"). The codes are those of
    /// the services' API references: "Error responses" of S3, "Common errors" of the others.
    pub(crate) fn response(&self, service: &str, method: &Method, request_id: &str) -> Response {
        let error = |code: &str| ApiError::client(code, self.to_string());
        match service {
            "states" => json_response(
                "application/x-amz-json-1.0",
                request_id,
                Err(error("AccessDeniedException")),
            ),
            "rekognition" => json_response(
                "application/x-amz-json-1.1",
                request_id,
                Err(error("AccessDeniedException")),
            ),
            "sns" => xml(format!(
                "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type>\
                 <Code>AuthorizationError</Code><Message>{self}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
            )),
            // HEAD has no body.
            _ if method == Method::HEAD => xml(String::new()),
            _ => xml(format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code><Message>{self}</Message>\
                 <RequestId>{request_id}</RequestId></Error>"
            )),
        }
    }

    /// As SNS refuses what another service publishes for a role.
    pub(crate) fn of_publish(&self) -> ApiError {
        ApiError {
            status: StatusCode::FORBIDDEN,
            code: "AuthorizationError".to_owned(),
            message: self.to_string(),
        }
    }
}

fn xml(document: String) -> Response {
    let mut response = http::Response::new(body(document));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/xml"),
    );
    response
}
