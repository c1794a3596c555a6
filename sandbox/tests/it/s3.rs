//! S3 over its wire protocol, by the SDK where that can say it, by hand where it cannot. Expected codes, statuses and
//! orders are those that the Amazon S3 documentation tells.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod buckets;
mod conditions;
mod copy;
mod keys;
mod listing;
mod multipart;
mod multipart_copy;
mod notifications;
mod objects;
mod tags;
mod versions;
mod wire;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use sandbox::aws::Aws;

use crate::support;

/// A versioned bucket.
const RAW: &str = "raw-bucket";
/// A bucket without versions.
const LEDGER: &str = "ledger-bucket";

/// An AWS with a versioned and an unversioned bucket, and a client of it.
fn s3() -> (Aws, Client) {
    let aws = support::aws();
    aws.s3.create_bucket(RAW, true, None);
    aws.s3.create_bucket(LEDGER, false, None);
    let client = client(&aws);
    (aws, client)
}

fn client(aws: &Aws) -> Client {
    Client::new(&support::sdk_config(aws))
}

/// Puts an object; returns its version id and its ETag.
async fn put(client: &Client, bucket: &str, key: &str, body: &'static [u8]) -> (String, String) {
    let output = client
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(ByteStream::from_static(body))
        .send()
        .await
        .unwrap();
    (
        output.version_id().unwrap_or_default().to_owned(),
        output.e_tag().unwrap().to_owned(),
    )
}

async fn get(client: &Client, bucket: &str, key: &str, version_id: Option<&str>) -> Vec<u8> {
    let output = client
        .get_object()
        .bucket(bucket)
        .key(key)
        .set_version_id(version_id.map(str::to_owned))
        .send()
        .await
        .unwrap();
    output.body.collect().await.unwrap().to_vec()
}

/// The call failed with this status and code.
#[track_caller]
fn refused<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E>>,
    status: u16,
    code: &str,
) {
    let error = result.unwrap_err();
    let raw = error.raw_response().unwrap();
    assert_eq!(
        (raw.status().as_u16(), error.code().unwrap_or_default()),
        (status, code)
    );
}
