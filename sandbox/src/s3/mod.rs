//! S3: versioned buckets, conditional writes, notifications.

use std::sync::Arc;

use crate::account::Account;
use crate::clock::Clock;
use crate::rng::SharedRng;
use crate::sns::Sns;
use crate::wire::{Request, Response};
/// S3: versioned buckets, conditional writes, notifications.
pub struct S3 {}

impl S3 {
    /// The service with nothing in it.
    #[must_use]
    pub fn new(
        account: Account,
        clock: Clock,
        rng: SharedRng,
        sns: Arc<Sns>,
        spill_bytes: usize,
    ) -> Self {
        todo!()
    }

    /// Answers one request off the wire.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        todo!()
    }

    /// Creates a bucket. `notify_topic_arn` gets `s3:ObjectCreated:*` events, and at once an `s3:TestEvent`.
    pub fn create_bucket(&self, name: &str, versioned: bool, notify_topic_arn: Option<&str>) {
        todo!()
    }

    /// What is known about an object, or about one version of it.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`.
    pub fn head(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<ObjectInfo, crate::wire::ApiError> {
        todo!()
    }

    /// Up to `len` bytes of an object from `offset`; fewer at its end.
    /// # Errors
    /// As [`Self::head`]; reading a spilled file may fail.
    pub fn read(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
        offset: u64,
        len: usize,
    ) -> Result<bytes::Bytes, crate::wire::ApiError> {
        todo!()
    }
}

/// What other services may know about an object.
#[derive(Debug, Clone)]
pub struct ObjectInfo {
    /// Size in bytes.
    pub size_bytes: u64,
    /// Without quotes.
    pub etag: String,
    /// None in an unversioned bucket.
    pub version_id: Option<String>,
    /// User metadata, names without the `x-amz-meta-` prefix, lower case.
    pub metadata: std::collections::BTreeMap<String, String>,
}
