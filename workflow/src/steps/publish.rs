//! Publishing an approved version: newest wins, and a noted copy counts as published.
//!
//! A pass reads the key's head and changes at most one thing; passes are repeated until one changes nothing. See
//! ARCHITECTURE.md, "Publish", for why each clause is needed.

use std::cmp::Ordering;

use aws_sdk_s3::types::EncodingType;

use super::copy::{self, Copied, Source};
use super::work::Work;
use crate::errors::{CallError, Operation};
use crate::event::decode_key;
use crate::gate::{Described, Gate, StepError};
use crate::ledger::{Head, LedgerError, Stored, Swap};
use crate::names;

/// Passes of one invocation. Each pass that changes something answers to another version's, of which there are few.
const PASSES_MAX: u32 = 16;

/// What became of an approved version.
#[derive(Debug)]
pub(crate) enum Publication {
    /// The approved bucket is as it should be.
    Done,
    /// The execution had ended before a copy was noted: nothing was copied, nothing will be.
    Stopped,
    /// The version is no longer in the raw bucket, and no copy of it was noted.
    Gone,
}

/// What one pass did.
enum Pass {
    Changed,
    Settled,
    Stopped,
    Gone,
}

pub(crate) async fn publish(work: &mut Work<'_>) -> Result<Publication, StepError> {
    for _ in 0..PASSES_MAX {
        match pass(work).await? {
            Pass::Changed => {}
            Pass::Settled => return Ok(Publication::Done),
            Pass::Stopped => return Ok(Publication::Stopped),
            Pass::Gone => return Ok(Publication::Gone),
        }
    }
    Err(contended(work))
}

fn contended(work: &Work<'_>) -> StepError {
    StepError::Ledger(LedgerError::Contended {
        key: names::head_key(&work.record().video.key),
    })
}

/// What is left of the copies of a closed execution: its own is finished, if one was noted; else only what the head names is put
/// back, should a late copy have replaced it. Nothing else is published, even if the execution runs again by now.
pub(crate) async fn finish(work: &mut Work<'_>) -> Result<(), StepError> {
    if work.record().is_published() {
        publish(work).await?;
        return Ok(());
    }
    let key = names::head_key(&work.record().video.key);
    for _ in 0..PASSES_MAX {
        let Some(head) = work.gate.ledger.get::<Head>(&key).await? else {
            return Ok(());
        };
        if !matches!(repair(work, &head.value).await?, Pass::Changed) {
            return Ok(());
        }
    }
    Err(contended(work))
}

async fn pass(work: &mut Work<'_>) -> Result<Pass, StepError> {
    let gate = work.gate;
    let video = work.record().video.clone();
    let head = gate
        .ledger
        .get::<Head>(&names::head_key(&video.key))
        .await?;
    let source = copy::source(gate, &video.key, &video.version_id, &video.etag).await?;
    match head {
        Some(head) if names_this_or_newer(gate, &head.value, work, source.as_ref()).await? => {
            repair(work, &head.value).await
        }
        head => {
            let Some(source) = source else {
                // The bytes that were scanned are gone: there is nothing to copy, and nothing else may be.
                return Ok(if work.record().is_published() {
                    Pass::Settled
                } else {
                    Pass::Gone
                });
            };
            copy_own(work, head, &source).await
        }
    }
}

async fn names_this_or_newer(
    gate: &Gate,
    head: &Head,
    work: &Work<'_>,
    own: Option<&Source>,
) -> Result<bool, StepError> {
    let video = &work.record().video;
    if head.version_id == video.version_id {
        return Ok(true);
    }
    let order = newer(
        gate,
        &video.key,
        (&head.version_id, Some(head.last_modified_ms)),
        (&video.version_id, own.map(|source| source.last_modified_ms)),
    )
    .await?;
    Ok(order == Ordering::Greater)
}

/// The head names this version or a newer one: the destination must carry what the head says, or be taken down.
async fn repair(work: &mut Work<'_>, head: &Head) -> Result<Pass, StepError> {
    let gate = work.gate;
    match copy::carried_version(gate, &head.object_key).await? {
        // An absent destination is the operator's takedown, and stays.
        None => return Ok(Pass::Settled),
        Some(carried) if carried.as_deref() == Some(head.version_id.as_str()) => {
            return Ok(Pass::Settled);
        }
        Some(_) => {}
    }
    let Some(source) = copy::source(gate, &head.object_key, &head.version_id, &head.etag).await?
    else {
        return Ok(Pass::Settled);
    };
    let now_ms = gate.now_ms();
    work.write(&mut |record| record.copying.note(false, now_ms))
        .await?;
    let content_type = head.content_type.clone();
    match copy::copy(work, &source, content_type.as_deref()).await? {
        Copied::Done => work.copy_answered(),
        Copied::SourceGone => {
            work.copy_answered();
            return Ok(Pass::Settled);
        }
    }
    Ok(Pass::Changed)
}

/// The head names an older version or none: copy this one, then raise the head.
async fn copy_own(
    work: &mut Work<'_>,
    head: Option<Stored<Head>>,
    source: &Source,
) -> Result<Pass, StepError> {
    let gate = work.gate;
    if !work.record().is_published() {
        // A stop or expiry that is visible now prevents the copy; one that comes later is too late.
        let described = gate.describe(&work.record().execution_arn).await?;
        if described.as_ref().is_none_or(Described::is_closed) {
            return Ok(Pass::Stopped);
        }
    }
    let now_ms = gate.now_ms();
    work.write(&mut |record| record.copying.note(true, now_ms))
        .await?;
    let content_type = work
        .record()
        .media
        .as_ref()
        .and_then(|media| media.content_type.clone());
    match copy::copy(work, source, content_type.as_deref()).await? {
        Copied::Done => work.copy_answered(),
        Copied::SourceGone => {
            work.copy_answered();
            return Ok(Pass::Settled);
        }
    }
    raise(work, head, source, content_type).await?;
    // Whether the head was raised or somebody else raised it meanwhile: the next pass looks again.
    Ok(Pass::Changed)
}

async fn raise(
    work: &Work<'_>,
    head: Option<Stored<Head>>,
    source: &Source,
    content_type: Option<String>,
) -> Result<(), StepError> {
    let record = work.record();
    let raised = Head {
        schema_version: head.as_ref().map_or(0, |head| head.value.schema_version),
        revision: head.as_ref().map_or(0, |head| head.value.revision),
        nonce: String::new(),
        object_key: record.video.key.clone(),
        version_id: record.video.version_id.clone(),
        etag: record.video.etag.clone(),
        size_bytes: source.size_bytes,
        last_modified_ms: source.last_modified_ms,
        content_type,
        execution: record.execution.clone(),
        unknown: head
            .as_ref()
            .map(|head| head.value.unknown.clone())
            .unwrap_or_default(),
    };
    let key = names::head_key(&record.video.key);
    let _: Swap<Stored<Head>> = match head {
        Some(head) => work.gate.ledger.replace(&key, raised, &head.etag).await?,
        None => work.gate.ledger.create(&key, raised).await?,
    };
    Ok(())
}

/// Orders two versions of a raw key, the newer one greater, by S3's own version order: the order of ListObjectVersions,
/// newest first (S3 user guide, "Listing objects in a versioning-enabled bucket"), in which a multipart upload is as old as its
/// start. Versions that are no longer listed are ordered by LastModified; a tie counts the first as older.
async fn newer(
    gate: &Gate,
    key: &str,
    first: (&str, Option<i64>),
    second: (&str, Option<i64>),
) -> Result<Ordering, StepError> {
    let mut first_place = None;
    let mut second_place = None;
    let mut place = 0_usize;
    let (mut key_marker, mut version_marker) = (None, None);
    'pages: loop {
        let page = gate
            .s3
            .list_object_versions()
            .bucket(&gate.config.ingest.raw_bucket)
            .prefix(key)
            // Without it a key with control characters makes the answer unreadable XML.
            .encoding_type(EncodingType::Url)
            .set_key_marker(key_marker)
            .set_version_id_marker(version_marker)
            .send()
            .await
            .map_err(|error| CallError::new(Operation::RawListVersions, &error))?;
        for version in page.versions.unwrap_or_default() {
            if version.key.as_deref().and_then(decode_key).as_deref() != Some(key) {
                // Of all keys with this prefix the key itself sorts first.
                break 'pages;
            }
            match version.version_id.as_deref() {
                Some(id) if id == first.0 => first_place = Some(place),
                Some(id) if id == second.0 => second_place = Some(place),
                _ => {}
            }
            place += 1;
        }
        if first_place.is_some() && second_place.is_some() || page.is_truncated != Some(true) {
            break;
        }
        key_marker = page.next_key_marker.as_deref().and_then(decode_key);
        version_marker = page.next_version_id_marker;
    }
    Ok(match (first_place, second_place) {
        // Nearer to the front of the list is newer.
        (Some(first), Some(second)) => second.cmp(&first),
        _ => match first.1.cmp(&second.1) {
            Ordering::Equal => Ordering::Less,
            order => order,
        },
    })
}
