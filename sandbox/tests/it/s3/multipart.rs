//! Multipart uploads.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart};

use super::{RAW, get, put, refused, s3};

const MIB: usize = 1 << 20;

pub(super) async fn start(client: &Client, key: &str) -> String {
    let output = client
        .create_multipart_upload()
        .bucket(RAW)
        .key(key)
        .send()
        .await
        .unwrap();
    output.upload_id().unwrap().to_owned()
}

pub(super) async fn part(
    client: &Client,
    key: &str,
    upload_id: &str,
    number: i32,
    body: Vec<u8>,
) -> CompletedPart {
    let output = client
        .upload_part()
        .bucket(RAW)
        .key(key)
        .upload_id(upload_id)
        .part_number(number)
        .body(body.into())
        .send()
        .await
        .unwrap();
    CompletedPart::builder()
        .part_number(number)
        .e_tag(output.e_tag().unwrap())
        .build()
}

pub(super) fn parts(parts: impl IntoIterator<Item = CompletedPart>) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder()
        .set_parts(Some(parts.into_iter().collect()))
        .build()
}

/// Amazon S3 User Guide, Uploading and copying objects using multipart upload; the ETag is the MD5 of the parts' MD5s
/// and their number.
#[tokio::test(start_paused = true)]
async fn an_upload_in_parts_becomes_one_object() {
    let (_, client) = s3();
    let upload = client
        .create_multipart_upload()
        .bucket(RAW)
        .key("k")
        .content_type("video/mp4")
        .metadata("labels", "none")
        .tagging("team=red")
        .send()
        .await
        .unwrap();
    let id = upload.upload_id().unwrap();
    let second = part(&client, "k", id, 7, b"end".to_vec()).await;
    let first = part(&client, "k", id, 2, vec![0; 5 * MIB]).await;
    let listed = client
        .list_parts()
        .bucket(RAW)
        .key("k")
        .upload_id(id)
        .send()
        .await
        .unwrap();
    let sizes: Vec<_> = listed
        .parts()
        .iter()
        .map(|part| (part.part_number(), part.size()))
        .collect();
    assert_eq!(sizes, [(Some(2), Some(5 * 1_048_576)), (Some(7), Some(3))]);
    let done = client
        .complete_multipart_upload()
        .bucket(RAW)
        .key("k")
        .upload_id(id)
        .multipart_upload(parts([first, second]))
        .send()
        .await
        .unwrap();
    // md5(md5(5 MiB of zeros) ++ md5("end")), by md5sum.
    assert_eq!(done.e_tag(), Some("\"76b2438ee89d0d54dbb3eb6005874976-2\""));
    let got = client
        .get_object()
        .bucket(RAW)
        .key("k")
        .version_id(done.version_id().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(got.content_type(), Some("video/mp4"));
    assert_eq!(got.metadata().unwrap()["labels"], "none");
    assert_eq!(got.tag_count(), Some(1));
    let body = got.body.collect().await.unwrap().to_vec();
    assert_eq!(body.len(), 5 * MIB + 3);
    assert!(body.ends_with(b"\0end"));
    refused(
        client
            .list_parts()
            .bucket(RAW)
            .key("k")
            .upload_id(id)
            .send()
            .await,
        404,
        "NoSuchUpload",
    );
}

/// Amazon S3 API reference, CompleteMultipartUpload, Errors.
#[tokio::test(start_paused = true)]
async fn an_upload_is_completed_only_of_parts_that_fit() {
    let (_, client) = s3();
    let id = start(&client, "k").await;
    let one = part(&client, "k", &id, 1, vec![1; 10]).await;
    let two = part(&client, "k", &id, 2, vec![2; 10]).await;
    let complete = |upload| {
        client
            .complete_multipart_upload()
            .bucket(RAW)
            .key("k")
            .upload_id(&id)
            .multipart_upload(upload)
            .send()
    };
    refused(
        complete(parts([one.clone(), two.clone()])).await,
        400,
        "EntityTooSmall",
    );
    refused(
        complete(parts([two.clone(), one.clone()])).await,
        400,
        "InvalidPartOrder",
    );
    let wrong = CompletedPart::builder()
        .part_number(1)
        .e_tag(two.e_tag().unwrap())
        .build();
    refused(complete(parts([wrong])).await, 400, "InvalidPart");
    let absent = CompletedPart::builder()
        .part_number(3)
        .e_tag(two.e_tag().unwrap())
        .build();
    refused(complete(parts([absent])).await, 400, "InvalidPart");
    let size = client
        .complete_multipart_upload()
        .bucket(RAW)
        .key("k")
        .upload_id(&id)
        .multipart_upload(parts([one.clone()]))
        .mpu_object_size(11)
        .send()
        .await;
    refused(size, 400, "InvalidRequest");
    complete(parts([two])).await.unwrap();
    assert_eq!(get(&client, RAW, "k", None).await, [2; 10]);
    refused(complete(parts([one])).await, 404, "NoSuchUpload");
}

/// Amazon S3 API reference, CompleteMultipartUpload: If-None-Match and If-Match; after a 412 the upload is still there.
#[tokio::test(start_paused = true)]
async fn a_completion_depends_on_what_is_at_its_key() {
    let (_, client) = s3();
    let (_, etag) = put(&client, RAW, "k", b"1").await;
    let id = start(&client, "k").await;
    let only = part(&client, "k", &id, 1, vec![1; 10]).await;
    let complete = || {
        client
            .complete_multipart_upload()
            .bucket(RAW)
            .key("k")
            .upload_id(&id)
            .multipart_upload(parts([only.clone()]))
    };
    refused(
        complete().if_none_match("*").send().await,
        412,
        "PreconditionFailed",
    );
    refused(
        complete().if_match("\"other\"").send().await,
        412,
        "PreconditionFailed",
    );
    complete().if_match(etag).send().await.unwrap();
}

/// Amazon S3 User Guide, Uploading and copying objects using multipart upload: the current version is the one that was
/// initiated last, not the one that was completed last.
#[tokio::test(start_paused = true)]
async fn a_multipart_version_is_as_old_as_its_initiation() {
    let (_, client) = s3();
    let id = start(&client, "k").await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let (newer, _) = put(&client, RAW, "k", b"newer").await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let only = part(&client, "k", &id, 1, b"older".to_vec()).await;
    let done = client
        .complete_multipart_upload()
        .bucket(RAW)
        .key("k")
        .upload_id(&id)
        .multipart_upload(parts([only]))
        .send()
        .await
        .unwrap();
    assert_eq!(get(&client, RAW, "k", None).await, b"newer");
    let listed = client
        .list_object_versions()
        .bucket(RAW)
        .send()
        .await
        .unwrap();
    let order: Vec<_> = listed
        .versions()
        .iter()
        .map(|v| (v.version_id().unwrap(), v.is_latest().unwrap()))
        .collect();
    assert_eq!(
        order,
        [(newer.as_str(), true), (done.version_id().unwrap(), false)]
    );
    let ages: Vec<_> = listed
        .versions()
        .iter()
        .map(|v| v.last_modified().unwrap().secs())
        .collect();
    assert_eq!(ages[0] - ages[1], 60);
}

#[tokio::test(start_paused = true)]
async fn an_aborted_upload_is_gone_and_open_ones_are_listed() {
    let (_, client) = s3();
    let (a2, b) = (start(&client, "a").await, start(&client, "b").await);
    let a1 = start(&client, "a").await;
    let list = || client.list_multipart_uploads().bucket(RAW);
    let listed = list().max_uploads(2).send().await.unwrap();
    let ids: Vec<_> = listed
        .uploads()
        .iter()
        .map(|upload| upload.upload_id().unwrap())
        .collect();
    assert_eq!(
        (ids, listed.is_truncated()),
        (vec![a2.as_str(), a1.as_str()], Some(true))
    );
    let rest = list()
        .key_marker(listed.next_key_marker().unwrap())
        .upload_id_marker(listed.next_upload_id_marker().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(rest.uploads().len(), 1);
    assert_eq!(rest.uploads()[0].upload_id(), Some(b.as_str()));
    let abort = || {
        client
            .abort_multipart_upload()
            .bucket(RAW)
            .key("b")
            .upload_id(&b)
            .send()
    };
    abort().await.unwrap();
    refused(abort().await, 404, "NoSuchUpload");
    assert_eq!(list().send().await.unwrap().uploads().len(), 2);
}

/// Amazon S3 User Guide, Checking object integrity for multipart uploads: a composite checksum is that of the parts'
/// checksums, and their number.
#[tokio::test(start_paused = true)]
async fn parts_have_checksums_and_the_object_one_of_them() {
    let (_, client) = s3();
    let upload = client
        .create_multipart_upload()
        .bucket(RAW)
        .key("k")
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .send()
        .await
        .unwrap();
    let id = upload.upload_id().unwrap();
    let output = client
        .upload_part()
        .bucket(RAW)
        .key("k")
        .upload_id(id)
        .part_number(1)
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .body(ByteStream::from_static(b"hello"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        output.checksum_sha256(),
        Some("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")
    );
    let only = |sum: &str| {
        parts([CompletedPart::builder()
            .part_number(1)
            .e_tag(output.e_tag().unwrap())
            .checksum_sha256(sum)
            .build()])
    };
    let complete = |upload| {
        client
            .complete_multipart_upload()
            .bucket(RAW)
            .key("k")
            .upload_id(id)
            .multipart_upload(upload)
            .send()
    };
    refused(complete(only("AAAA")).await, 400, "InvalidPart");
    complete(only(output.checksum_sha256().unwrap()))
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
    // base64(sha256(sha256("hello"))), by sha256sum.
    assert_eq!(
        head.checksum_sha256(),
        Some("lZXJ35AHUUjrBoYDZd8zWEt1v/eCpRDGzUiDpBmDPVA=-1")
    );
}
