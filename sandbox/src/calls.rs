//! Counts of all calls, by service and operation: what a workload cost, and what an idle gate did not do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures::stream;
use http::header;
use http_body_util::{BodyExt as _, StreamBody};

use crate::wire::{Body, Request, body, collect};

/// Number of calls by the name that the service signs with (`s3`, `states`, …) and the operation.
///
/// Operations of S3, which requests do not name, are called by method, kind of resource and subresource: `GET object`, `PUT object?tagging`.
pub type CallCounts = BTreeMap<(String, String), u64>;

/// Query parameters that make a request to S3 another operation (S3 API reference, the request syntax of each).
const SUBRESOURCES: [&str; 7] = [
    "versions",
    "versioning",
    "uploads",
    "uploadId",
    "tagging",
    "delete",
    "location",
];

/// The counter.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<CallCounts>);

impl Calls {
    /// Counts a call.
    pub(crate) fn count(&self, service: &str, operation: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let call = (service.to_owned(), operation.to_owned());
        *counts.entry(call).or_default() += 1;
    }

    /// All that was counted so far.
    pub(crate) fn counts(&self) -> CallCounts {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The operation that a request is for, and the request: a form has to be read for the operation that it names.
pub(crate) async fn operation(service: &str, request: Request) -> (String, Request) {
    match service {
        "s3" => (s3_operation(&request), request),
        _ => named_operation(request).await,
    }
}

/// The operation as AWS JSON names it in a header, AWS Query in its form, and REST by method and path.
async fn named_operation(request: Request) -> (String, Request) {
    if let Some(target) = request.headers().get("x-amz-target") {
        let target = String::from_utf8_lossy(target.as_bytes());
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        return (operation, request);
    }
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| {
            kind.as_bytes()
                .starts_with(b"application/x-www-form-urlencoded")
        });
    if !is_form {
        let operation = format!("{} {}", request.method(), request.uri().path());
        return (operation, request);
    }
    let (parts, content) = request.into_parts();
    match collect(content).await {
        Ok(form) => (action(&form), Request::from_parts(parts, body(form))),
        // The service finds the same broken body.
        Err(error) => {
            let broken: Body = StreamBody::new(stream::iter([Err(error)])).boxed();
            (String::new(), Request::from_parts(parts, broken))
        }
    }
}

fn action(form: &Bytes) -> String {
    serde_urlencoded::from_bytes::<Vec<(String, String)>>(form)
        .unwrap_or_default()
        .into_iter()
        .find(|(name, _)| name == "Action")
        .map(|(_, action)| action)
        .unwrap_or_default()
}

fn s3_operation(request: &Request) -> String {
    let path = request.uri().path().trim_start_matches('/');
    let resource = match path.split_once('/') {
        Some((_, key)) if !key.is_empty() => "object",
        _ if path.is_empty() => "buckets",
        _ => "bucket",
    };
    let query = request.uri().query().unwrap_or_default();
    let names = query
        .split('&')
        .map(|parameter| parameter.split('=').next().unwrap_or_default());
    let subresource = names
        .filter(|name| SUBRESOURCES.contains(name))
        .map(|name| format!("?{name}"))
        .next()
        .unwrap_or_default();
    let copy = if request.headers().contains_key("x-amz-copy-source") {
        " (copy)"
    } else {
        ""
    };
    format!("{} {resource}{subresource}{copy}", request.method())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_s3(method: &str, uri: &str, operation: &str) {
        let request = http::Request::builder().method(method).uri(uri);
        assert_eq!(s3_operation(&request.body(body("")).unwrap()), operation);
    }

    #[test]
    fn requests_to_s3_go_by_method_resource_and_subresource() {
        check_s3("GET", "/", "GET buckets");
        check_s3("GET", "/b?list-type=2&prefix=jobs%2F", "GET bucket");
        check_s3("GET", "/b/?versions&max-keys=2", "GET bucket?versions");
        check_s3("PUT", "/b/k/versions?x-id=PutObject", "PUT object");
        check_s3("PUT", "/b/k?tagging&versionId=1", "PUT object?tagging");
        check_s3("PUT", "/b/k?partNumber=1&uploadId=2", "PUT object?uploadId");
    }

    #[tokio::test]
    async fn a_form_is_whole_after_its_operation_was_read() {
        let form = "Action=Publish&Message=x";
        let request = http::Request::builder()
            .method("POST")
            .header(
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            )
            .body(body(form))
            .unwrap();
        let (operation, request) = operation("sns", request).await;
        assert_eq!(collect(request.into_body()).await.unwrap(), form);
        assert_eq!(operation, "Publish");
    }

    #[tokio::test]
    async fn json_operations_go_by_their_target() {
        let calls = Calls::default();
        for _ in 0..2 {
            let request = http::Request::builder()
                .header("x-amz-target", "AWSStepFunctions.GetActivityTask")
                .body(body("{}"))
                .unwrap();
            let (operation, _) = operation("states", request).await;
            calls.count("states", &operation);
        }
        let key = ("states".to_owned(), "GetActivityTask".to_owned());
        assert_eq!(calls.counts(), BTreeMap::from([(key, 2)]));
    }
}
