//! What other SDKs and the AWS CLI put on the wire, request by request.

use std::fmt::Write as _;

use http::{HeaderMap, Request, StatusCode};
use sandbox::aws::Aws;
use sandbox::wire::{self, Body};

use super::{RAW, client, get, s3};

const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261101/us-east-1/s3/aws4_request, \
                             SignedHeaders=host;x-amz-date, Signature=00";

async fn send(aws: &Aws, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let response = aws.handle(request).await;
    let (parts, body) = response.into_parts();
    let body = wire::collect(body).await.unwrap();
    (
        parts.status,
        parts.headers,
        String::from_utf8_lossy(&body).into_owned(),
    )
}

/// botocore since 1.36 and the AWS CLI: unsigned chunks, and the checksum behind them.
#[tokio::test(start_paused = true)]
async fn a_body_with_a_trailing_checksum_is_decoded_and_verified() {
    let (aws, _) = s3();
    let put = |crc32: &str| {
        Request::put(format!("http://127.0.0.1/{RAW}/k"))
            .header("authorization", AUTHORIZATION)
            .header("content-encoding", "gzip, aws-chunked")
            .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .header("x-amz-decoded-content-length", "5")
            .header("x-amz-sdk-checksum-algorithm", "CRC32")
            .header("x-amz-trailer", "x-amz-checksum-crc32")
            .body(wire::body(format!(
                "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{crc32}\r\n\r\n"
            )))
            .unwrap()
    };
    let (status, headers, _) = send(&aws, put("NhCmhg==")).await;
    assert_eq!(status, 200);
    assert_eq!(headers["x-amz-checksum-crc32"], "NhCmhg==");
    assert_eq!(headers["x-amz-checksum-type"], "FULL_OBJECT");
    assert_eq!(headers["x-amz-request-id"].len(), 16);
    let head = client(&aws)
        .head_object()
        .bucket(RAW)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (head.content_encoding(), head.content_length()),
        (Some("gzip"), Some(5))
    );
    let (status, _, body) = send(&aws, put("AAAAAA==")).await;
    assert_eq!(status, 400);
    assert!(body.contains("<Code>BadDigest</Code>"), "{body}");
}

/// Amazon S3 API reference, Signature calculations: transferring payload in multiple chunks.
#[tokio::test(start_paused = true)]
async fn signed_chunks_are_decoded() {
    let (aws, _) = s3();
    let signature = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648";
    let chunks = format!(
        "3;chunk-signature={signature}\r\nhel\r\n2;chunk-signature={signature}\r\nlo\r\n0;chunk-signature={signature}\r\n\r\n"
    );
    let request = |length: &str| {
        Request::put(format!("http://127.0.0.1/{RAW}/k"))
            .header("authorization", AUTHORIZATION)
            .header("content-encoding", "aws-chunked")
            .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
            .header("x-amz-decoded-content-length", length)
            .body(wire::body(chunks.clone()))
            .unwrap()
    };
    assert_eq!(send(&aws, request("5")).await.0, 200);
    let got = client(&aws)
        .get_object()
        .bucket(RAW)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(got.content_encoding(), None);
    assert_eq!(get(&client(&aws), RAW, "k", None).await, b"hello");
    let (status, _, body) = send(&aws, request("6")).await;
    assert_eq!(status, 400);
    assert!(body.contains("<Code>IncompleteBody</Code>"), "{body}");
}

/// An error of the server's would be repeated by every client.
#[tokio::test(start_paused = true)]
async fn xml_in_broken_chunks_is_an_incomplete_body() {
    let (aws, _) = s3();
    let request = Request::put(format!("http://127.0.0.1/{RAW}?versioning"))
        .header("authorization", AUTHORIZATION)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .body(wire::body("<VersioningConfiguration/>"))
        .unwrap();
    let (status, _, body) = send(&aws, request).await;
    assert_eq!(status, 400);
    assert!(body.contains("<Code>IncompleteBody</Code>"), "{body}");
}

/// Amazon S3 API reference, Authenticating requests: using query parameters. Signed headers may be in the query, too.
#[tokio::test(start_paused = true)]
async fn presigned_urls_are_served() {
    let (aws, _) = s3();
    let signature = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261101%2Fus-east-1%2Fs3%2Faws4_request\
                     &X-Amz-Date=20261101T120000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=00";
    let put = Request::put(format!(
        "http://127.0.0.1/{RAW}/k?x-id=PutObject&{signature}&x-amz-meta-labels=a%20b"
    ))
    .body(wire::body("hello"))
    .unwrap();
    assert_eq!(send(&aws, put).await.0, 200);
    let get = Request::get(format!(
        "http://127.0.0.1/{RAW}/k?response-content-type=text%2Fplain&{signature}"
    ))
    .body(wire::body(""))
    .unwrap();
    let (status, headers, body) = send(&aws, get).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "hello"));
    assert_eq!(headers["content-type"], "text/plain");
    assert_eq!(headers["x-amz-meta-labels"], "a b");
    let version_2 =
        "AWSAccessKeyId=AKIDEXAMPLE&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D&Expires=1141889120";
    let get = Request::get(format!("http://127.0.0.1/{RAW}/k?{version_2}"))
        .body(wire::body(""))
        .unwrap();
    assert_eq!(send(&aws, get).await.2, "hello");
}

/// Unknown headers and parameters are refused by name: ignored, they would make a client believe in what did not happen.
#[tokio::test(start_paused = true)]
async fn unknown_headers_and_parameters_are_refused_by_name() {
    let (aws, _) = s3();
    let put = |name: &str| {
        Request::put(format!("http://127.0.0.1/{RAW}/k"))
            .header(name, "1")
            .body(wire::body(""))
            .unwrap()
    };
    for name in [
        "x-amz-object-lock-mode",
        "x-amz-annotation-directive",
        "if-modified-since",
    ] {
        let (status, _, body) = send(&aws, put(name)).await;
        assert_eq!(status, 501);
        assert!(body.contains(&format!("{name} of PutObject")), "{body}");
    }
    for (method, query, expect) in [
        ("GET", "annotations", "annotations of GetObject"),
        ("GET", "torrent", "GetObjectTorrent is not implemented"),
        ("PUT", "partNumber=1", "partNumber of PutObject"),
        ("POST", "restore", "RestoreObject is not implemented"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1/{RAW}/k?{query}"))
            .body(wire::body(""))
            .unwrap();
        let (status, _, body) = send(&aws, request).await;
        assert_eq!(status, 501, "{body}");
        assert!(body.contains(expect), "{body}");
    }
}

/// A HEAD has no body, also not for an error.
#[tokio::test(start_paused = true)]
async fn a_head_has_no_body() {
    let (aws, _) = s3();
    let head = Request::head(format!("http://127.0.0.1/{RAW}/none"))
        .body(wire::body(""))
        .unwrap();
    let (status, _, body) = send(&aws, head).await;
    assert_eq!((status, body.as_str()), (StatusCode::NOT_FOUND, ""));
}

/// The bodies of responses and their headers follow from the seed alone.
#[tokio::test(start_paused = true)]
async fn the_same_requests_get_the_same_responses() {
    let history = async || {
        let (aws, client) = s3();
        for n in 0..10 {
            client
                .put_object()
                .bucket(RAW)
                .key("k")
                .metadata(format!("name-{n}"), "v")
                .metadata("b", "1")
                .metadata("a", "2")
                .send()
                .await
                .unwrap();
        }
        let mut history = String::new();
        for uri in ["k", "?versions", "?list-type=2", "?prefix=none"] {
            let request = Request::get(format!("http://127.0.0.1/{RAW}/{uri}"))
                .body(wire::body(""))
                .unwrap();
            let (status, headers, body) = send(&aws, request).await;
            writeln!(history, "{status} {headers:?} {body}").unwrap();
        }
        history
    };
    assert_eq!(history().await, history().await);
}
