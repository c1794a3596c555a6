//! Keys: any Unicode, exactly as it was sent.

use aws_sdk_s3::types::EncodingType;
use sandbox::wire;

use super::{LEDGER, RAW, get, put, refused, s3};

/// What paths, shells, URLs and XML each like to change.
const ODD_KEYS: [&str; 14] = [
    "../../etc/passwd",
    "./a/./b",
    "/leading",
    "//two",
    "a//b",
    "trailing/",
    "a b+c%20d%.mp4",
    "q?versionId=1&x=y#f",
    "é\u{301}ü日本語🎬",
    "tab\tnewline\nreturn\r",
    "\u{1}\u{7f}",
    "<&>'\"",
    "..",
    "\\back\\slash",
];

/// Amazon S3 User Guide, Object key naming guidelines: a sequence of Unicode characters; nothing is normalised.
#[tokio::test(start_paused = true)]
async fn keys_round_trip_exactly() {
    let (_, client) = s3();
    for key in ODD_KEYS {
        put(&client, LEDGER, key, b"1").await;
        assert_eq!(get(&client, LEDGER, key, None).await, b"1", "{key:?}");
    }
    let listed = client
        .list_objects_v2()
        .bucket(LEDGER)
        .encoding_type(EncodingType::Url)
        .send()
        .await
        .unwrap();
    let mut keys: Vec<String> = listed
        .contents()
        .iter()
        .map(|object| {
            let key = object.key().unwrap().replace('+', " ");
            percent_encoding::percent_decode_str(&key)
                .decode_utf8()
                .unwrap()
                .into_owned()
        })
        .collect();
    keys.sort();
    let mut expect = ODD_KEYS.map(str::to_owned);
    expect.sort();
    assert_eq!(keys, expect);
}

/// Amazon S3 API reference, CopyObject: the copy source is URL-encoded, a `+` in it means a space.
#[tokio::test(start_paused = true)]
async fn a_copy_source_is_encoded() {
    let (_, client) = s3();
    for key in ODD_KEYS {
        put(&client, RAW, key, b"1").await;
        let encoded =
            percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
        client
            .copy_object()
            .bucket(LEDGER)
            .key(key)
            .copy_source(format!("{RAW}/{encoded}"))
            .send()
            .await
            .unwrap();
        assert_eq!(get(&client, LEDGER, key, None).await, b"1", "{key:?}");
    }
    put(&client, RAW, "a b", b"space").await;
    client
        .copy_object()
        .bucket(LEDGER)
        .key("copy")
        .copy_source(format!("{RAW}/a+b"))
        .send()
        .await
        .unwrap();
    assert_eq!(get(&client, LEDGER, "copy", None).await, b"space");
}

/// Amazon S3 User Guide, Object key naming guidelines: 1,024 bytes of UTF-8.
#[tokio::test(start_paused = true)]
async fn keys_have_at_most_1024_bytes() {
    let (_, client) = s3();
    put(&client, RAW, &"é".repeat(512), b"1").await;
    let long = client
        .put_object()
        .bucket(RAW)
        .key(format!("{}x", "é".repeat(512)))
        .send()
        .await;
    refused(long, 400, "KeyTooLongError");
}

/// Without `encoding-type=url` a control character is a reference in the XML of a listing: raw, a carriage return would
/// arrive as a line feed. Parsers that hold to XML 1.0 refuse most of them; the SDK's does not.
#[tokio::test(start_paused = true)]
async fn control_characters_are_listed_as_references() {
    let (aws, client) = s3();
    for key in ["return\r", "start\u{1}"] {
        put(&client, LEDGER, key, b"raw\r").await;
        assert_eq!(get(&client, LEDGER, key, None).await, b"raw\r");
    }
    let listed = client
        .list_objects_v2()
        .bucket(LEDGER)
        .send()
        .await
        .unwrap();
    let keys: Vec<_> = listed
        .contents()
        .iter()
        .map(|object| object.key().unwrap())
        .collect();
    assert_eq!(keys, ["return\r", "start\u{1}"]);
    let request = http::Request::get(format!("http://s3/{LEDGER}"))
        .body(wire::body(""))
        .unwrap();
    let body = wire::collect(aws.handle(request).await.into_body())
        .await
        .unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.contains("<Key>return&#xd;</Key>"), "{body}");
    assert!(body.contains("<Key>start&#x1;</Key>"), "{body}");
}
