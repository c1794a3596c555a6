//! Conditional reads, writes and deletes: what the ledger's compare-and-swap rests on.

use aws_sdk_s3::primitives::{ByteStream, DateTime};

use super::{LEDGER, RAW, get, put, refused, s3};

/// Amazon S3 User Guide, How to prevent object overwrites with conditional writes.
#[tokio::test(start_paused = true)]
async fn a_put_if_none_match_creates_and_never_overwrites() {
    let (_, client) = s3();
    for bucket in [LEDGER, RAW] {
        let create = || {
            client
                .put_object()
                .bucket(bucket)
                .key("k")
                .if_none_match("*")
                .body(ByteStream::from_static(b"1"))
                .send()
        };
        create().await.unwrap();
        refused(create().await, 412, "PreconditionFailed");
        client
            .delete_object()
            .bucket(bucket)
            .key("k")
            .send()
            .await
            .unwrap();
        create().await.unwrap();
    }
}

/// Amazon S3 User Guide, How to prevent object overwrites with conditional writes: 412 on another ETag, 404 when gone.
#[tokio::test(start_paused = true)]
async fn a_put_if_match_replaces_only_what_it_knows() {
    let (_, client) = s3();
    for bucket in [LEDGER, RAW] {
        let (_, first) = put(&client, bucket, "k", b"1").await;
        let replace = |etag: &str, body: &'static [u8]| {
            client
                .put_object()
                .bucket(bucket)
                .key("k")
                .if_match(etag)
                .body(ByteStream::from_static(body))
                .send()
        };
        let second = replace(&first, b"2").await.unwrap();
        refused(replace(&first, b"3").await, 412, "PreconditionFailed");
        assert_eq!(get(&client, bucket, "k", None).await, b"2");
        client
            .delete_object()
            .bucket(bucket)
            .key("k")
            .send()
            .await
            .unwrap();
        refused(
            replace(second.e_tag().unwrap(), b"3").await,
            404,
            "NoSuchKey",
        );
    }
}

/// ETags compare content, not age: equal bytes have an equal ETag, so that every state needs a nonce.
#[tokio::test(start_paused = true)]
async fn an_etag_does_not_tell_equal_bytes_apart() {
    let (_, client) = s3();
    let (_, before) = put(&client, LEDGER, "k", b"1").await;
    put(&client, LEDGER, "k", b"2").await;
    let (_, after) = put(&client, LEDGER, "k", b"1").await;
    assert_eq!(before, after);
}

/// Amazon S3 User Guide, How to perform conditional deletes: an ETag or `*`; 412 on another, 404 when gone.
#[tokio::test(start_paused = true)]
async fn a_delete_if_match_removes_only_what_it_knows() {
    let (_, client) = s3();
    for bucket in [LEDGER, RAW] {
        let (_, first) = put(&client, bucket, "k", b"1").await;
        let (_, second) = put(&client, bucket, "k", b"2").await;
        let delete = |etag: &str| {
            client
                .delete_object()
                .bucket(bucket)
                .key("k")
                .if_match(etag)
                .send()
        };
        refused(delete(&first).await, 412, "PreconditionFailed");
        assert_eq!(get(&client, bucket, "k", None).await, b"2");
        delete(&second).await.unwrap();
        refused(delete(&second).await, 404, "NoSuchKey");
        refused(delete("*").await, 404, "NoSuchKey");
        put(&client, bucket, "k", b"3").await;
        delete("*").await.unwrap();
        refused(
            client.get_object().bucket(bucket).key("k").send().await,
            404,
            "NoSuchKey",
        );
    }
}

/// Amazon S3 User Guide, How to perform conditional deletes: the condition is about the current version.
#[tokio::test(start_paused = true)]
async fn a_conditional_delete_of_a_version_looks_at_the_current_one() {
    let (_, client) = s3();
    let (old, old_etag) = put(&client, RAW, "k", b"1").await;
    let (_, new_etag) = put(&client, RAW, "k", b"2").await;
    let delete = |etag: &str| {
        client
            .delete_object()
            .bucket(RAW)
            .key("k")
            .version_id(&old)
            .if_match(etag)
            .send()
    };
    refused(delete(&old_etag).await, 412, "PreconditionFailed");
    delete(&new_etag).await.unwrap();
    refused(
        client
            .get_object()
            .bucket(RAW)
            .key("k")
            .version_id(&old)
            .send()
            .await,
        404,
        "NoSuchVersion",
    );
}

/// Amazon S3 API reference, GetObject: 412 for what must match, 304 for what must have changed; an ETag that holds
/// outweighs the date beside it.
#[tokio::test(start_paused = true)]
async fn reads_are_conditional_on_etag_and_date() {
    let (_, client) = s3();
    let (_, etag) = put(&client, RAW, "k", b"1").await;
    let get = || client.get_object().bucket(RAW).key("k");
    let (then, now) = (DateTime::from_secs(0), DateTime::from_secs(1_793_534_400));
    get()
        .if_match(&etag)
        .if_unmodified_since(then)
        .send()
        .await
        .unwrap();
    refused(
        get().if_match("\"other\"").send().await,
        412,
        "PreconditionFailed",
    );
    refused(
        get().if_unmodified_since(then).send().await,
        412,
        "PreconditionFailed",
    );
    get()
        .if_none_match("\"other\"")
        .if_modified_since(now)
        .send()
        .await
        .unwrap();
    get().if_modified_since(then).send().await.unwrap();
    for unchanged in [get().if_none_match(&etag), get().if_modified_since(now)] {
        let error = unchanged.send().await.unwrap_err();
        let raw = error.raw_response().unwrap();
        assert_eq!(raw.status().as_u16(), 304);
        assert_eq!(raw.body().bytes(), Some(&b""[..]));
    }
}
