//! One pinned version of a raw object, copied to the same key of the approved bucket.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    AnnotationDirective, CompletedMultipartUpload, CompletedPart, MetadataDirective,
    TaggingDirective,
};
use futures::{StreamExt as _, TryStreamExt as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::only_throttles::OnlyThrottles;
use super::work::Work;
use crate::errors::{CallError, Operation};
use crate::gate::{Gate, StepError};

/// Metadata entry of an approved object: the version of the raw object that it is a copy of.
pub const SOURCE_VERSION_ENTRY: &str = "reelgate-source-version";

/// Prefix of the tags that are ours, on raw and approved objects.
pub const TAG_PREFIX: &str = "reelgate:";

/// Largest object that CopyObject takes (S3 API reference, CopyObject: 5 GB).
const SINGLE_COPY_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// Size of a part of a multipart copy: an answer within seconds, well before the SDK's stalled-stream protection ends a
/// connection on which nothing moves.
const PART_BYTES: u64 = 128 * 1024 * 1024;

/// Parts that are copied side by side.
const PARTS_AT_ONCE: usize = 8;

/// User metadata may be this large in all, names and values (S3 user guide, "Working with object metadata": 2 KB).
const METADATA_BYTES_MAX: usize = 2048;

/// An object may have this many tags (S3 user guide, "Categorizing your storage using tags").
pub(super) const TAGS_MAX: usize = 10;

/// What is copied with the bytes of a version.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) key: String,
    pub(crate) version_id: String,
    pub(crate) etag: String,
    pub(crate) size_bytes: u64,
    pub(crate) last_modified_ms: i64,
    content_type: Option<String>,
    content_disposition: Option<String>,
    content_encoding: Option<String>,
    content_language: Option<String>,
    metadata: BTreeMap<String, String>,
    tag_count: i32,
}

/// How a copy ended, when its answer is definite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copied {
    /// It is in the approved bucket.
    Done,
    /// The version is no longer in the raw bucket.
    SourceGone,
}

/// Looks at one version of a raw object; None if it is gone.
pub(crate) async fn source(
    gate: &Gate,
    key: &str,
    version_id: &str,
    etag: &str,
) -> Result<Option<Source>, StepError> {
    let head = gate
        .s3
        .head_object()
        .bucket(&gate.config.ingest.raw_bucket)
        .key(key)
        .version_id(version_id);
    match head.send().await {
        Ok(output) => Ok(Some(Source {
            key: key.to_owned(),
            version_id: version_id.to_owned(),
            etag: etag.to_owned(),
            size_bytes: output
                .content_length
                .and_then(|size| u64::try_from(size).ok())
                .unwrap_or(0),
            last_modified_ms: output
                .last_modified
                .and_then(|time| time.to_millis().ok())
                .unwrap_or(0),
            content_type: output.content_type,
            content_disposition: output.content_disposition,
            content_encoding: output.content_encoding,
            content_language: output.content_language,
            metadata: output.metadata.unwrap_or_default().into_iter().collect(),
            tag_count: output.tag_count.unwrap_or(0),
        })),
        Err(error) => {
            let error = CallError::new(Operation::RawHead, &error);
            if error.is_absent() {
                Ok(None)
            } else {
                Err(error.into())
            }
        }
    }
}

/// Which raw version the approved object is a copy of: None if there is no object, Some(None) if it does not say.
#[allow(
    clippy::option_option,
    reason = "an object that does not say is not the same as no object"
)]
pub(crate) async fn carried_version(
    gate: &Gate,
    key: &str,
) -> Result<Option<Option<String>>, StepError> {
    match gate
        .s3
        .head_object()
        .bucket(&gate.config.approved_bucket)
        .key(key)
        .send()
        .await
    {
        Ok(output) => {
            Ok(Some(output.metadata.and_then(|mut entries| {
                entries.remove(SOURCE_VERSION_ENTRY)
            })))
        }
        Err(error) => {
            let error = CallError::new(Operation::ApprovedHead, &error);
            if error.is_absent() {
                Ok(None)
            } else {
                Err(error.into())
            }
        }
    }
}

/// Copies exactly the scanned bytes: version and ETag are both pinned.
pub(crate) async fn copy(
    work: &Work<'_>,
    source: &Source,
    content_type: Option<&str>,
) -> Result<Copied, StepError> {
    let gate = work.gate;
    let target = Target {
        metadata: metadata(source),
        tagging: tagging(gate, source).await?,
        content_type: content_type
            .or(source.content_type.as_deref())
            .map(str::to_owned),
    };
    let copied = if source.size_bytes <= SINGLE_COPY_BYTES_MAX {
        copy_whole(gate, source, &target).await
    } else {
        copy_parts(gate, source, &target).await
    };
    match copied {
        Ok(()) => Ok(Copied::Done),
        Err(error) if error.is_absent() => Ok(Copied::SourceGone),
        Err(error) => Err(error.into()),
    }
}

/// What the copy carries besides its bytes.
struct Target {
    metadata: BTreeMap<String, String>,
    tagging: String,
    content_type: Option<String>,
}

async fn copy_whole(gate: &Gate, source: &Source, target: &Target) -> Result<(), CallError> {
    gate.s3
        .copy_object()
        .bucket(&gate.config.approved_bucket)
        .key(&source.key)
        .copy_source(copy_source(gate, source))
        .copy_source_if_match(&source.etag)
        .metadata_directive(MetadataDirective::Replace)
        .set_metadata(Some(target.metadata.clone().into_iter().collect()))
        .set_content_type(target.content_type.clone())
        .set_content_disposition(source.content_disposition.clone())
        .set_content_encoding(source.content_encoding.clone())
        .set_content_language(source.content_language.clone())
        .set_cache_control(gate.config.cache_control.clone())
        .tagging_directive(TaggingDirective::Replace)
        .tagging(&target.tagging)
        // By default they are copied, which takes permissions of their own (S3 API reference, CopyObject); a multipart copy has none.
        .annotation_directive(AnnotationDirective::Exclude)
        .customize()
        .config_override(tries())
        .send()
        .await
        .map(|_| ())
        .map_err(|error| CallError::new(Operation::ApprovedCopy, &error))
}

/// Of a request that puts a copy in its place. One that was sent may do so minutes later, though another one was answered: then nobody
/// would know that a copy may still land.
fn tries() -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::Config::builder().retry_classifier(OnlyThrottles)
}

/// A multipart copy brings nothing along by itself: metadata and tags are set when it is created.
async fn copy_parts(gate: &Gate, source: &Source, target: &Target) -> Result<(), CallError> {
    let created = gate
        .s3
        .create_multipart_upload()
        .bucket(&gate.config.approved_bucket)
        .key(&source.key)
        .set_metadata(Some(target.metadata.clone().into_iter().collect()))
        .set_content_type(target.content_type.clone())
        .set_content_disposition(source.content_disposition.clone())
        .set_content_encoding(source.content_encoding.clone())
        .set_content_language(source.content_language.clone())
        .set_cache_control(gate.config.cache_control.clone())
        .tagging(&target.tagging)
        .send()
        .await
        .map_err(|error| CallError::new(Operation::ApprovedCreateMultipart, &error))?;
    let upload_id = created.upload_id.unwrap_or_default();
    let completed = copy_and_complete(gate, source, &upload_id).await;
    if completed.is_err() {
        // Parts of an upload that nobody completes cost storage until the bucket's lifecycle rule ends it; best effort.
        let abort = gate
            .s3
            .abort_multipart_upload()
            .bucket(&gate.config.approved_bucket)
            .key(&source.key);
        if let Err(error) = abort.upload_id(&upload_id).send().await {
            let error = CallError::new(Operation::ApprovedAbortMultipart, &error);
            tracing::warn!(object_key = source.key, %error, "multipart copy not aborted");
        }
    }
    completed
}

async fn copy_and_complete(gate: &Gate, source: &Source, upload_id: &str) -> Result<(), CallError> {
    let parts: Vec<CompletedPart> =
        futures::stream::iter((1..).zip(part_ranges(source.size_bytes)))
            .map(|(number, range)| copy_part(gate, source, upload_id, number, range))
            .buffered(PARTS_AT_ONCE)
            .try_collect()
            .await?;
    gate.s3
        .complete_multipart_upload()
        .bucket(&gate.config.approved_bucket)
        .key(&source.key)
        .upload_id(upload_id)
        .multipart_upload(
            CompletedMultipartUpload::builder()
                .set_parts(Some(parts))
                .build(),
        )
        .customize()
        .config_override(tries())
        .send()
        .await
        .map(|_| ())
        .map_err(|error| CallError::new(Operation::ApprovedCompleteMultipart, &error))
}

async fn copy_part(
    gate: &Gate,
    source: &Source,
    upload_id: &str,
    number: i32,
    (first, last): (u64, u64),
) -> Result<CompletedPart, CallError> {
    let output = gate
        .s3
        .upload_part_copy()
        .bucket(&gate.config.approved_bucket)
        .key(&source.key)
        .upload_id(upload_id)
        .part_number(number)
        .copy_source(copy_source(gate, source))
        .copy_source_if_match(&source.etag)
        .copy_source_range(format!("bytes={first}-{last}"))
        .send()
        .await
        .map_err(|error| CallError::new(Operation::ApprovedUploadPartCopy, &error))?;
    let etag = output.copy_part_result.and_then(|result| result.e_tag);
    Ok(CompletedPart::builder()
        .part_number(number)
        .set_e_tag(etag)
        .build())
}

/// First and last byte of each part, both inclusive.
fn part_ranges(size_bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..size_bytes.div_ceil(PART_BYTES)).map(move |part| {
        let first = part * PART_BYTES;
        (first, (first + PART_BYTES).min(size_bytes) - 1)
    })
}

/// `x-amz-copy-source`: bucket and key percent-encoded, the version appended to the encoded key
/// (S3 API reference, CopyObject).
fn copy_source(gate: &Gate, source: &Source) -> String {
    const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    const PATH: &AsciiSet = &UNRESERVED.remove(b'/');
    format!(
        "{}/{}?versionId={}",
        gate.config.ingest.raw_bucket,
        utf8_percent_encode(&source.key, PATH),
        utf8_percent_encode(&source.version_id, UNRESERVED),
    )
}

/// The user's metadata and ours. If both together are more than S3 takes, the user's is left out: the version must be there.
fn metadata(source: &Source) -> BTreeMap<String, String> {
    let mut entries = source.metadata.clone();
    entries.insert(SOURCE_VERSION_ENTRY.to_owned(), source.version_id.clone());
    let bytes: usize = entries
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if bytes > METADATA_BYTES_MAX {
        entries.retain(|name, _| name == SOURCE_VERSION_ENTRY);
    }
    entries
}

/// The user's tags without any under our prefix, and our own if there is room, form-encoded as the header wants them.
async fn tagging(gate: &Gate, source: &Source) -> Result<String, StepError> {
    let mut tags = if source.tag_count == 0 {
        Vec::new()
    } else {
        match version_tags(gate, &source.key, &source.version_id).await {
            Ok(tags) => tags,
            // The copy itself will say that the version is gone.
            Err(error) if error.is_absent() => Vec::new(),
            Err(error) => return Err(error.into()),
        }
    };
    tags.retain(|(name, _)| !name.starts_with(TAG_PREFIX));
    if tags.len() < TAGS_MAX {
        tags.push((format!("{TAG_PREFIX}verdict"), "approved".to_owned()));
    }
    let pairs: Vec<String> = tags
        .iter()
        .map(|(name, value)| {
            format!(
                "{}={}",
                utf8_percent_encode(name, NON_ALPHANUMERIC),
                utf8_percent_encode(value, NON_ALPHANUMERIC)
            )
        })
        .collect();
    Ok(pairs.join("&"))
}

/// The tags of one version of a raw object.
pub(crate) async fn version_tags(
    gate: &Gate,
    key: &str,
    version_id: &str,
) -> Result<Vec<(String, String)>, CallError> {
    let output = gate
        .s3
        .get_object_tagging()
        .bucket(&gate.config.ingest.raw_bucket)
        .key(key)
        .version_id(version_id)
        .send()
        .await
        .map_err(|error| CallError::new(Operation::RawGetTagging, &error))?;
    Ok(output
        .tag_set
        .into_iter()
        .map(|tag| (tag.key, tag.value))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_byte_once() {
        for size in [
            SINGLE_COPY_BYTES_MAX + 1,
            10 * 1024 * 1024 * 1024,
            PART_BYTES * 41,
        ] {
            let ranges: Vec<_> = part_ranges(size).collect();
            assert!(ranges.len() <= 10_000);
            assert_eq!(ranges[0].0, 0);
            assert_eq!(ranges[ranges.len() - 1].1, size - 1);
            assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        }
    }
}
