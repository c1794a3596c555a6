//! Multipart uploads.

use std::ops::Range;
use std::sync::Arc;

use md5::{Digest as _, Md5};
use s3s::dto::{
    self, AbortMultipartUploadInput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CompletedPart, CopyPartResult, CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag,
    UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3ErrorCode, S3Request, S3Result};

use super::checksum::{Algorithm, Checksum, Kind, checksum_agrees, set_checksum};
use super::conditions::{ReadConditions, WriteConditions};
use super::content::Content;
use super::copy::of_content;
use super::describe::encryption;
use super::errors::{
    SINGLE_MAX_BYTES, copy_source_too_large, error, invalid_argument, invalid_request, storage,
};
use super::notify::Created;
use super::object::{checksum_type, to_i64};
use super::store::{Described, Object, Part, Upload, check_key};
use super::{Core, Write};

/// Every part but the last has at least 5 MiB, and only sources larger than that can be copied by ranges (Amazon S3
/// User Guide, Multipart upload limits; API reference, UploadPartCopy).
const PART_MIN_BYTES: u64 = 5 << 20;

const UPLOAD_ID_CHARS: usize = 128;

impl Core {
    pub(super) fn create_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<CreateMultipartUploadOutput> {
        let input = request.input;
        check_key(&input.key)?;
        let described = Described::of(&request.headers, input.metadata, input.tagging.as_deref())?;
        let checksum = match &input.checksum_algorithm {
            None => None,
            Some(name) => {
                let algorithm = Algorithm::parse(name.as_str())?;
                let kind = match &input.checksum_type {
                    None => algorithm.default_kind(),
                    Some(kind) => Kind::parse(kind.as_str())?,
                };
                Some((algorithm, kind))
            }
        };
        let upload_id = self.opaque_id(UPLOAD_ID_CHARS);
        let mut state = self.state();
        let order = state.next_order();
        state.bucket_mut(&input.bucket)?.uploads.insert(
            upload_id.clone(),
            Upload {
                key: input.key.clone(),
                initiated: self.now_s(),
                order,
                described,
                checksum,
                parts: std::collections::BTreeMap::new(),
            },
        );
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            checksum_algorithm: checksum
                .map(|(algorithm, _)| dto::ChecksumAlgorithm::from_static(algorithm.name())),
            checksum_type: checksum.map(|(_, kind)| dto::ChecksumType::from_static(kind.name())),
            key: Some(input.key),
            server_side_encryption: encryption(),
            upload_id: Some(upload_id),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(super) async fn upload_part(
        &self,
        mut request: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        check_part_number(request.input.part_number)?;
        let algorithm = {
            let input = &request.input;
            let state = self.state();
            let upload = state
                .bucket(&input.bucket)?
                .upload(&input.key, &input.upload_id)?;
            upload.checksum.map(|(algorithm, _)| algorithm)
        };
        let body = request.input.body.take();
        let received = self.receive(body, &request, algorithm).await?;
        if let Some(algorithm) = algorithm
            && received.checksum.algorithm != algorithm
        {
            return Err(invalid_request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                algorithm.name().to_lowercase(),
                received.checksum.algorithm.name().to_lowercase()
            )));
        }
        let part = Part {
            content: received.content,
            md5: received.md5,
            checksum: Some(received.checksum),
            last_modified: self.now_s(),
        };
        let shown = received.checksum_explicit || algorithm.is_some();
        let mut output = UploadPartOutput {
            e_tag: Some(ETag::Strong(part.etag())),
            server_side_encryption: encryption(),
            ..UploadPartOutput::default()
        };
        set_checksum!(output, part.checksum.as_ref().filter(|_| shown));
        let input = &request.input;
        self.add_part(
            &input.bucket,
            &input.key,
            &input.upload_id,
            input.part_number,
            part,
        )?;
        Ok(output)
    }

    pub(super) fn upload_part_copy(
        &self,
        input: UploadPartCopyInput,
    ) -> S3Result<UploadPartCopyOutput> {
        check_part_number(input.part_number)?;
        let algorithm = {
            let state = self.state();
            let upload = state
                .bucket(&input.bucket)?
                .upload(&input.key, &input.upload_id)?;
            upload.checksum.map(|(algorithm, _)| algorithm)
        };
        let source = self.source(&input.copy_source)?;
        ReadConditions {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        }
        .check_copy(&source.object, source.last_modified)?;
        let content = copied_range(&source.object.content, input.copy_source_range.as_deref())?;
        let part = Part {
            md5: content.md5().map_err(storage)?,
            checksum: match algorithm {
                Some(algorithm) => of_content(algorithm, &content)?,
                None => None,
            },
            content,
            last_modified: self.now_s(),
        };
        let mut result = CopyPartResult {
            e_tag: Some(ETag::Strong(part.etag())),
            last_modified: Some(part.last_modified.into()),
            ..CopyPartResult::default()
        };
        set_checksum!(result, part.checksum.as_ref());
        self.add_part(
            &input.bucket,
            &input.key,
            &input.upload_id,
            input.part_number,
            part,
        )?;
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id: source.shown_id,
            server_side_encryption: encryption(),
            ..UploadPartCopyOutput::default()
        })
    }

    /// Adds a part, or replaces the one of its number.
    fn add_part(
        &self,
        bucket: &str,
        key: &str,
        upload_id: &str,
        part_number: i32,
        part: Part,
    ) -> S3Result<()> {
        let mut state = self.state();
        let bucket = state.bucket_mut(bucket)?;
        bucket.upload(key, upload_id)?;
        if let Some(upload) = bucket.uploads.get_mut(upload_id) {
            upload.parts.insert(part_number, part);
        }
        Ok(())
    }

    /// The new version takes the upload's place in the order of versions, and its time: a multipart upload is as old
    /// as its initiation (Amazon S3 User Guide, Uploading and copying objects using multipart upload).
    pub(super) fn complete_upload(
        self: &Arc<Self>,
        input: CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let conditions = WriteConditions::new(input.if_match, input.if_none_match.as_ref())?;
        let claimed = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default();
        let mut state = self.state();
        let upload = state
            .bucket(&input.bucket)?
            .upload(&input.key, &input.upload_id)?;
        let parts = chosen_parts(upload, &claimed)?;
        let object = assembled(upload, &parts)?;
        if let Some(claimed_bytes) = input.mpu_object_size
            && claimed_bytes != to_i64(object.content.len())
        {
            return Err(invalid_request(format!(
                "The provided 'x-amz-mp-object-size' header does not match the object size: {claimed_bytes}"
            )));
        }
        // Simulated content has no checksum to compare with.
        if object.checksum.is_some() && !checksum_agrees!(input, object.checksum.as_ref()) {
            return Err(error(
                S3ErrorCode::BadDigest,
                "The checksum you specified did not match the calculated checksum.",
            ));
        }
        let (order, initiated) = (upload.order, upload.initiated);
        let (etag, checksum) = (object.etag.clone(), object.checksum.clone());
        let write = Write {
            bucket: &input.bucket,
            key: &input.key,
            object,
            conditions: &conditions,
            created: Created::CompleteMultipartUpload,
        };
        let written = self.write_at(&mut state, write, order, initiated)?;
        state
            .bucket_mut(&input.bucket)?
            .uploads
            .remove(&input.upload_id);
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!(
                "https://{}.s3.{}.amazonaws.com/{}",
                input.bucket,
                self.account.region,
                super::keys::form_encode(&input.key)
            )),
            bucket: Some(input.bucket),
            checksum_type: checksum_type(checksum.as_ref()),
            e_tag: Some(ETag::Strong(etag)),
            key: Some(input.key),
            server_side_encryption: encryption(),
            version_id: written.shown_id,
            ..CompleteMultipartUploadOutput::default()
        };
        set_checksum!(output, checksum.as_ref());
        Ok(output)
    }

    pub(super) fn abort_upload(&self, input: &AbortMultipartUploadInput) -> S3Result<()> {
        let mut state = self.state();
        let bucket = state.bucket_mut(&input.bucket)?;
        bucket.upload(&input.key, &input.upload_id)?;
        bucket.uploads.remove(&input.upload_id);
        Ok(())
    }
}

fn check_part_number(part_number: i32) -> S3Result<()> {
    if (1..=10_000).contains(&part_number) {
        Ok(())
    } else {
        Err(invalid_argument(
            "Part number must be an integer between 1 and 10000, inclusive",
        ))
    }
}

/// The range of a source that a part takes: `bytes=first-last`, both given.
fn copied_range(content: &Content, range: Option<&str>) -> S3Result<Content> {
    let size_bytes = content.len();
    let range = match range {
        None => 0..size_bytes,
        Some(text) => {
            let range = parse_copy_range(text).ok_or_else(|| {
                invalid_argument(
                    "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are \
                     the zero-based offsets of the first and last bytes to copy",
                )
            })?;
            if range.end > size_bytes {
                return Err(invalid_argument(format!(
                    "Range specified is not valid for source object of size: {size_bytes}"
                )));
            }
            if size_bytes <= PART_MIN_BYTES {
                return Err(invalid_request(
                    "The specified copy source is not supported as a byte-range copy source",
                ));
            }
            range
        }
    };
    if range.end - range.start > SINGLE_MAX_BYTES {
        return Err(copy_source_too_large());
    }
    Ok(content.slice(range))
}

fn parse_copy_range(text: &str) -> Option<Range<u64>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then(|| first..last.saturating_add(1))
}

/// The parts that the client lists, as uploaded.
///
/// # Errors
/// `MalformedXML` for none, `InvalidPartOrder`, `InvalidPart`, `EntityTooSmall`.
fn chosen_parts<'a>(upload: &'a Upload, claimed: &[CompletedPart]) -> S3Result<Vec<&'a Part>> {
    if claimed.is_empty() {
        return Err(error(
            S3ErrorCode::MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema",
        ));
    }
    let ascending = claimed
        .windows(2)
        .all(|pair| pair[0].part_number < pair[1].part_number);
    if !ascending {
        return Err(error(
            S3ErrorCode::InvalidPartOrder,
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
        ));
    }
    let mut parts = Vec::new();
    for claim in claimed {
        let part = claim
            .part_number
            .and_then(|number| upload.parts.get(&number))
            .filter(|part| fits(claim, part))
            .ok_or_else(|| {
                error(
                    S3ErrorCode::InvalidPart,
                    "One or more of the specified parts could not be found.  The part may not have been uploaded, or \
                     the specified entity tag may not match the part's entity tag.",
                )
            })?;
        parts.push(part);
    }
    let too_small = parts[..parts.len() - 1]
        .iter()
        .any(|part| part.content.len() < PART_MIN_BYTES);
    if too_small {
        return Err(error(
            S3ErrorCode::EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size",
        ));
    }
    Ok(parts)
}

/// Whether the part is the one that the client means: by ETag, and by whatever checksum it names.
fn fits(claim: &CompletedPart, part: &Part) -> bool {
    claim
        .e_tag
        .as_ref()
        .is_some_and(|etag| etag.value() == part.etag())
        && checksum_agrees!(claim, part.checksum.as_ref())
}

/// The object of the parts. Its ETag is the MD5 of the parts' MD5s, and their number.
fn assembled(upload: &Upload, parts: &[&Part]) -> S3Result<Object> {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part.md5);
    }
    let content = Content::sequence(parts.iter().map(|part| part.content.clone()));
    let checksum = match upload.checksum {
        Some((algorithm, Kind::Composite)) => {
            Checksum::composite(algorithm, parts.iter().map(|part| part.checksum.as_ref()))
        }
        Some((algorithm, Kind::FullObject)) => of_content(algorithm, &content)?,
        None => of_content(Algorithm::Crc64Nvme, &content)?,
    };
    Ok(Object {
        etag: format!("{}-{}", hex::encode(md5.finalize()), parts.len()),
        content,
        checksum,
        described: upload.described.clone(),
    })
}
