//! Copies: whole objects, and the sources that copies of parts share with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use s3s::dto::{self, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETag};
use s3s::{S3ErrorCode, S3Request, S3Result};
use time::OffsetDateTime;

use super::checksum::{Algorithm, Checksum, Kind, set_checksum};
use super::conditions::{ReadConditions, WriteConditions};
use super::content::Content;
use super::describe::encryption;
use super::errors::{
    SINGLE_MAX_BYTES, copy_source_too_large, invalid_request, not_implemented, storage,
};
use super::notify::Created;
use super::object::checksum_type;
use super::store::{Described, Object, check_key};
use super::{Core, Write};

/// Where a copy comes from.
pub(super) struct Source {
    pub(super) object: Object,
    pub(super) last_modified: OffsetDateTime,
    /// None if the source's bucket never had versions.
    pub(super) shown_id: Option<String>,
}

impl Core {
    /// The version that a copy source names: without a version id the current one.
    ///
    /// # Errors
    /// `NoSuchKey`, also for a delete marker; `InvalidRequest` for a delete marker's version; `NoSuchVersion`.
    pub(super) fn source(&self, source: &CopySource) -> S3Result<Source> {
        let CopySource::Bucket {
            bucket,
            key,
            version_id,
        } = source
        else {
            return Err(not_implemented("x-amz-copy-source with an ARN"));
        };
        let state = self.state();
        let bucket = state.bucket(bucket)?;
        let (version, object) = bucket
            .find(key, version_id.as_deref())
            .map_err(|error| match error.code() {
                S3ErrorCode::MethodNotAllowed => invalid_request(
                    "The source of a copy request may not specifically refer to a delete marker by version id.",
                ),
                _ => error,
            })?;
        Ok(Source {
            object: object.clone(),
            last_modified: version.last_modified,
            shown_id: bucket.shown_id(&version.id),
        })
    }

    pub(super) fn copy(
        self: &Arc<Self>,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<CopyObjectOutput> {
        let mut input = request.input;
        check_key(&input.key)?;
        let conditions = WriteConditions::of(&request.headers)?;
        let source = self.source(&input.copy_source)?;
        ReadConditions {
            if_match: input.copy_source_if_match.take(),
            if_none_match: input.copy_source_if_none_match.take(),
            if_modified_since: input.copy_source_if_modified_since.take(),
            if_unmodified_since: input.copy_source_if_unmodified_since.take(),
        }
        .check_copy(&source.object, source.last_modified)?;
        if source.object.content.len() > SINGLE_MAX_BYTES {
            return Err(copy_source_too_large());
        }
        let described = copied_description(&request.headers, &mut input, &source.object)?;
        let algorithm = input
            .checksum_algorithm
            .as_ref()
            .map(|algorithm| Algorithm::parse(algorithm.as_str()))
            .transpose()?;
        let object = Object {
            etag: copied_etag(&source.object)?,
            checksum: copied_checksum(&source.object, algorithm)?,
            content: source.object.content,
            described,
        };
        let (etag, checksum) = (object.etag.clone(), object.checksum.clone());
        let written = self.write(Write {
            bucket: &input.bucket,
            key: &input.key,
            object,
            conditions: &conditions,
            created: Created::Copy,
        })?;
        let mut result = CopyObjectResult {
            checksum_type: checksum_type(checksum.as_ref()),
            e_tag: Some(ETag::Strong(etag)),
            last_modified: Some(written.last_modified.into()),
            ..CopyObjectResult::default()
        };
        set_checksum!(result, checksum.as_ref());
        Ok(CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: source.shown_id,
            server_side_encryption: encryption(),
            version_id: written.shown_id,
            ..CopyObjectOutput::default()
        })
    }
}

/// Metadata and tags of a copy: the source's, where the directives do not say otherwise.
fn copied_description(
    headers: &HeaderMap,
    input: &mut CopyObjectInput,
    source: &Object,
) -> S3Result<Described> {
    let directive = &input.metadata_directive;
    let replaced = replaces(directive.as_ref().map(dto::MetadataDirective::as_str))?;
    if !replaced && copies_onto_itself(&input.copy_source, &input.bucket, &input.key) {
        return Err(invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let mut described = Described::of(headers, input.metadata.take(), input.tagging.as_deref())?;
    if !replaced {
        described.headers = source.described.headers.clone();
        described.metadata = source.described.metadata.clone();
    }
    let directive = &input.tagging_directive;
    if !replaces(directive.as_ref().map(dto::TaggingDirective::as_str))? {
        described.tags = copied_tags(&described.tags, source)?;
    }
    Ok(described)
}

/// Whether a directive is REPLACE; the default is COPY (Amazon S3 API reference, CopyObject).
fn replaces(directive: Option<&str>) -> S3Result<bool> {
    match directive {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(not_implemented(&format!("the directive {other}"))),
    }
}

/// An older version may be copied over the newest one of its own key: that is how it is restored.
fn copies_onto_itself(source: &CopySource, to_bucket: &str, to_key: &str) -> bool {
    matches!(source, CopySource::Bucket { bucket, key, version_id: None }
        if **bucket == *to_bucket && **key == *to_key)
}

/// The source's tags; a tagging header is for the directive REPLACE alone.
fn copied_tags(
    header: &BTreeMap<String, String>,
    source: &Object,
) -> S3Result<BTreeMap<String, String>> {
    if !header.is_empty() {
        return Err(not_implemented(
            "x-amz-tagging without x-amz-tagging-directive: REPLACE",
        ));
    }
    Ok(source.described.tags.clone())
}

/// A copy is one part, whatever its source was uploaded in: the ETag is the MD5 of the whole.
fn copied_etag(source: &Object) -> S3Result<String> {
    if source.etag.contains('-') {
        Ok(hex::encode(source.content.md5().map_err(storage)?))
    } else {
        Ok(source.etag.clone())
    }
}

/// Of the algorithm asked for, else of the source's; always of the whole object (Amazon S3 User Guide, Checking object
/// integrity: copying).
fn copied_checksum(source: &Object, asked: Option<Algorithm>) -> S3Result<Option<Checksum>> {
    match (&source.checksum, asked) {
        (Some(sum), None) if sum.kind == Kind::FullObject => Ok(Some(sum.clone())),
        (Some(sum), Some(asked)) if sum.kind == Kind::FullObject && sum.algorithm == asked => {
            Ok(Some(sum.clone()))
        }
        (sum, asked) => {
            let algorithm = asked
                .or(sum.as_ref().map(|sum| sum.algorithm))
                .unwrap_or(Algorithm::Crc64Nvme);
            of_content(algorithm, &source.content)
        }
    }
}

/// The checksum of copied content.
pub(super) fn of_content(algorithm: Algorithm, content: &Content) -> S3Result<Option<Checksum>> {
    Checksum::of(algorithm, content).map_err(storage)
}
