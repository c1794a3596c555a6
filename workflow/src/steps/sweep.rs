//! Sweep: walks the raw bucket and starts an execution for every version that has none: lost upload events come back, and
//! asked for explicitly it is the backfill of an existing bucket.

use std::collections::BTreeSet;

use aws_sdk_s3::types::EncodingType;
use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use super::ingest::{Ingest, Ingested};
use crate::clock::Deadline;
use crate::errors::{CallError, Operation};
use crate::event::{ExecutionInput, SweepCommand, decode_key};
use crate::gate::{Gate, StepError};
use crate::ledger::{Document, Stored, Swap, Unknown};
use crate::names;

/// Where an unfinished sweep is noted, so that the next tick of the leftovers goes on with it.
pub const CURSOR_KEY: &str = "sweep.json";

/// Time that one page may take: with less left the sweep stops and is resumed.
const PAGE_MS: i64 = 30_000;

/// Versions that are looked at side by side. One after the other, the thousand of a page would take minutes, at 0.1 s for each answer of S3;
/// and StartExecution's quota, 150 a second in smaller regions, is left to uploads.
const VERSIONS_AT_ONCE: usize = 16;

/// Pages of executions that a sweep reads before all else: what has one is not lost, and need not be asked after. Of 200 calls that
/// ListExecutions takes at once (Step Functions developer guide, "Quotas") the ticks keep half.
const EXECUTION_PAGES_MAX: usize = 100;

const DAY_MS: i64 = 86_400_000;

/// How far a sweep came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Schema version of this document.
    pub schema_version: u32,
    /// One more at every write.
    pub revision: u64,
    /// Who wrote this state.
    pub nonce: String,
    /// Versions older than this are left alone, in milliseconds since 1970.
    pub not_before_ms: i64,
    /// Only keys that begin with this.
    pub prefix: String,
    /// Where the next page begins.
    #[serde(default)]
    pub key_marker: Option<String>,
    /// Where the next page begins.
    #[serde(default)]
    pub version_id_marker: Option<String>,
    /// Fields that a newer version of this schema added: kept as they are.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Document for Cursor {
    fn schema_version(&self) -> u32 {
        self.schema_version
    }

    fn stamp(&mut self, schema_version: u32, nonce: String) {
        self.schema_version = schema_version;
        self.revision += 1;
        self.nonce = nonce;
    }

    fn nonce(&self) -> &str {
        &self.nonce
    }
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Versions looked at.
    pub versions: usize,
    /// Executions started.
    pub started: usize,
    /// Whether the end of the bucket was reached.
    pub complete: bool,
}

/// Begins a sweep, and goes as far as time allows. One that is under way is replaced; but a command that asks for nothing in particular,
/// as the schedule's does, first brings that to its end: it may be a backfill, which reaches further.
///
/// # Errors
/// [`StepError`]; the cursor stays where it was, so the next sweep begins there.
#[must_use = "a step does nothing until it is awaited"]
pub fn begin<'a>(
    gate: &'a Gate,
    deadline: Deadline,
    command: &'a SweepCommand,
) -> BoxFuture<'a, Result<Swept, StepError>> {
    Box::pin(begin_over(gate, deadline, command))
}

async fn begin_over(
    gate: &Gate,
    deadline: Deadline,
    command: &SweepCommand,
) -> Result<Swept, StepError> {
    let mut before = Swept::default();
    let mut under_way = gate.ledger.get::<Cursor>(CURSOR_KEY).await?;
    if *command == SweepCommand::default()
        && let Some(stored) = under_way.take()
    {
        before = walk(gate, deadline, stored).await?;
        if !before.complete {
            return Ok(before);
        }
    }
    let window_ms = command
        .window_days
        .map_or(gate.config.sweep_window_ms, |days| i64::from(days) * DAY_MS);
    let cursor = Cursor {
        schema_version: 0,
        revision: 0,
        nonce: String::new(),
        not_before_ms: if command.backfill {
            i64::MIN
        } else {
            gate.now_ms() - window_ms
        },
        prefix: command.prefix.clone().unwrap_or_default(),
        key_marker: command.key_marker.clone(),
        version_id_marker: command.version_id_marker.clone(),
        unknown: Unknown::new(),
    };
    let stored = match under_way {
        Some(stored) => {
            gate.ledger
                .replace(CURSOR_KEY, cursor, &stored.etag)
                .await?
        }
        None => gate.ledger.create(CURSOR_KEY, cursor).await?,
    };
    let swept = match stored {
        Swap::Done(stored) => walk(gate, deadline, stored).await?,
        // Another one began at this moment, and walks the same bucket.
        Swap::Lost => Swept::default(),
    };
    Ok(Swept {
        versions: before.versions + swept.versions,
        started: before.started + swept.started,
        complete: swept.complete,
    })
}

/// Goes on with a sweep that ran out of time, if there is one.
///
/// # Errors
/// [`StepError`].
pub async fn resume(gate: &Gate, deadline: Deadline) -> Result<Option<Swept>, StepError> {
    match gate.ledger.get::<Cursor>(CURSOR_KEY).await? {
        Some(stored) => walk(gate, deadline, stored).await.map(Some),
        None => Ok(None),
    }
}

async fn walk(
    gate: &Gate,
    deadline: Deadline,
    mut stored: Stored<Cursor>,
) -> Result<Swept, StepError> {
    let ingest = Ingest {
        config: gate.config.ingest.clone(),
        sfn: gate.sfn.clone(),
    };
    let begun = begun_since(gate, stored.value.not_before_ms).await?;
    let mut swept = Swept::default();
    while deadline.left_ms(&*gate.clock) > PAGE_MS.min(gate.config.lease_margin_ms / 2) {
        let page = page(gate, &stored.value).await?;
        let looks: Vec<_> = page
            .videos
            .iter()
            .filter(|video| !begun.contains(&video.execution_name()))
            .map(|video| start_missing(gate, &ingest, video))
            .collect();
        let started: Vec<bool> = futures::stream::iter(looks)
            .buffer_unordered(VERSIONS_AT_ONCE)
            .try_collect()
            .await?;
        swept.versions += page.videos.len();
        swept.started += started.into_iter().filter(|started| *started).count();
        let Some((key_marker, version_id_marker)) = page.next else {
            gate.ledger.delete(&stored.key, &stored.etag).await?;
            swept.complete = true;
            break;
        };
        let next = Cursor {
            key_marker,
            version_id_marker,
            ..stored.value
        };
        stored = match gate.ledger.replace(CURSOR_KEY, next, &stored.etag).await? {
            Swap::Done(stored) => stored,
            // A newer sweep took over.
            Swap::Lost => break,
        };
    }
    tracing::info!(
        versions = swept.versions,
        started = swept.started,
        complete = swept.complete,
        "sweep"
    );
    Ok(swept)
}

/// Names of the executions that began since then, whatever became of them: as far as so many pages tell, or as a throttled listing got.
async fn begun_since(gate: &Gate, since_ms: i64) -> Result<BTreeSet<String>, StepError> {
    let mut names = BTreeSet::new();
    let mut token = None;
    for _ in 0..EXECUTION_PAGES_MAX {
        let page = match gate.list_executions(None, token).await {
            Ok(page) => page,
            Err(error) if error.is_throttled() => break,
            Err(error) => return Err(error.into()),
        };
        // The most recent come first (Step Functions API reference, ListExecutions). One in the wrong place ends the listing too early, and
        // what is not listed is asked after.
        let oldest_ms = page
            .executions
            .last()
            .and_then(|last| last.start_date.to_millis().ok());
        names.extend(page.executions.into_iter().map(|execution| execution.name));
        token = page.next_token;
        if token.is_none() || oldest_ms.is_some_and(|oldest_ms| oldest_ms < since_ms) {
            break;
        }
    }
    Ok(names)
}

/// Starts an execution of a version that has neither a report nor an execution. Returns whether it did.
async fn start_missing(
    gate: &Gate,
    ingest: &Ingest,
    video: &ExecutionInput,
) -> Result<bool, StepError> {
    let report_key = names::report_key(&video.execution_name());
    if gate.ledger.exists(&report_key).await? {
        return Ok(false);
    }
    Ok(ingest.start(video).await? == Ingested::Started)
}

struct Page {
    videos: Vec<ExecutionInput>,
    next: Option<(Option<String>, Option<String>)>,
}

async fn page(gate: &Gate, cursor: &Cursor) -> Result<Page, StepError> {
    let bucket = &gate.config.ingest.raw_bucket;
    let output = gate
        .s3
        .list_object_versions()
        .bucket(bucket)
        .prefix(&cursor.prefix)
        // Without it a key with control characters makes the answer unreadable XML.
        .encoding_type(EncodingType::Url)
        .set_key_marker(cursor.key_marker.clone())
        .set_version_id_marker(cursor.version_id_marker.clone())
        .send()
        .await
        .map_err(|error| CallError::new(Operation::RawListVersions, &error))?;
    let videos = output
        .versions
        .unwrap_or_default()
        .into_iter()
        .filter(|version| {
            let modified_ms = version
                .last_modified
                .and_then(|time| time.to_millis().ok())
                .unwrap_or(i64::MAX);
            modified_ms >= cursor.not_before_ms
        })
        .filter_map(|version| {
            let size_bytes = u64::try_from(version.size?).ok()?;
            let key = decode_key(&version.key?)?;
            // As ingest does: empty objects are no videos, folder markers among them; without a version nothing can be pinned.
            let version_id = version.version_id.filter(|id| id != "null")?;
            let etag = version.e_tag.unwrap_or_default();
            (size_bytes > 0)
                .then(|| ExecutionInput::new(bucket, key, version_id, &etag, size_bytes))
        })
        .collect();
    let truncated = output.is_truncated == Some(true);
    Ok(Page {
        videos,
        next: truncated.then(|| {
            (
                output.next_key_marker.as_deref().and_then(decode_key),
                output.next_version_id_marker,
            )
        }),
    })
}
