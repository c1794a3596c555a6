//! Uploaders: files at once, files in parts, and files whose notification is lost.

use anyhow::Context as _;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use workflow::names;

use super::footage::File;
use super::people::People;
use super::truth::Version;
use crate::delivery::DeliveryFaults;

/// An upload in parts.
pub(super) struct Parts {
    upload_id: String,
    key: String,
    file: File,
    order: u64,
}

impl People {
    pub(super) fn upload(&mut self, key: &str, file: File) -> anyhow::Result<()> {
        let order = self.next_order();
        let bucket = &self.stack.raw_bucket;
        let version_id = self
            .aws
            .s3
            .put_synthetic(bucket, key, file.head(), file.size_bytes, file.metadata())?
            .unwrap_or_default();
        self.uploaded(key, version_id, order, file)
    }

    pub(super) async fn begin_parts(
        &mut self,
        number: usize,
        key: String,
        file: File,
    ) -> anyhow::Result<()> {
        let create = self.s3.create_multipart_upload();
        let create = create.bucket(&self.stack.raw_bucket).key(&key);
        let metadata = file.metadata().into_iter().collect();
        let created = create.set_metadata(Some(metadata)).send().await?;
        let upload_id = created.upload_id.context("an upload without an id")?;
        self.stage
            .note(format_args!("upload {upload_id} of {key:?} is begun"));
        let order = self.next_order();
        let parts = Parts {
            upload_id,
            key,
            file,
            order,
        };
        self.parts.insert(number, parts);
        Ok(())
    }

    pub(super) async fn complete_parts(&mut self, number: usize) -> anyhow::Result<()> {
        let Some(parts) = self.parts.remove(&number) else {
            return Ok(());
        };
        let Parts {
            upload_id,
            key,
            file,
            order,
        } = parts;
        let mut bytes = file.head().to_vec();
        bytes.resize(bytes.len().max(usize::try_from(file.size_bytes)?), 0);
        let bucket = &self.stack.raw_bucket;
        let part = self.s3.upload_part().bucket(bucket).key(&key);
        let part = part.upload_id(&upload_id).part_number(1);
        let part = part.body(bytes.into()).send().await?;
        let part = CompletedPart::builder()
            .part_number(1)
            .set_e_tag(part.e_tag)
            .build();
        let all = CompletedMultipartUpload::builder().parts(part).build();
        let complete = self.s3.complete_multipart_upload().bucket(bucket).key(&key);
        let complete = complete.upload_id(upload_id).multipart_upload(all);
        let version_id = complete.send().await?.version_id;
        let version_id = version_id.context("a version without an id")?;
        self.uploaded(&key, version_id, order, file)
    }

    /// Notes what was uploaded.
    fn uploaded(
        &self,
        key: &str,
        version_id: String,
        order: u64,
        file: File,
    ) -> anyhow::Result<()> {
        let bucket = &self.stack.raw_bucket;
        let execution = names::execution_name(bucket, key, &version_id);
        self.stage.note(format_args!(
            "upload of {key:?} as {version_id}: {:?}, {} bytes, {} ms, execution {execution}",
            file.footage, file.size_bytes, file.duration_ms
        ));
        let version = Version {
            key: key.to_owned(),
            digest: self.aws.s3.digest(bucket, key, Some(&version_id))?,
            id: version_id,
            order,
            file,
            deleted_ms: None,
            execution_arn: self.stack.execution_arn(&execution),
            execution,
            stopped_ms: Vec::new(),
            redriven_ms: Vec::new(),
            jobs: Vec::new(),
            copied_ms: Vec::new(),
            statuses: Vec::new(),
        };
        let (id, tags) = (Some(version.id.as_str()), version.user_tags());
        self.aws.s3.set_tags(bucket, key, id, tags)?;
        self.stage.lock().truth.add(version);
        Ok(())
    }

    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// An upload whose notification is lost.
    pub(super) fn upload_untold(&mut self, key: &str, file: File) -> anyhow::Result<()> {
        let faults = self.aws.sns.faults();
        self.aws.sns.set_faults(DeliveryFaults {
            lost: 1.0,
            ..faults
        });
        let uploaded = self.upload(key, file);
        self.aws.sns.set_faults(faults);
        uploaded
    }
}
