//! Listings: order, pages, prefixes.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::EncodingType;

use super::{LEDGER, RAW, put, refused, s3};

/// All keys and prefixes of a listing in pages of `max`, pages joined by `|`.
async fn pages(client: &Client, prefix: &str, delimiter: Option<&str>, max: i32) -> String {
    let (mut pages, mut token) = (Vec::new(), None);
    loop {
        let output = client
            .list_objects_v2()
            .bucket(LEDGER)
            .prefix(prefix)
            .set_delimiter(delimiter.map(str::to_owned))
            .max_keys(max)
            .set_continuation_token(token)
            .send()
            .await
            .unwrap();
        let keys = output.contents().iter().map(|object| object.key().unwrap());
        let prefixes = output
            .common_prefixes()
            .iter()
            .map(|prefix| prefix.prefix().unwrap());
        pages.push(keys.chain(prefixes).collect::<Vec<_>>().join(" "));
        assert_eq!(
            output.key_count(),
            Some(i32::try_from(output.contents().len() + output.common_prefixes().len()).unwrap())
        );
        token = output.next_continuation_token().map(str::to_owned);
        assert_eq!(output.is_truncated(), Some(token.is_some()));
        if token.is_none() {
            return pages.join("|");
        }
    }
}

/// Amazon S3 API reference, ListObjectsV2.
#[tokio::test(start_paused = true)]
async fn objects_are_listed_in_order_page_by_page_and_rolled_up() {
    let (_, client) = s3();
    for key in ["b", "a", "p/1", "p/2", "p/q/3", "r/4", "Z"] {
        put(&client, LEDGER, key, b"1").await;
    }
    assert_eq!(
        pages(&client, "", None, 1000).await,
        "Z a b p/1 p/2 p/q/3 r/4"
    );
    assert_eq!(pages(&client, "", None, 3).await, "Z a b|p/1 p/2 p/q/3|r/4");
    assert_eq!(pages(&client, "p/", None, 2).await, "p/1 p/2|p/q/3");
    assert_eq!(pages(&client, "", Some("/"), 1000).await, "Z a b p/ r/");
    assert_eq!(pages(&client, "", Some("/"), 2).await, "Z a|b p/|r/");
    assert_eq!(pages(&client, "p/", Some("/"), 1).await, "p/1|p/2|p/q/");
    let after = client
        .list_objects_v2()
        .bucket(LEDGER)
        .start_after("p/1")
        .send()
        .await
        .unwrap();
    assert_eq!(after.contents()[0].key(), Some("p/2"));
}

/// Amazon S3 API reference, ListObjects: NextMarker is told only with a delimiter.
#[tokio::test(start_paused = true)]
async fn the_first_version_of_the_listing_goes_on_by_marker() {
    let (_, client) = s3();
    for key in ["a", "p/1", "p/2", "z"] {
        put(&client, LEDGER, key, b"1").await;
    }
    let list = || client.list_objects().bucket(LEDGER).max_keys(2);
    let first = list().delimiter("/").send().await.unwrap();
    assert_eq!(first.next_marker(), Some("p/"));
    let second = list().delimiter("/").marker("p/").send().await.unwrap();
    assert_eq!(second.contents()[0].key(), Some("z"));
    assert!(second.common_prefixes().is_empty());
    assert_eq!(list().send().await.unwrap().next_marker(), None);
}

#[tokio::test(start_paused = true)]
async fn deleted_objects_are_not_listed() {
    let (_, client) = s3();
    put(&client, RAW, "a", b"1").await;
    put(&client, RAW, "b", b"1").await;
    client
        .delete_object()
        .bucket(RAW)
        .key("a")
        .send()
        .await
        .unwrap();
    let listed = client.list_objects_v2().bucket(RAW).send().await.unwrap();
    assert_eq!(listed.contents().len(), 1);
    assert_eq!(listed.contents()[0].key(), Some("b"));
}

/// Amazon S3 API reference, ListObjectVersions: keys in order, each key's versions newest first, delete markers among
/// them, the first of a key being the latest; pages go on behind key and version.
#[tokio::test(start_paused = true)]
async fn versions_are_listed_newest_first_page_by_page() {
    let (_, client) = s3();
    let a1 = put(&client, RAW, "a", b"1").await.0;
    let b1 = put(&client, RAW, "b", b"1").await.0;
    let a2 = put(&client, RAW, "a", b"2").await.0;
    let a3 = client
        .delete_object()
        .bucket(RAW)
        .key("a")
        .send()
        .await
        .unwrap()
        .version_id
        .unwrap();
    let a4 = put(&client, RAW, "a", b"4").await.0;
    let listed = client
        .list_object_versions()
        .bucket(RAW)
        .send()
        .await
        .unwrap();
    let versions: Vec<_> = listed
        .versions()
        .iter()
        .map(|v| (v.version_id().unwrap(), v.is_latest().unwrap()))
        .collect();
    assert_eq!(
        versions,
        [(a4.as_str(), true), (&a2, false), (&a1, false), (&b1, true)]
    );
    let markers: Vec<_> = listed
        .delete_markers()
        .iter()
        .map(|m| (m.version_id().unwrap(), m.is_latest().unwrap()))
        .collect();
    assert_eq!(markers, [(a3.as_str(), false)]);

    let (mut seen, mut key_marker, mut version_marker) = (Vec::new(), None, None);
    loop {
        let page = client
            .list_object_versions()
            .bucket(RAW)
            .max_keys(1)
            .set_key_marker(key_marker)
            .set_version_id_marker(version_marker)
            .send()
            .await
            .unwrap();
        seen.extend(
            page.versions()
                .iter()
                .map(|v| v.version_id().unwrap().to_owned()),
        );
        seen.extend(
            page.delete_markers()
                .iter()
                .map(|m| m.version_id().unwrap().to_owned()),
        );
        if page.is_truncated() != Some(true) {
            break;
        }
        key_marker = page.next_key_marker().map(str::to_owned);
        version_marker = page.next_version_id_marker().map(str::to_owned);
    }
    assert_eq!(seen, [a4, a3, a2, a1, b1]);

    let prefixed = client
        .list_object_versions()
        .bucket(RAW)
        .prefix("b")
        .send()
        .await
        .unwrap();
    assert_eq!(prefixed.versions().len(), 1);
    let behind = client
        .list_object_versions()
        .bucket(RAW)
        .key_marker("a")
        .send()
        .await
        .unwrap();
    assert_eq!(behind.versions().len(), 1);
    refused(
        client
            .list_object_versions()
            .bucket(RAW)
            .version_id_marker("x")
            .send()
            .await,
        400,
        "InvalidArgument",
    );
}

/// Amazon S3 API reference, ListObjectsV2, EncodingType: `test_file(3).png` appears as `test_file%283%29.png`.
#[tokio::test(start_paused = true)]
async fn names_are_encoded_on_request() {
    let (_, client) = s3();
    put(&client, RAW, "d 1/test_file(3).png", b"1").await;
    let list = || {
        client
            .list_objects_v2()
            .bucket(RAW)
            .encoding_type(EncodingType::Url)
    };
    let listed = list().prefix("d 1/").send().await.unwrap();
    assert_eq!(listed.contents()[0].key(), Some("d+1/test_file%283%29.png"));
    assert_eq!(listed.prefix(), Some("d+1/"));
    let rolled_up = list().delimiter("/").send().await.unwrap();
    assert_eq!(rolled_up.common_prefixes()[0].prefix(), Some("d+1/"));
    let versions = client
        .list_object_versions()
        .bucket(RAW)
        .encoding_type(EncodingType::Url)
        .send()
        .await
        .unwrap();
    assert_eq!(
        versions.versions()[0].key(),
        Some("d+1/test_file%283%29.png")
    );
}
