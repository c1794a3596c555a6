//! Object tags.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{Tag, Tagging};

use super::{RAW, put, refused, s3};

async fn tags(client: &Client, version_id: Option<&str>) -> Vec<(String, String)> {
    let output = client
        .get_object_tagging()
        .bucket(RAW)
        .key("k")
        .set_version_id(version_id.map(str::to_owned))
        .send()
        .await
        .unwrap();
    output
        .tag_set()
        .iter()
        .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
        .collect()
}

fn tagging(pairs: &[(&str, &str)]) -> Tagging {
    let tags = pairs
        .iter()
        .map(|(key, value)| Tag::builder().key(*key).value(*value).build().unwrap());
    Tagging::builder()
        .set_tag_set(Some(tags.collect()))
        .build()
        .unwrap()
}

/// Amazon S3 API reference, PutObjectTagging: of a version, all tags replaced; they are no new version.
#[tokio::test(start_paused = true)]
async fn tags_belong_to_a_version_and_are_replaced_as_a_whole() {
    let (_, client) = s3();
    let first = client
        .put_object()
        .bucket(RAW)
        .key("k")
        .tagging("a=1&b=x%20y")
        .send()
        .await
        .unwrap();
    let first = first.version_id().unwrap();
    put(&client, RAW, "k", b"2").await;
    let expect = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    assert_eq!(
        tags(&client, Some(first)).await,
        expect(&[("a", "1"), ("b", "x y")])
    );
    assert_eq!(tags(&client, None).await, []);
    let output = client
        .put_object_tagging()
        .bucket(RAW)
        .key("k")
        .version_id(first)
        .tagging(tagging(&[("c", "3")]))
        .send()
        .await
        .unwrap();
    assert_eq!(output.version_id(), Some(first));
    assert_eq!(tags(&client, Some(first)).await, expect(&[("c", "3")]));
    let got = client
        .get_object()
        .bucket(RAW)
        .key("k")
        .version_id(first)
        .send()
        .await
        .unwrap();
    assert_eq!(got.tag_count(), Some(1));
    client
        .delete_object_tagging()
        .bucket(RAW)
        .key("k")
        .version_id(first)
        .send()
        .await
        .unwrap();
    assert_eq!(tags(&client, Some(first)).await, []);
    let listed = client
        .list_object_versions()
        .bucket(RAW)
        .send()
        .await
        .unwrap();
    assert_eq!(listed.versions().len(), 2);
}

/// Amazon S3 User Guide, Categorizing your objects using tags: ten tags, each key once.
#[tokio::test(start_paused = true)]
async fn tags_are_limited() {
    let (_, client) = s3();
    put(&client, RAW, "k", b"1").await;
    let put = |tagging| {
        client
            .put_object_tagging()
            .bucket(RAW)
            .key("k")
            .tagging(tagging)
            .send()
    };
    let names: Vec<String> = (0..11).map(|n| format!("k{n}")).collect();
    let eleven: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    put(tagging(&eleven[..10])).await.unwrap();
    refused(put(tagging(&eleven)).await, 400, "BadRequest");
    refused(
        put(tagging(&[("a", "1"), ("a", "2")])).await,
        400,
        "InvalidTag",
    );
    let missing = client
        .get_object_tagging()
        .bucket(RAW)
        .key("other")
        .send()
        .await;
    refused(missing, 404, "NoSuchKey");
}
