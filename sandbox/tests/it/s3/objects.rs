//! Objects: content, metadata, ranges, large bodies.

use std::collections::BTreeMap;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ServerSideEncryption, StorageClass};
use bytes::Bytes;
use sandbox::aws::AwsConfig;

use super::{LEDGER, RAW, client, get, put, refused, s3};
use crate::support;

/// Amazon S3 API reference, PutObject and GetObject; the ETag of a single part is its MD5 (Common response headers).
#[tokio::test(start_paused = true)]
async fn an_object_comes_back_with_everything_that_was_said_about_it() {
    let (_, client) = s3();
    let put = client
        .put_object()
        .bucket(RAW)
        .key("clip.mp4")
        .body(ByteStream::from_static(b"hello"))
        .content_type("video/mp4")
        .cache_control("no-store")
        .content_disposition("attachment; filename=\"a b.mp4\"")
        .content_encoding("identity")
        .content_language("de")
        .metadata("labels", "Violence:97.5@1.2-4.0")
        .metadata("Title", "plain")
        .server_side_encryption(ServerSideEncryption::Aes256)
        .send()
        .await
        .unwrap();
    assert_eq!(put.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(put.version_id().unwrap().len(), 32);
    let got = client
        .get_object()
        .bucket(RAW)
        .key("clip.mp4")
        .send()
        .await
        .unwrap();
    assert_eq!(got.version_id(), put.version_id());
    assert_eq!(got.e_tag(), put.e_tag());
    assert_eq!(got.content_length(), Some(5));
    assert_eq!(got.content_type(), Some("video/mp4"));
    assert_eq!(got.cache_control(), Some("no-store"));
    assert_eq!(
        got.content_disposition(),
        Some("attachment; filename=\"a b.mp4\"")
    );
    assert_eq!(got.content_encoding(), Some("identity"));
    assert_eq!(got.content_language(), Some("de"));
    assert_eq!(
        got.server_side_encryption(),
        Some(&ServerSideEncryption::Aes256)
    );
    assert_eq!(got.accept_ranges(), Some("bytes"));
    let metadata: BTreeMap<_, _> = got.metadata().unwrap().clone().into_iter().collect();
    let expect = [("labels", "Violence:97.5@1.2-4.0"), ("title", "plain")];
    assert!(
        metadata
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .eq(expect)
    );
    assert_eq!(got.last_modified().unwrap().secs(), 1_793_534_400);
    assert_eq!(got.last_modified().unwrap().subsec_nanos(), 0);
    let head = client
        .head_object()
        .bucket(RAW)
        .key("clip.mp4")
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(head.content_type(), Some("video/mp4"));
    assert_eq!(head.metadata(), got.metadata());
    assert_eq!(head.version_id(), got.version_id());
}

/// Amazon S3 API reference, PutObject: an object without a Content-Type is `binary/octet-stream`.
#[tokio::test(start_paused = true)]
async fn an_object_without_a_type_is_binary() {
    let (aws, _) = s3();
    let request = http::Request::put(format!("http://s3/{RAW}/k"))
        .body(sandbox::wire::body("x"))
        .unwrap();
    assert_eq!(aws.handle(request).await.status(), 200);
    let head = client(&aws)
        .head_object()
        .bucket(RAW)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_type(), Some("binary/octet-stream"));
}

/// Amazon S3 API reference, GetObject, Range; RFC 9110, 14.1.2.
#[tokio::test(start_paused = true)]
async fn ranges_are_served_at_the_start_the_end_and_in_between() {
    let (_, client) = s3();
    put(&client, RAW, "k", b"0123456789").await;
    for (range, expect, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=4-", "456789", "bytes 4-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
        ("bytes=-100", "0123456789", "bytes 0-9/10"),
    ] {
        let got = client
            .get_object()
            .bucket(RAW)
            .key("k")
            .range(range)
            .send()
            .await
            .unwrap();
        assert_eq!(got.content_range(), Some(content_range));
        assert_eq!(
            got.body.collect().await.unwrap().to_vec(),
            expect.as_bytes()
        );
    }
    let beyond = client
        .get_object()
        .bucket(RAW)
        .key("k")
        .range("bytes=10-")
        .send()
        .await;
    refused(beyond, 416, "InvalidRange");
}

/// Amazon S3 API reference, Error responses: NoSuchKey, NoSuchBucket. A HEAD has no body to hold a code.
#[tokio::test(start_paused = true)]
async fn what_is_missing_is_404() {
    let (_, client) = s3();
    refused(
        client.get_object().bucket(RAW).key("k").send().await,
        404,
        "NoSuchKey",
    );
    refused(
        client.get_object().bucket("no-such").key("k").send().await,
        404,
        "NoSuchBucket",
    );
    refused(
        client.head_object().bucket(RAW).key("k").send().await,
        404,
        "NotFound",
    );
    let put = client.put_object().bucket("no-such").key("k").send().await;
    refused(put, 404, "NoSuchBucket");
}

/// Amazon S3 User Guide, Working with object metadata: 2 KB of names and values.
#[tokio::test(start_paused = true)]
async fn user_metadata_is_limited_to_2_kb() {
    let (_, client) = s3();
    let put = |bytes: usize| {
        client
            .put_object()
            .bucket(RAW)
            .key("k")
            .metadata("n", "v".repeat(bytes))
            .send()
    };
    put(2047).await.unwrap();
    refused(put(2048).await, 400, "MetadataTooLarge");
}

#[tokio::test(start_paused = true)]
async fn metadata_beyond_ascii_comes_back() {
    let (aws, client) = s3();
    client
        .put_object()
        .bucket(RAW)
        .key("k")
        .metadata("title", "Überfall")
        .send()
        .await
        .unwrap();
    let info = aws.s3.head(RAW, "k", None).unwrap();
    assert_eq!(info.metadata["title"], "Überfall");
}

/// Bodies above the limit go to a file and stream from it.
#[tokio::test(start_paused = true)]
async fn large_bodies_spill_to_a_file_and_come_back() {
    let aws = support::aws_with(&AwsConfig {
        spill_bytes: 1000,
        ..AwsConfig::default()
    });
    aws.s3.create_bucket(LEDGER, false, None);
    let client = client(&aws);
    let body: Bytes = (0..700_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    client
        .put_object()
        .bucket(LEDGER)
        .key("k")
        .body(body.clone().into())
        .send()
        .await
        .unwrap();
    assert_eq!(get(&client, LEDGER, "k", None).await, body);
    assert_eq!(
        aws.s3.read(LEDGER, "k", None, 300_000, 5).unwrap(),
        body[300_000..300_005]
    );
    assert_eq!(aws.s3.read(LEDGER, "k", None, 699_999, 5).unwrap().len(), 1);
    assert_eq!(aws.s3.read(LEDGER, "k", None, 700_001, 5).unwrap().len(), 0);
}

/// Amazon S3 User Guide, Checking object integrity: verified on upload, returned on request, for each algorithm.
#[tokio::test(start_paused = true)]
async fn checksums_are_verified_kept_and_returned() {
    let (_, client) = s3();
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        client
            .put_object()
            .bucket(RAW)
            .key("k")
            .checksum_algorithm(algorithm.clone())
            .body(ByteStream::from_static(b"hello"))
            .send()
            .await
            .unwrap();
        let head = client
            .head_object()
            .bucket(RAW)
            .key("k")
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .unwrap();
        let sums = [
            head.checksum_crc32(),
            head.checksum_crc32_c(),
            head.checksum_crc64_nvme(),
            head.checksum_sha1(),
            head.checksum_sha256(),
        ];
        let expect = match algorithm {
            ChecksumAlgorithm::Crc32 => [Some("NhCmhg=="), None, None, None, None],
            ChecksumAlgorithm::Crc32C => [None, Some("mnG7TA=="), None, None, None],
            ChecksumAlgorithm::Crc64Nvme => [None, None, Some("M3eFcAZSQlc="), None, None],
            ChecksumAlgorithm::Sha1 => {
                [None, None, None, Some("qvTGHdzF6KLavt4PO0gs2a6pQ00="), None]
            }
            _ => [
                None,
                None,
                None,
                None,
                Some("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
            ],
        };
        assert_eq!(sums, expect);
        // The SDK compares what it reads with the checksum that comes along.
        assert_eq!(get(&client, RAW, "k", None).await, b"hello");
    }
    let wrong = client
        .put_object()
        .bucket(RAW)
        .key("k")
        .checksum_crc32("AAAAAA==")
        .body(ByteStream::from_static(b"hello"))
        .send()
        .await;
    refused(wrong, 400, "BadDigest");
    let wrong = client
        .put_object()
        .bucket(RAW)
        .key("k")
        .content_md5("AAAAAAAAAAAAAAAAAAAAAA==")
        .body(ByteStream::from_static(b"hello"))
        .send()
        .await;
    refused(wrong, 400, "BadDigest");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_implemented_is_refused_by_name() {
    let (_, client) = s3();
    let put = || client.put_object().bucket(RAW).key("k");
    refused(
        put()
            .acl(aws_sdk_s3::types::ObjectCannedAcl::PublicRead)
            .send()
            .await,
        400,
        "AccessControlListNotSupported",
    );
    put()
        .acl(aws_sdk_s3::types::ObjectCannedAcl::BucketOwnerFullControl)
        .send()
        .await
        .unwrap();
    let error = put()
        .storage_class(StorageClass::Glacier)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(
        error.meta().message(),
        Some("the sandbox does not implement x-amz-storage-class: GLACIER")
    );
    let error = put()
        .sse_customer_algorithm("AES256")
        .sse_customer_key("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
        .sse_customer_key_md5("dnF5x6K/8ZZRzpfSlMMM+w==")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(
        error
            .meta()
            .message()
            .unwrap()
            .contains("x-amz-server-side-encryption-customer-")
    );
    let error = client
        .get_object()
        .bucket(RAW)
        .key("k")
        .part_number(1)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(
        error.meta().message(),
        Some("the sandbox does not implement partNumber of GetObject")
    );
    refused(
        client.get_object_acl().bucket(RAW).key("k").send().await,
        501,
        "NotImplemented",
    );
}
