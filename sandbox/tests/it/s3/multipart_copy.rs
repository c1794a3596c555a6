//! Multipart copies.

use std::collections::BTreeMap;

use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;

use super::multipart::{part, parts, start};
use super::{LEDGER, RAW, put, refused, s3};

/// Amazon S3 API reference, UploadPartCopy: ranges, versions and preconditions of the source. More than 5 GB are
/// copied so; nothing but tags, metadata and type that the creation names comes along.
#[tokio::test(start_paused = true)]
async fn a_large_object_is_copied_in_parts_of_its_pinned_version() {
    let (aws, client) = s3();
    let size_bytes: u64 = (10 << 30) + 5;
    let metadata = BTreeMap::from([("labels".to_owned(), "none".to_owned())]);
    let version = aws
        .s3
        .put_synthetic(
            RAW,
            "large",
            Bytes::from_static(b"ftyp"),
            size_bytes,
            metadata,
        )
        .unwrap()
        .unwrap();
    put(&client, RAW, "large", b"overwritten").await;
    let etag = aws.s3.head(RAW, "large", Some(&version)).unwrap().etag;
    let id = start(&client, "copy").await;
    let copy = |number: i32| {
        client
            .upload_part_copy()
            .bucket(RAW)
            .key("copy")
            .upload_id(&id)
            .part_number(number)
            .copy_source(format!("{RAW}/large?versionId={version}"))
    };
    refused(copy(1).send().await, 400, "InvalidRequest");
    refused(
        copy(1)
            .copy_source_range(format!("bytes=0-{size_bytes}"))
            .send()
            .await,
        400,
        "InvalidArgument",
    );
    refused(
        copy(1)
            .copy_source_range("bytes=0-9")
            .copy_source_if_match("\"other\"")
            .send()
            .await,
        412,
        "PreconditionFailed",
    );
    let mut done = Vec::new();
    for (number, first) in (1..).zip((0..size_bytes).step_by(3 << 30)) {
        let last = (first + (3 << 30)).min(size_bytes) - 1;
        let output = copy(number)
            .copy_source_range(format!("bytes={first}-{last}"))
            .copy_source_if_match(format!("\"{etag}\""))
            .send()
            .await
            .unwrap();
        assert_eq!(output.copy_source_version_id(), Some(version.as_str()));
        let etag = output.copy_part_result().unwrap().e_tag().unwrap();
        done.push(
            CompletedPart::builder()
                .part_number(number)
                .e_tag(etag)
                .build(),
        );
    }
    client
        .complete_multipart_upload()
        .bucket(RAW)
        .key("copy")
        .upload_id(&id)
        .multipart_upload(parts(done))
        .send()
        .await
        .unwrap();
    let info = aws.s3.head(RAW, "copy", None).unwrap();
    assert_eq!(info.size_bytes, size_bytes);
    assert!(info.etag.ends_with("-4"));
    assert!(info.metadata.is_empty());
    assert_eq!(
        aws.s3.read(RAW, "copy", None, 0, 6).unwrap(),
        &b"ftyp\0\0"[..]
    );
    assert_eq!(
        aws.s3.read(RAW, "copy", None, size_bytes - 3, 10).unwrap(),
        &b"\0\0\0"[..]
    );
}

/// Amazon S3 API reference, UploadPartCopy, InvalidRequest: ranges are for sources above 5 MB.
#[tokio::test(start_paused = true)]
async fn a_small_source_is_copied_as_a_whole_part() {
    let (_, client) = s3();
    put(&client, RAW, "small", b"hello").await;
    let id = start(&client, "copy").await;
    let copy = || {
        client
            .upload_part_copy()
            .bucket(RAW)
            .key("copy")
            .upload_id(&id)
            .part_number(1)
            .copy_source(format!("{RAW}/small"))
    };
    refused(
        copy().copy_source_range("bytes=0-3").send().await,
        400,
        "InvalidRequest",
    );
    copy().send().await.unwrap();
    refused(
        copy().part_number(10_001).send().await,
        400,
        "InvalidArgument",
    );
}

/// Amazon S3 API reference, CopyObject: the ETag of a copy is that of one part, also if its source had several.
#[tokio::test(start_paused = true)]
async fn a_copy_of_a_multipart_object_has_the_etag_of_one_part() {
    let (aws, client) = s3();
    let id = start(&client, "k").await;
    let only = part(&client, "k", &id, 1, b"hello".to_vec()).await;
    client
        .complete_multipart_upload()
        .bucket(RAW)
        .key("k")
        .upload_id(&id)
        .multipart_upload(parts([only]))
        .send()
        .await
        .unwrap();
    assert!(aws.s3.head(RAW, "k", None).unwrap().etag.ends_with("-1"));
    client
        .copy_object()
        .bucket(LEDGER)
        .key("copy")
        .copy_source(format!("{RAW}/k"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        aws.s3.head(LEDGER, "copy", None).unwrap().etag,
        "5d41402abc4b2a76b9719d911017c592"
    );
}
