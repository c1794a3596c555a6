//! Versions and delete markers.

use aws_sdk_s3::types::{
    BucketVersioningStatus, Delete, ObjectIdentifier, VersioningConfiguration,
};

use super::{LEDGER, RAW, get, put, refused, s3};

/// Amazon S3 User Guide, Working with delete markers.
#[tokio::test(start_paused = true)]
async fn a_delete_hides_the_object_behind_a_marker_and_its_versions_stay() {
    let (_, client) = s3();
    let (first, _) = put(&client, RAW, "k", b"1").await;
    let (second, _) = put(&client, RAW, "k", b"2").await;
    assert_ne!(first, second);
    let deleted = client
        .delete_object()
        .bucket(RAW)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
    let marker = deleted.version_id().unwrap();

    let error = client
        .get_object()
        .bucket(RAW)
        .key("k")
        .send()
        .await
        .unwrap_err();
    let headers = error.raw_response().unwrap().headers();
    assert_eq!(headers.get("x-amz-delete-marker"), Some("true"));
    assert_eq!(headers.get("x-amz-version-id"), Some(marker));
    refused::<(), _>(Err(error), 404, "NoSuchKey");
    assert_eq!(get(&client, RAW, "k", Some(&first)).await, b"1");
    assert_eq!(get(&client, RAW, "k", Some(&second)).await, b"2");

    let undeleted = client
        .delete_object()
        .bucket(RAW)
        .key("k")
        .version_id(marker)
        .send()
        .await
        .unwrap();
    assert_eq!(undeleted.delete_marker(), Some(true));
    assert_eq!(undeleted.version_id(), Some(marker));
    assert_eq!(get(&client, RAW, "k", None).await, b"2");
    client
        .delete_object()
        .bucket(RAW)
        .key("k")
        .version_id(&second)
        .send()
        .await
        .unwrap();
    assert_eq!(get(&client, RAW, "k", None).await, b"1");
}

/// Amazon S3 User Guide, Working with delete markers: a GET of the marker's version is a 405 that names what is allowed.
#[tokio::test(start_paused = true)]
async fn a_delete_marker_cannot_be_read_by_its_version() {
    let (_, client) = s3();
    put(&client, RAW, "k", b"1").await;
    let deleted = client
        .delete_object()
        .bucket(RAW)
        .key("k")
        .send()
        .await
        .unwrap();
    let marker = deleted.version_id().unwrap();
    let error = client
        .get_object()
        .bucket(RAW)
        .key("k")
        .version_id(marker)
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        error.raw_response().unwrap().headers().get("allow"),
        Some("DELETE")
    );
    refused::<(), _>(Err(error), 405, "MethodNotAllowed");
}

/// Amazon S3 API reference, Error responses: NoSuchVersion, and InvalidArgument for what cannot be an id.
#[tokio::test(start_paused = true)]
async fn an_unknown_version_is_404_and_an_impossible_one_400() {
    let (_, client) = s3();
    put(&client, RAW, "k", b"1").await;
    let get = |id: &str| {
        client
            .get_object()
            .bucket(RAW)
            .key("k")
            .version_id(id)
            .send()
    };
    refused(
        get("096fKKXTRTtl3on89fVO.nfljtsv6qko").await,
        404,
        "NoSuchVersion",
    );
    refused(get("null").await, 404, "NoSuchVersion");
    refused(get("one").await, 400, "InvalidArgument");
}

/// Amazon S3 User Guide, Adding objects to versioning-enabled and versioning-suspended buckets: what was put before
/// versioning is the null version and stays; suspended, there is one null version, which is replaced.
#[tokio::test(start_paused = true)]
async fn the_null_version_is_older_than_versioning_and_replaced_only_by_its_like() {
    let (_, client) = s3();
    let set = async |status| {
        client
            .put_bucket_versioning()
            .bucket(LEDGER)
            .versioning_configuration(VersioningConfiguration::builder().status(status).build())
            .send()
            .await
            .unwrap();
    };
    assert_eq!(put(&client, LEDGER, "k", b"before").await.0, "");
    set(BucketVersioningStatus::Enabled).await;
    let (kept, _) = put(&client, LEDGER, "k", b"kept").await;
    assert_eq!(kept.len(), 32);
    assert_eq!(get(&client, LEDGER, "k", Some("null")).await, b"before");
    set(BucketVersioningStatus::Suspended).await;
    assert_eq!(put(&client, LEDGER, "k", b"after").await.0, "null");
    assert_eq!(get(&client, LEDGER, "k", Some("null")).await, b"after");
    assert_eq!(get(&client, LEDGER, "k", Some(&kept)).await, b"kept");
    let deleted = client
        .delete_object()
        .bucket(LEDGER)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (deleted.delete_marker(), deleted.version_id()),
        (Some(true), Some("null"))
    );
    let status = client
        .get_bucket_versioning()
        .bucket(LEDGER)
        .send()
        .await
        .unwrap();
    assert_eq!(status.status(), Some(&BucketVersioningStatus::Suspended));
}

/// Amazon S3 API reference, DeleteObject and DeleteObjects: what is not there is deleted with success.
#[tokio::test(start_paused = true)]
async fn deletes_of_what_is_missing_succeed() {
    let (_, client) = s3();
    let deleted = client
        .delete_object()
        .bucket(LEDGER)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (deleted.delete_marker(), deleted.version_id()),
        (None, None)
    );
    let deleted = client
        .delete_object()
        .bucket(RAW)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
}

#[tokio::test(start_paused = true)]
async fn many_objects_are_deleted_at_once_and_each_failure_is_told() {
    let (_, client) = s3();
    let (version, etag) = put(&client, RAW, "a", b"1").await;
    put(&client, RAW, "b", b"2").await;
    let object = |key: &str| ObjectIdentifier::builder().key(key);
    let output = client
        .delete_objects()
        .bucket(RAW)
        .delete(
            Delete::builder()
                .objects(object("a").version_id(&version).build().unwrap())
                .objects(object("b").e_tag(&etag).build().unwrap())
                .objects(object("c").build().unwrap())
                .build()
                .unwrap(),
        )
        .send()
        .await
        .unwrap();
    let deleted: Vec<_> = output
        .deleted()
        .iter()
        .map(|d| (d.key().unwrap(), d.delete_marker()))
        .collect();
    assert_eq!(deleted, [("a", None), ("c", Some(true))]);
    let errors: Vec<_> = output
        .errors()
        .iter()
        .map(|e| (e.key().unwrap(), e.code().unwrap()))
        .collect();
    assert_eq!(errors, [("b", "PreconditionFailed")]);
    refused(
        client.head_object().bucket(RAW).key("a").send().await,
        404,
        "NotFound",
    );
    assert_eq!(get(&client, RAW, "b", None).await, b"2");
}
