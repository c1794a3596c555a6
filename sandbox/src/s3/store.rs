//! What S3 remembers: buckets, keys, versions, uploads.

use std::collections::BTreeMap;

use s3s::{S3ErrorCode, S3Result};
use time::OffsetDateTime;

use super::checksum::{Algorithm, Checksum, Kind};
use super::content::Content;
use super::errors::{
    deleted, error, invalid_argument, is_delete_marker, no_such_bucket, no_such_key,
    no_such_upload, no_such_version,
};
use super::notify::TopicConfig;

/// The id of versions written while versioning is not enabled.
pub(super) const NULL_VERSION: &str = "null";

/// Everything in the account.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, Bucket>,
    /// Grows with every write and every initiated upload: the order of versions.
    writes: u64,
}

impl State {
    /// The place of the next write in the order of all writes.
    pub(super) fn next_order(&mut self) -> u64 {
        self.writes += 1;
        self.writes
    }

    pub(super) fn bucket(&self, name: &str) -> S3Result<&Bucket> {
        self.buckets.get(name).ok_or_else(no_such_bucket)
    }

    pub(super) fn bucket_mut(&mut self, name: &str) -> S3Result<&mut Bucket> {
        self.buckets.get_mut(name).ok_or_else(no_such_bucket)
    }
}

/// Whether a bucket keeps versions. It never returns to `Never`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versioning {
    Never,
    Enabled,
    Suspended,
}

#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) created: OffsetDateTime,
    pub(super) versioning: Versioning,
    /// Keys in UTF-8 order, the versions of each newest first, never empty.
    pub(super) keys: BTreeMap<String, Vec<Version>>,
    /// By upload id.
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) topics: Vec<TopicConfig>,
}

impl Bucket {
    pub(super) fn new(created: OffsetDateTime, versioning: Versioning) -> Self {
        Self {
            created,
            versioning,
            keys: BTreeMap::new(),
            uploads: BTreeMap::new(),
            topics: Vec::new(),
        }
    }

    /// The newest version of a key, which may be a delete marker.
    pub(super) fn newest(&self, key: &str) -> Option<&Version> {
        self.keys.get(key)?.first()
    }

    /// The current object of a key: none if there is none, or if it is deleted.
    pub(super) fn current(&self, key: &str) -> Option<&Object> {
        self.newest(key)?.object.as_ref()
    }

    /// The version that a read means.
    ///
    /// # Errors
    /// `NoSuchKey`; with a version id `NoSuchVersion`, `MethodNotAllowed` for a delete marker, or `InvalidArgument` for
    /// what cannot be an id.
    pub(super) fn find(
        &self,
        key: &str,
        version_id: Option<&str>,
    ) -> S3Result<(&Version, &Object)> {
        let (version, missing): (_, fn(&Version) -> _) = match version_id {
            None => (self.newest(key).ok_or_else(no_such_key)?, deleted),
            Some(id) => (self.version(key, id)?, is_delete_marker),
        };
        match &version.object {
            Some(object) => Ok((version, object)),
            None => Err(missing(version)),
        }
    }

    /// As [`Self::find`], to change the tags, the only part of an object that can change.
    pub(super) fn find_mut(
        &mut self,
        key: &str,
        version_id: Option<&str>,
    ) -> S3Result<(String, &mut Object)> {
        let id = self.find(key, version_id)?.0.id.clone();
        self.keys
            .get_mut(key)
            .and_then(|versions| versions.iter_mut().find(|version| version.id == id))
            .and_then(|version| version.object.as_mut())
            .map(|object| (id, object))
            .ok_or_else(no_such_key)
    }

    fn version(&self, key: &str, id: &str) -> S3Result<&Version> {
        check_version_id(id)?;
        self.keys
            .get(key)
            .and_then(|versions| versions.iter().find(|version| version.id == id))
            .ok_or_else(no_such_version)
    }

    /// Adds a version where its order puts it. Without versioning the null version, of which there is one, is replaced.
    pub(super) fn insert(&mut self, key: &str, version: Version) {
        let versions = self.keys.entry(key.to_owned()).or_default();
        if version.id == NULL_VERSION {
            versions.retain(|other| other.id != NULL_VERSION);
        }
        let place = versions.partition_point(|other| other.order > version.order);
        versions.insert(place, version);
    }

    /// Removes one version for good.
    pub(super) fn remove(&mut self, key: &str, id: &str) -> Option<Version> {
        let versions = self.keys.get_mut(key)?;
        let place = versions.iter().position(|version| version.id == id)?;
        let version = versions.remove(place);
        if versions.is_empty() {
            self.keys.remove(key);
        }
        Some(version)
    }

    /// A version's id as responses show it: not at all before versioning was first enabled.
    pub(super) fn shown_id(&self, id: &str) -> Option<String> {
        (self.versioning != Versioning::Never).then(|| id.to_owned())
    }

    pub(super) fn upload(&self, key: &str, upload_id: &str) -> S3Result<&Upload> {
        self.uploads
            .get(upload_id)
            .filter(|upload| upload.key == key)
            .ok_or_else(no_such_upload)
    }
}

/// Ids that S3 could have given out are looked up, others refused.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn check_version_id(id: &str) -> S3Result<()> {
    let possible = id == NULL_VERSION
        || (id.len() == 32
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_')));
    if possible {
        Ok(())
    } else {
        Err(invalid_argument("Invalid version id specified"))
    }
}

/// # Errors
/// `KeyTooLongError` over 1,024 bytes (Amazon S3 User Guide, Object key naming guidelines).
pub(super) fn check_key(key: &str) -> S3Result<()> {
    if key.len() > 1024 {
        return Err(error(S3ErrorCode::KeyTooLongError, "Your key is too long"));
    }
    Ok(())
}

/// One version of a key.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) id: String,
    /// Its place in the order of writes; of a multipart upload that of its initiation.
    pub(super) order: u64,
    /// In whole seconds, as on the wire.
    pub(super) last_modified: OffsetDateTime,
    /// None in a delete marker.
    pub(super) object: Option<Object>,
}

/// The content of a version, and what is told with it.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) content: Content,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) checksum: Option<Checksum>,
    pub(super) described: Described,
}

/// What the writer says about an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Described {
    /// System-defined metadata by header name: Content-Type and its like, as the writer sent them.
    pub(super) headers: BTreeMap<&'static str, String>,
    /// Names without the `x-amz-meta-` prefix, lower case.
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
}

/// A multipart upload in progress.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) initiated: OffsetDateTime,
    /// The object is as old as this (Amazon S3 User Guide, Uploading and copying objects using multipart upload: the
    /// current version is the one whose upload was initiated last).
    pub(super) order: u64,
    pub(super) described: Described,
    /// None if the client named no algorithm.
    pub(super) checksum: Option<(Algorithm, Kind)>,
    pub(super) parts: BTreeMap<i32, Part>,
}

#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) content: Content,
    pub(super) md5: [u8; 16],
    pub(super) checksum: Option<Checksum>,
    pub(super) last_modified: OffsetDateTime,
}

impl Part {
    pub(super) fn etag(&self) -> String {
        hex::encode(self.md5)
    }
}
