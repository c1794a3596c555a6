//! S3: versioned buckets, conditional writes, multipart uploads, tags, notifications.
//!
//! A request passes `front` (signature off, chunks decoded), the `s3s` crate (routing, XML), `gate` (what is not
//! implemented is refused by name) and ends in `api`, one method an operation. `store` holds the state behind one lock,
//! never across an await; `content` holds the bytes.
//!
//! Not emulated: the signature is not verified, and nothing is eventually consistent (S3 itself is strongly consistent).

mod api;
mod buckets;
mod checksum;
mod chunked;
mod conditions;
mod content;
mod copy;
mod describe;
mod errors;
mod front;
mod gate;
mod keys;
mod list;
mod list_uploads;
mod multipart;
mod notify;
mod object;
mod store;
mod tagging;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use s3s::S3Result;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use time::OffsetDateTime;

use crate::account::Account;
use crate::clock::Clock;
use crate::rng::SharedRng;
use crate::sns::Sns;
use crate::wire::{ApiError, Request, Response};

use self::conditions::WriteConditions;
use self::content::{Content, Spill};
use self::errors::{api_error, storage};
use self::notify::{Created, TopicConfig};
use self::store::{Bucket, Described, NULL_VERSION, Object, State, Version, Versioning};

/// S3: versioned buckets, conditional writes, notifications.
pub struct S3 {
    core: Arc<Core>,
    service: S3Service,
}

/// What all operations share.
struct Core {
    account: Account,
    clock: Clock,
    rng: SharedRng,
    sns: Arc<Sns>,
    spill: Spill,
    state: Mutex<State>,
    /// Of the events sent so far.
    sequencer: AtomicU64,
}

impl S3 {
    /// The service with nothing in it. Objects above `spill_bytes` are kept in files.
    #[must_use]
    pub fn new(
        account: Account,
        clock: Clock,
        rng: SharedRng,
        sns: Arc<Sns>,
        spill_bytes: usize,
    ) -> Self {
        let gate = gate::Gate {
            account_id: account.id.clone(),
        };
        let core = Arc::new(Core {
            account,
            clock,
            rng,
            sns,
            spill: Spill::new(spill_bytes),
            state: Mutex::default(),
            sequencer: AtomicU64::new(0),
        });
        let mut builder = S3ServiceBuilder::new(api::Api(Arc::clone(&core)));
        // The library consults the gate only where there is an authentication to pass; with the signatures taken off,
        // every request passes it as anonymous.
        builder.set_auth(SimpleAuth::new());
        builder.set_access(gate);
        Self {
            core,
            service: builder.build(),
        }
    }

    /// Answers one request off the wire.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        let (request_id, host_id) = (self.core.request_id(), self.core.host_id());
        let method = request.method().clone();
        let (request, broken) = front::open(request);
        let response = self.service.call(request).await;
        front::close(&method, response, &broken, &request_id, &host_id).await
    }

    /// Creates a bucket; one of the same name is emptied. `notify_topic_arn` gets `s3:ObjectCreated:*` events, and at
    /// once an `s3:TestEvent`.
    pub fn create_bucket(&self, name: &str, versioned: bool, notify_topic_arn: Option<&str>) {
        let versioning = if versioned {
            Versioning::Enabled
        } else {
            Versioning::Never
        };
        let mut bucket = Bucket::new(self.core.now_s(), versioning);
        bucket.topics = notify_topic_arn
            .iter()
            .map(|topic_arn| TopicConfig {
                id: "raw-uploads".to_owned(),
                topic_arn: (*topic_arn).to_owned(),
                events: vec!["s3:ObjectCreated:*".to_owned()],
                prefix: None,
                suffix: None,
            })
            .collect();
        self.core.state().buckets.insert(name.to_owned(), bucket);
        if let Some(topic_arn) = notify_topic_arn
            && let Err(error) = self.core.send_test_event(name, topic_arn)
        {
            tracing::warn!(bucket = name, topic_arn, %error, "the topic cannot be published to");
        }
    }

    /// Puts an object whose bytes are simulated: `head`, then zeros up to `size_bytes`. Nothing but the head is stored,
    /// also not by copies of it; its ETag is a digest of this description. Returns the version id, None in a bucket
    /// without versioning. To be called within a Tokio runtime if the bucket notifies.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub fn put_synthetic(
        &self,
        bucket: &str,
        key: &str,
        head: Bytes,
        size_bytes: u64,
        metadata: BTreeMap<String, String>,
    ) -> Result<Option<String>, ApiError> {
        let size_bytes = size_bytes.max(head.len() as u64);
        let content = Content::Synthetic { head, size_bytes };
        let put = || {
            let object = Object {
                etag: hex::encode(content.md5().map_err(storage)?),
                content,
                checksum: None,
                described: Described {
                    metadata,
                    ..Described::default()
                },
            };
            self.core.write(Write {
                bucket,
                key,
                object,
                conditions: &WriteConditions::default(),
                created: Created::Put,
            })
        };
        put()
            .map(|written| written.shown_id)
            .map_err(|error| api_error(&error))
    }

    /// What is known about an object, or about one version of it.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` for a delete marker's version.
    pub fn head(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<ObjectInfo, ApiError> {
        let state = self.core.state();
        let bucket = state.bucket(bucket).map_err(|error| api_error(&error))?;
        let (version, object) = bucket
            .find(key, version_id)
            .map_err(|error| api_error(&error))?;
        Ok(ObjectInfo {
            size_bytes: object.content.len(),
            etag: object.etag.clone(),
            version_id: bucket.shown_id(&version.id),
            metadata: object.described.metadata.clone(),
            tags: object.described.tags.clone(),
        })
    }

    /// Ids of the versions of a key, newest first, without delete markers.
    #[must_use]
    pub fn version_ids(&self, bucket: &str, key: &str) -> Vec<String> {
        let state = self.core.state();
        let versions = state
            .bucket(bucket)
            .ok()
            .and_then(|bucket| bucket.keys.get(key));
        versions
            .into_iter()
            .flatten()
            .filter(|version| version.object.is_some())
            .map(|version| version.id.clone())
            .collect()
    }

    /// Replaces the tags of one version of an object, as its owner does.
    ///
    /// # Errors
    /// As [`Self::head`].
    pub fn set_tags(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
        tags: BTreeMap<String, String>,
    ) -> Result<(), ApiError> {
        self.core
            .set_tags(bucket, key, version_id, tags)
            .map_err(|error| api_error(&error))?;
        Ok(())
    }

    /// A digest of an object's bytes, which is the same for equal bytes however they were put; of simulated ones, of their
    /// description.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn digest(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<String, ApiError> {
        let content = self.content(bucket, key, version_id)?;
        let digest = content.md5().map_err(|error| api_error(&storage(error)))?;
        Ok(hex::encode(digest))
    }

    /// Up to `len` bytes of an object from `offset`; fewer at its end.
    ///
    /// # Errors
    /// As [`Self::head`]; reading a spilled file may fail.
    pub fn read(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
        offset: u64,
        len: usize,
    ) -> Result<Bytes, ApiError> {
        self.content(bucket, key, version_id)?
            .read(offset, len)
            .map_err(|error| api_error(&storage(error)))
    }

    fn content(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<Content, ApiError> {
        let state = self.core.state();
        state
            .bucket(bucket)
            .and_then(|bucket| bucket.find(key, version_id))
            .map(|(_, object)| object.content.clone())
            .map_err(|error| api_error(&error))
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
    pub metadata: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// An object on its way into a bucket.
struct Write<'a> {
    bucket: &'a str,
    key: &'a str,
    object: Object,
    conditions: &'a WriteConditions,
    created: Created,
}

/// A version that was written.
struct Written {
    /// As responses show it.
    shown_id: Option<String>,
    last_modified: OffsetDateTime,
}

impl Core {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an object as the newest version, if the conditions hold, and announces it.
    fn write(self: &Arc<Self>, write: Write<'_>) -> S3Result<Written> {
        let mut state = self.state();
        let order = state.next_order();
        self.write_at(&mut state, write, order, self.now_s())
    }

    /// As [`Self::write`], at a given place in the order of versions.
    fn write_at(
        self: &Arc<Self>,
        state: &mut State,
        write: Write<'_>,
        order: u64,
        last_modified: OffsetDateTime,
    ) -> S3Result<Written> {
        let bucket = state.bucket_mut(write.bucket)?;
        write.conditions.check(bucket.current(write.key))?;
        let id = self.new_version_id(bucket.versioning);
        self.announce(
            write.bucket,
            bucket,
            write.key,
            (&id, &write.object),
            write.created,
        );
        let shown_id = bucket.shown_id(&id);
        bucket.insert(
            write.key,
            Version {
                id,
                order,
                last_modified,
                object: Some(write.object),
            },
        );
        Ok(Written {
            shown_id,
            last_modified,
        })
    }

    /// The time now, in whole seconds: finer ones are never seen on the wire.
    fn now_s(&self) -> OffsetDateTime {
        self.clock.now().truncate_to_second()
    }

    fn new_version_id(&self, versioning: Versioning) -> String {
        match versioning {
            Versioning::Enabled => self.opaque_id(32),
            Versioning::Never | Versioning::Suspended => NULL_VERSION.to_owned(),
        }
    }

    /// `len` random characters of those that version and upload ids are made of.
    fn opaque_id(&self, len: usize) -> String {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
        self.rng
            .bytes(len)
            .into_iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte % 64)]))
            .collect()
    }

    fn request_id(&self) -> String {
        hex::encode_upper(self.rng.bytes(8))
    }

    fn host_id(&self) -> String {
        BASE64_STANDARD.encode(self.rng.bytes(48))
    }

    fn next_sequencer(&self) -> u64 {
        self.sequencer.fetch_add(1, Ordering::Relaxed)
    }
}
