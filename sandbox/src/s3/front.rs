//! Between the wire and the protocol library: signatures are taken off unverified, `aws-chunked` is decoded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::BodyExt as _;
use s3s::HttpRequest;

use crate::wire::{self, Body, BoxError, Request, Response};

use super::chunked::{ChunkedBody, Trailers};

const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");

/// Amazon S3 API reference, Error responses.
const INCOMPLETE_BODY: &str =
    r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>IncompleteBody</Code></Error>"#;

/// Whether a request's body ended in an error.
#[derive(Debug, Clone, Default)]
pub(super) struct Broken(Arc<AtomicBool>);

/// The request as the protocol library takes it, and what will be known of its body once it was read.
pub(super) fn open(request: Request) -> (HttpRequest, Broken) {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(AUTHORIZATION);
    unsign_query(&mut parts);
    decode_copy_source(&mut parts.headers);
    let broken = Broken::default();
    let seen = broken.clone();
    let body = decode_body(&mut parts, body).map_err(move |error| {
        seen.0.store(true, Ordering::Relaxed);
        error
    });
    let request = http::Request::from_parts(parts, s3s::Body::http_body(body));
    (request, broken)
}

/// Removes a presigned URL's signature, of Version 4 or, which boto3 still makes by default, Version 2. What such a URL
/// otherwise holds in `x-amz-` parameters are headers (Amazon S3 API reference, Authenticating requests: using query
/// parameters; Signing and authenticating REST requests (version 2)).
fn unsign_query(parts: &mut Parts) {
    let Some(query) = parts.uri.query() else {
        return;
    };
    if !query.contains("X-Amz-Signature=") && !query.contains("AWSAccessKeyId=") {
        return;
    }
    let mut kept = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name.starts_with("X-Amz-") || matches!(name, "AWSAccessKeyId" | "Expires" | "Signature")
        {
            continue;
        }
        let header = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .filter(|name| name.as_str().starts_with("x-amz-"))
            .zip(
                percent_encoding::percent_decode_str(value)
                    .decode_utf8()
                    .ok()
                    .and_then(|value| HeaderValue::from_str(&value).ok()),
            );
        match header {
            Some((name, value)) => {
                parts.headers.insert(name, value);
            }
            None => kept.push(pair),
        }
    }
    let path_and_query = format!("{}?{}", parts.uri.path(), kept.join("&"));
    let mut uri = parts.uri.clone().into_parts();
    uri.path_and_query = path_and_query.parse().ok();
    if let Ok(uri) = Uri::from_parts(uri) {
        parts.uri = uri;
    }
}

/// A `+` in a copy source is a space: S3 form-decodes the header, the library only percent-decodes it.
fn decode_copy_source(headers: &mut HeaderMap) {
    if let Some(source) = headers.get_mut(COPY_SOURCE)
        && let Ok(text) = source.to_str()
        && let Ok(decoded) = HeaderValue::from_str(&text.replace('+', "%20"))
    {
        *source = decoded;
    }
}

/// Takes off the `aws-chunked` encoding, and makes the headers those of the payload.
fn decode_body(parts: &mut Parts, body: Body) -> Body {
    let streaming = parts
        .headers
        .get(CONTENT_SHA256)
        .is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-"));
    if !streaming {
        return body;
    }
    match parts.headers.remove(DECODED_LENGTH) {
        Some(length) => parts.headers.insert(CONTENT_LENGTH, length),
        None => parts.headers.remove(CONTENT_LENGTH),
    };
    if let Some(encoding) = parts.headers.remove(CONTENT_ENCODING) {
        let rest: Vec<&str> = encoding
            .to_str()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|coding| *coding != "aws-chunked")
            .collect();
        if let Ok(rest) = HeaderValue::from_str(&rest.join(","))
            && !rest.is_empty()
        {
            parts.headers.insert(CONTENT_ENCODING, rest);
        }
    }
    let trailers = Trailers::default();
    parts.extensions.insert(trailers.clone());
    ChunkedBody::new(body, trailers).boxed()
}

/// Marks a response whose body is an object's bytes, and so nobody's to change.
#[derive(Debug, Clone, Copy)]
pub(super) struct ObjectBytes;

/// The library's answer as it goes on the wire: no body where HTTP has none, control characters in XML as references,
/// and the ids that support asks for. The library takes a broken body for an error of its own, which clients would repeat.
pub(super) async fn close(
    method: &Method,
    response: Result<s3s::HttpResponse, s3s::HttpError>,
    broken: &Broken,
    request_id: &str,
    host_id: &str,
) -> Response {
    let mut response = match response {
        Ok(response) => response.map(|body| body.map_err(BoxError::from).boxed()),
        Err(error) => {
            let error = BoxError::from(error);
            let mut response = http::Response::new(wire::body(error.to_string()));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    };
    if broken.0.load(Ordering::Relaxed) && response.status().is_server_error() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        *response.body_mut() = wire::body(INCOMPLETE_BODY);
    }
    if *method == Method::HEAD || response.status() == StatusCode::NOT_MODIFIED {
        *response.body_mut() = wire::body("");
    } else if response.extensions().get::<ObjectBytes>().is_none() {
        let body = std::mem::replace(response.body_mut(), wire::body(""));
        if let Ok(bytes) = wire::collect(body).await {
            *response.body_mut() = wire::body(escape_controls(bytes));
        }
    }
    for (name, id) in [("x-amz-request-id", request_id), ("x-amz-id-2", host_id)] {
        if let Ok(id) = HeaderValue::from_str(id) {
            response.headers_mut().insert(name, id);
        }
    }
    response
}

/// XML with the control characters of keys as references. Raw ones would change on the way (a carriage return becomes a
/// line feed); references to most of them XML 1.0 forbids, so that strict parsers refuse the answer. That is why keys with
/// control characters are listed with `encoding-type=url` (Amazon S3 API reference, ListObjectsV2, EncodingType). The
/// library itself writes none between elements.
fn escape_controls(xml: Bytes) -> Bytes {
    let is_control = |byte: &u8| *byte < b' ';
    if !xml.iter().any(is_control) {
        return xml;
    }
    let mut escaped = Vec::with_capacity(xml.len() + 16);
    for byte in &xml {
        if is_control(byte) {
            escaped.extend_from_slice(format!("&#x{byte:x};").as_bytes());
        } else {
            escaped.push(*byte);
        }
    }
    escaped.into()
}
