//! Listings of uploads in progress and of their parts.

use s3s::S3Result;
use s3s::dto::{
    self, ETag, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput,
    ListPartsOutput, MultipartUpload,
};

use super::Core;
use super::buckets::owner;
use super::checksum::set_checksum;
use super::errors::not_implemented;
use super::list::{Encoding, page_size, to_i32};
use super::object::to_i64;
use super::store::Part;

impl Core {
    pub(super) fn list_parts(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        let max = page_size("max-parts", input.max_parts)?;
        let marker = input.part_number_marker.unwrap_or_default();
        let state = self.state();
        let upload = state
            .bucket(&input.bucket)?
            .upload(&input.key, &input.upload_id)?;
        let mut behind = upload.parts.range(marker.saturating_add(1)..);
        let parts: Vec<dto::Part> = behind
            .by_ref()
            .take(max)
            .map(|(number, part)| part_entry(*number, part))
            .collect();
        Ok(ListPartsOutput {
            checksum_algorithm: upload
                .checksum
                .map(|(algorithm, _)| dto::ChecksumAlgorithm::from_static(algorithm.name())),
            checksum_type: upload
                .checksum
                .map(|(_, kind)| dto::ChecksumType::from_static(kind.name())),
            is_truncated: Some(behind.next().is_some()),
            next_part_number_marker: parts.last().and_then(|part| part.part_number),
            parts: Some(parts),
            bucket: Some(input.bucket),
            key: Some(input.key),
            max_parts: Some(to_i32(max)),
            owner: Some(owner()),
            part_number_marker: Some(marker),
            storage_class: Some(dto::StorageClass::from_static(dto::StorageClass::STANDARD)),
            upload_id: Some(input.upload_id),
            ..ListPartsOutput::default()
        })
    }

    /// Ordered by key, the uploads of a key by their initiation.
    pub(super) fn list_uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        if input.delimiter.is_some() {
            return Err(not_implemented("delimiter of ListMultipartUploads"));
        }
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let max = page_size("max-uploads", input.max_uploads)?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let state = self.state();
        let bucket = state.bucket(&input.bucket)?;
        let place = |id: &str| {
            let upload = bucket.uploads.get(id)?;
            Some((upload.key.clone(), upload.order))
        };
        let key_marker = input.key_marker.clone().filter(|text| !text.is_empty());
        let after = key_marker.map(|key| {
            input
                .upload_id_marker
                .as_deref()
                .and_then(place)
                .filter(|(marked, _)| *marked == key)
                .unwrap_or((key, u64::MAX))
        });
        let mut found: Vec<_> = bucket
            .uploads
            .iter()
            .filter(|(_, upload)| upload.key.starts_with(prefix))
            .map(|(id, upload)| ((upload.key.clone(), upload.order), id, upload))
            .filter(|(place, ..)| after.as_ref().is_none_or(|after| place > after))
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let truncated = found.len() > max;
        found.truncate(max);
        let last = found.last().filter(|_| truncated);
        Ok(ListMultipartUploadsOutput {
            is_truncated: Some(truncated),
            next_key_marker: last.map(|(_, _, upload)| encoding.text(&upload.key)),
            next_upload_id_marker: last.map(|(_, id, _)| (*id).clone()),
            uploads: Some(
                found
                    .iter()
                    .map(|(_, id, upload)| MultipartUpload {
                        checksum_algorithm: upload.checksum.map(|(algorithm, _)| {
                            dto::ChecksumAlgorithm::from_static(algorithm.name())
                        }),
                        checksum_type: upload
                            .checksum
                            .map(|(_, kind)| dto::ChecksumType::from_static(kind.name())),
                        initiated: Some(upload.initiated.into()),
                        key: Some(encoding.text(&upload.key)),
                        owner: Some(owner()),
                        storage_class: Some(dto::StorageClass::from_static(
                            dto::StorageClass::STANDARD,
                        )),
                        upload_id: Some((*id).clone()),
                        ..MultipartUpload::default()
                    })
                    .collect(),
            ),
            prefix: Some(encoding.text(prefix)),
            bucket: Some(input.bucket),
            encoding_type: input.encoding_type,
            key_marker: input.key_marker.map(|key| encoding.text(&key)),
            max_uploads: Some(to_i32(max)),
            upload_id_marker: input.upload_id_marker,
            ..ListMultipartUploadsOutput::default()
        })
    }
}

fn part_entry(number: i32, part: &Part) -> dto::Part {
    let mut entry = dto::Part {
        e_tag: Some(ETag::Strong(part.etag())),
        last_modified: Some(part.last_modified.into()),
        part_number: Some(number),
        size: Some(to_i64(part.content.len())),
        ..dto::Part::default()
    };
    set_checksum!(entry, part.checksum.as_ref());
    entry
}
