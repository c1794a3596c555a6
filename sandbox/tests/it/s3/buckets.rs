//! Buckets.

use aws_sdk_s3::types::BucketVersioningStatus;

use super::{LEDGER, RAW, put, refused, s3};

#[tokio::test(start_paused = true)]
async fn buckets_are_created_found_listed_and_deleted_when_empty() {
    let (_, client) = s3();
    client
        .create_bucket()
        .bucket("new-bucket")
        .send()
        .await
        .unwrap();
    refused(
        client.create_bucket().bucket("new-bucket").send().await,
        409,
        "BucketAlreadyOwnedByYou",
    );
    let head = client
        .head_bucket()
        .bucket("new-bucket")
        .send()
        .await
        .unwrap();
    assert_eq!(head.bucket_region(), Some("us-east-1"));
    let listed = client.list_buckets().send().await.unwrap();
    let names: Vec<_> = listed
        .buckets()
        .iter()
        .map(|bucket| bucket.name().unwrap())
        .collect();
    assert_eq!(names, [LEDGER, "new-bucket", RAW]);
    put(&client, "new-bucket", "k", b"1").await;
    let delete = || client.delete_bucket().bucket("new-bucket").send();
    refused(delete().await, 409, "BucketNotEmpty");
    client
        .delete_object()
        .bucket("new-bucket")
        .key("k")
        .send()
        .await
        .unwrap();
    delete().await.unwrap();
    refused(
        client.head_bucket().bucket("new-bucket").send().await,
        404,
        "NotFound",
    );
    refused(
        client.list_objects_v2().bucket("new-bucket").send().await,
        404,
        "NoSuchBucket",
    );
    refused(
        client.create_bucket().bucket("No_Bucket").send().await,
        400,
        "InvalidBucketName",
    );
}

/// Amazon S3 API reference, GetBucketVersioning: no status for a bucket that never had versions; GetBucketLocation: no
/// constraint for us-east-1.
#[tokio::test(start_paused = true)]
async fn versioning_and_location_are_told() {
    let (_, client) = s3();
    let status = async |bucket| {
        client
            .get_bucket_versioning()
            .bucket(bucket)
            .send()
            .await
            .unwrap()
            .status
    };
    assert_eq!(status(LEDGER).await, None);
    assert_eq!(status(RAW).await, Some(BucketVersioningStatus::Enabled));
    let location = client
        .get_bucket_location()
        .bucket(RAW)
        .send()
        .await
        .unwrap();
    assert_eq!(
        location
            .location_constraint()
            .map_or("", |constraint| constraint.as_str()),
        ""
    );
}

/// Amazon S3 User Guide, Verifying bucket ownership with bucket owner condition.
#[tokio::test(start_paused = true)]
async fn another_expected_owner_is_refused() {
    let (_, client) = s3();
    put(&client, RAW, "k", b"1").await;
    let get = |owner: &str| {
        client
            .get_object()
            .bucket(RAW)
            .key("k")
            .expected_bucket_owner(owner)
            .send()
    };
    get("123456789012").await.unwrap();
    refused(get("999999999999").await, 403, "AccessDenied");
}
