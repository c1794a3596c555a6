//! Pre-flight: reads the file's own boxes before a job is paid for.

use super::work::Work;
use crate::errors::{CallError, Operation};
use crate::gate::StepError;
use crate::ledger::{Media, Unknown};
use crate::preflight::{Finding, Preflight, Step};

/// What pre-flight learned.
#[derive(Debug)]
pub(crate) struct Inspection {
    /// What it makes of the file.
    pub(crate) found: Inspected,
    /// S3's time of the version, in milliseconds since 1970.
    pub(crate) uploaded_ms: Option<i64>,
}

/// What pre-flight makes of a file.
#[derive(Debug)]
pub(crate) enum Inspected {
    /// Rekognition is asked; what could not be parsed included.
    Acceptable(Media),
    /// Rekognition cannot moderate it, and this is why, for people.
    Unsupported(String),
}

pub(crate) async fn inspect(work: &Work<'_>) -> Result<Inspection, StepError> {
    let mut uploaded_ms = None;
    let found = find(work, &mut uploaded_ms).await?;
    Ok(Inspection { found, uploaded_ms })
}

async fn find(work: &Work<'_>, uploaded_ms: &mut Option<i64>) -> Result<Inspected, StepError> {
    let video = &work.record().video;
    let mut preflight = Preflight::new(video.size_bytes);
    loop {
        match preflight.next() {
            Step::Read { offset, len } => match read(work, offset, len, uploaded_ms).await? {
                Some(bytes) => preflight.feed(offset, &bytes),
                None => {
                    return Ok(Inspected::Unsupported(
                        "the video was deleted before it was moderated".to_owned(),
                    ));
                }
            },
            Step::Done(Finding::Acceptable(media)) => {
                return Ok(Inspected::Acceptable(Media {
                    content_type: Some(media.container.content_type().to_owned()),
                    duration_ms: media.duration_ms,
                    unknown: Unknown::new(),
                }));
            }
            Step::Done(Finding::Unknown { why, container }) => {
                tracing::info!(
                    object_key = video.key,
                    why,
                    "pre-flight leaves the file to Rekognition"
                );
                return Ok(Inspected::Acceptable(Media {
                    content_type: container.map(|container| container.content_type().to_owned()),
                    duration_ms: None,
                    unknown: Unknown::new(),
                }));
            }
            Step::Done(Finding::Unsupported { reason }) => {
                return Ok(Inspected::Unsupported(reason.to_string()));
            }
        }
    }
}

/// Reads a range of the pinned version; None if the version is gone.
async fn read(
    work: &Work<'_>,
    offset: u64,
    len: usize,
    uploaded_ms: &mut Option<i64>,
) -> Result<Option<Vec<u8>>, StepError> {
    let video = &work.record().video;
    let last = offset + len as u64 - 1;
    let answer = work
        .gate
        .s3
        .get_object()
        .bucket(&work.gate.config.ingest.raw_bucket)
        .key(&video.key)
        .version_id(&video.version_id)
        .if_match(&video.etag)
        .range(format!("bytes={offset}-{last}"))
        .send()
        .await;
    let output = match answer {
        Ok(output) => output,
        Err(error) => {
            let error = CallError::new(Operation::RawGet, &error);
            return if error.is_absent() {
                Ok(None)
            } else {
                Err(error.into())
            };
        }
    };
    *uploaded_ms = output.last_modified.and_then(|time| time.to_millis().ok());
    let bytes = output.body.collect().await.map_err(|error| CallError {
        operation: Operation::RawGet,
        disposition: crate::errors::Disposition::Unknown,
        code: None,
        message: error.to_string(),
    })?;
    Ok(Some(bytes.to_vec()))
}
