//! CopyObject: what is pinned, what is kept, what is refused.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{MetadataDirective, StorageClass, TaggingDirective};
use bytes::Bytes;

use super::{LEDGER, RAW, get, put, refused, s3};

async fn put_described(client: &Client, key: &str) -> String {
    let output = client
        .put_object()
        .bucket(RAW)
        .key(key)
        .body(ByteStream::from_static(b"hello"))
        .content_type("video/mp4")
        .cache_control("no-store")
        .metadata("labels", "none")
        .tagging("team=red&kind=clip")
        .send()
        .await
        .unwrap();
    output.version_id().unwrap().to_owned()
}

async fn tags(client: &Client, bucket: &str, key: &str) -> BTreeMap<String, String> {
    let output = client
        .get_object_tagging()
        .bucket(bucket)
        .key(key)
        .send()
        .await
        .unwrap();
    output
        .tag_set()
        .iter()
        .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
        .collect()
}

/// Amazon S3 API reference, CopyObject: with a versionId the copy is of exactly that version, and the response says so.
#[tokio::test(start_paused = true)]
async fn a_copy_is_of_the_version_that_it_names() {
    let (_, client) = s3();
    let (first, _) = put(&client, RAW, "k", b"1").await;
    let (second, _) = put(&client, RAW, "k", b"2").await;
    for (source, version, expect) in [
        (format!("{RAW}/k?versionId={first}"), &first, b"1"),
        (format!("/{RAW}/k"), &second, b"2"),
    ] {
        let copy = client
            .copy_object()
            .bucket(LEDGER)
            .key("copy")
            .copy_source(source)
            .send()
            .await
            .unwrap();
        assert_eq!(copy.copy_source_version_id(), Some(version.as_str()));
        assert_eq!(copy.version_id(), None);
        assert_eq!(get(&client, LEDGER, "copy", None).await, expect);
    }
    let back = client
        .copy_object()
        .bucket(RAW)
        .key("back")
        .copy_source(format!("{LEDGER}/copy"))
        .send()
        .await
        .unwrap();
    assert_eq!(back.copy_source_version_id(), None);
    assert_eq!(back.version_id().unwrap().len(), 32);
}

/// Amazon S3 API reference, CopyObject: metadata and tags are kept by default, and replaced by REPLACE.
#[tokio::test(start_paused = true)]
async fn metadata_and_tags_are_copied_unless_replaced() {
    let (_, client) = s3();
    put_described(&client, "k").await;
    let copy = || {
        client
            .copy_object()
            .bucket(LEDGER)
            .key("copy")
            .copy_source(format!("{RAW}/k"))
    };
    let head = || client.head_object().bucket(LEDGER).key("copy").send();
    copy().send().await.unwrap();
    let kept = head().await.unwrap();
    assert_eq!(kept.content_type(), Some("video/mp4"));
    assert_eq!(kept.cache_control(), Some("no-store"));
    assert_eq!(kept.metadata().unwrap()["labels"], "none");
    assert_eq!(tags(&client, LEDGER, "copy").await.len(), 2);

    copy()
        .metadata_directive(MetadataDirective::Replace)
        .content_type("video/quicktime")
        .metadata("source-version", "1")
        .tagging_directive(TaggingDirective::Replace)
        .tagging("verdict=approved")
        .send()
        .await
        .unwrap();
    let replaced = head().await.unwrap();
    assert_eq!(replaced.content_type(), Some("video/quicktime"));
    assert_eq!(replaced.cache_control(), None);
    assert_eq!(replaced.metadata().unwrap().len(), 1);
    let expect = [("verdict".to_owned(), "approved".to_owned())];
    assert_eq!(tags(&client, LEDGER, "copy").await, expect.into());
}

/// Amazon S3 API reference, CopyObject: metadata beside the default directive is not used.
#[tokio::test(start_paused = true)]
async fn metadata_without_the_directive_is_not_used() {
    let (_, client) = s3();
    put_described(&client, "k").await;
    client
        .copy_object()
        .bucket(LEDGER)
        .key("copy")
        .copy_source(format!("{RAW}/k"))
        .metadata("other", "1")
        .send()
        .await
        .unwrap();
    let head = client
        .head_object()
        .bucket(LEDGER)
        .key("copy")
        .send()
        .await
        .unwrap();
    assert_eq!(head.metadata().unwrap().len(), 1);
    assert_eq!(head.metadata().unwrap()["labels"], "none");
}

/// Amazon S3 API reference, CopyObject: x-amz-copy-source-if-match and its like are a 412 when they do not hold.
#[tokio::test(start_paused = true)]
async fn a_copy_depends_on_the_etag_of_its_source() {
    let (_, client) = s3();
    let (version, etag) = put(&client, RAW, "k", b"1").await;
    let copy = || {
        client
            .copy_object()
            .bucket(LEDGER)
            .key("copy")
            .copy_source(format!("{RAW}/k?versionId={version}"))
    };
    copy().copy_source_if_match(&etag).send().await.unwrap();
    refused(
        copy().copy_source_if_match("\"other\"").send().await,
        412,
        "PreconditionFailed",
    );
    refused(
        copy().copy_source_if_none_match(&etag).send().await,
        412,
        "PreconditionFailed",
    );
}

/// AWS What's New, October 2025: conditional writes for copies; If-None-Match and If-Match are about the destination.
#[tokio::test(start_paused = true)]
async fn a_copy_depends_on_what_is_at_its_destination() {
    let (_, client) = s3();
    put(&client, RAW, "k", b"1").await;
    let copy = || {
        client
            .copy_object()
            .bucket(RAW)
            .key("copy")
            .copy_source(format!("{RAW}/k"))
    };
    refused(copy().if_match("\"other\"").send().await, 404, "NoSuchKey");
    let first = copy().if_none_match("*").send().await.unwrap();
    refused(
        copy().if_none_match("*").send().await,
        412,
        "PreconditionFailed",
    );
    refused(
        copy().if_match("\"other\"").send().await,
        412,
        "PreconditionFailed",
    );
    let etag = first.copy_object_result().unwrap().e_tag().unwrap();
    copy().if_match(etag).send().await.unwrap();
}

/// Amazon S3 API reference, CopyObject: a current delete marker is as good as nothing; its version is a bad request.
#[tokio::test(start_paused = true)]
async fn a_missing_source_says_what_is_missing() {
    let (_, client) = s3();
    put(&client, RAW, "k", b"1").await;
    let marker = client
        .delete_object()
        .bucket(RAW)
        .key("k")
        .send()
        .await
        .unwrap();
    let marker = marker.version_id().unwrap();
    let copy = |source: String| {
        client
            .copy_object()
            .bucket(LEDGER)
            .key("copy")
            .copy_source(source)
            .send()
    };
    refused(copy(format!("{RAW}/k")).await, 404, "NoSuchKey");
    refused(copy(format!("{RAW}/other")).await, 404, "NoSuchKey");
    refused(
        copy(format!("{RAW}/k?versionId={marker}")).await,
        400,
        "InvalidRequest",
    );
    let unknown = "096fKKXTRTtl3on89fVO.nfljtsv6qko";
    refused(
        copy(format!("{RAW}/k?versionId={unknown}")).await,
        404,
        "NoSuchVersion",
    );
    refused(copy("no-such/k".to_owned()).await, 404, "NoSuchBucket");
}

/// Amazon S3 API reference, CopyObject: 5 GB in one copy; a simulated object is not stored, nor is its copy.
#[tokio::test(start_paused = true)]
async fn a_copy_takes_5_gib_and_no_more() {
    let (aws, client) = s3();
    let head = Bytes::from_static(b"ftyp");
    for (key, size_bytes) in [("fits", 5 << 30), ("large", (5 << 30) + 1)] {
        aws.s3
            .put_synthetic(RAW, key, head.clone(), size_bytes, BTreeMap::new())
            .unwrap();
    }
    let copy = |key: &str| {
        client
            .copy_object()
            .bucket(LEDGER)
            .key("copy")
            .copy_source(format!("{RAW}/{key}"))
            .send()
    };
    copy("fits").await.unwrap();
    let (source, copied) = (
        aws.s3.head(RAW, "fits", None).unwrap(),
        aws.s3.head(LEDGER, "copy", None).unwrap(),
    );
    assert_eq!((copied.size_bytes, copied.etag), (5 << 30, source.etag));
    assert_eq!(
        aws.s3.read(LEDGER, "copy", None, 2, 4).unwrap(),
        &b"yp\0\0"[..]
    );
    refused(copy("large").await, 400, "InvalidRequest");
}

/// Amazon S3 API reference, CopyObject: copied onto itself an object must change; a former version may be restored.
#[tokio::test(start_paused = true)]
async fn a_copy_onto_itself_must_change_something() {
    let (_, client) = s3();
    let (first, _) = put(&client, RAW, "k", b"1").await;
    put(&client, RAW, "k", b"2").await;
    let copy = |source: String| {
        client
            .copy_object()
            .bucket(RAW)
            .key("k")
            .copy_source(source)
    };
    refused(copy(format!("{RAW}/k")).send().await, 400, "InvalidRequest");
    copy(format!("{RAW}/k"))
        .metadata_directive(MetadataDirective::Replace)
        .send()
        .await
        .unwrap();
    copy(format!("{RAW}/k?versionId={first}"))
        .send()
        .await
        .unwrap();
    assert_eq!(get(&client, RAW, "k", None).await, b"1");
}

#[tokio::test(start_paused = true)]
async fn a_copy_into_another_storage_class_is_refused_by_name() {
    let (_, client) = s3();
    put(&client, RAW, "k", b"1").await;
    let copy = client
        .copy_object()
        .bucket(LEDGER)
        .key("copy")
        .copy_source(format!("{RAW}/k"))
        .storage_class(StorageClass::GlacierIr)
        .send()
        .await;
    refused(copy, 501, "NotImplemented");
}
