//! Uploads videos and follows each of them to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sfn::types::ExecutionStatus;
use futures::StreamExt as _;
use tokio::time::{Instant, MissedTickBehavior};
use workflow::ledger::Phase;
use workflow::names;

use super::display::{Display, Stage};
use super::outcome::{self, Outcome, Verdict};
use super::session::Session;
use super::videos::Video;

/// Uploads side by side.
const UPLOADS_AT_ONCE: usize = 8;

/// How often the executions are looked at, in real time.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Executions a page of ListExecutions (Step Functions API reference: at most 1000).
const EXECUTIONS_PAGE: i32 = 1000;

/// Uploads all videos and waits until each has settled, or until nothing has changed for as long as `patience`. Returns how each
/// ended, in the order of the videos.
///
/// # Errors
/// When the sandbox does not answer as it should, or a file cannot be read or a report written.
pub(super) async fn follow(
    session: &Session,
    videos: &[Video],
    reports: &Path,
    patience: Duration,
) -> anyhow::Result<Vec<Outcome>> {
    let mut follower = Follower {
        session,
        videos,
        reports,
        tracks: videos.iter().map(|_| Track::default()).collect(),
        display: Display::new(videos.iter().map(|video| video.key.as_str())),
        changed: Instant::now(),
    };
    let result = follower.run(patience).await;
    follower.display.finish();
    result?;
    follower.finish().await
}

struct Follower<'a> {
    session: &'a Session,
    videos: &'a [Video],
    reports: &'a Path,
    tracks: Vec<Track>,
    display: Display,
    changed: Instant,
}

/// What is known of one video.
#[derive(Debug, Default)]
struct Track {
    /// Name of its execution, once it is uploaded, and when that was.
    uploaded: Option<(String, Instant)>,
    stage: Option<Stage>,
    outcome: Option<Outcome>,
}

impl Follower<'_> {
    async fn run(&mut self, patience: Duration) -> anyhow::Result<()> {
        let (session, videos) = (self.session, self.videos);
        let mut uploads = futures::stream::iter(videos.iter().enumerate())
            .map(|(index, video)| async move { (index, upload(session, video).await) })
            .buffer_unordered(UPLOADS_AT_ONCE);
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some((index, execution)) = uploads.next() => self.uploaded(index, execution?),
                _ = look.tick() => {
                    self.look().await?;
                    self.display.tick();
                }
            }
            let settled = self.tracks.iter().all(|track| track.outcome.is_some());
            if settled || self.changed.elapsed() > patience {
                return Ok(());
            }
        }
    }

    fn uploaded(&mut self, index: usize, execution: String) {
        let now = Instant::now();
        self.tracks[index].uploaded = Some((execution, now));
        self.stage(index, Stage::Uploaded);
    }

    /// Looks at every execution that is not settled.
    async fn look(&mut self) -> anyhow::Result<()> {
        let uploads = self
            .tracks
            .iter()
            .filter(|track| track.uploaded.is_some())
            .count();
        if uploads == 0 {
            return Ok(());
        }
        let ingested = self.session.ingested(u64::try_from(uploads)?);
        let statuses = self.session.executions().await?;
        let records = self.session.records().await?;
        for index in 0..self.tracks.len() {
            let track = &self.tracks[index];
            let (Some((execution, _)), None) = (&track.uploaded, &track.outcome) else {
                continue;
            };
            let execution = execution.clone();
            match statuses.get(&execution) {
                None => {
                    if let Some((verdict, why)) = self.videos[index].decided()
                        && ingested
                    {
                        self.settle(index, Outcome::of(verdict, why.to_owned()));
                    }
                }
                Some(ExecutionStatus::Running) => {
                    let stage = self.running(&execution, &records).await?;
                    self.stage(index, stage);
                }
                Some(_) => {
                    let video = &self.videos[index];
                    match outcome::of_execution(self.session, video, &execution, self.reports)
                        .await?
                    {
                        Some(outcome) => self.settle(index, outcome),
                        None => self.stage(index, Stage::Reporting),
                    }
                }
            }
        }
        Ok(())
    }

    /// How far a running execution has come, as its record says.
    async fn running(&self, execution: &str, records: &BTreeSet<String>) -> anyhow::Result<Stage> {
        let key = names::record_key(execution);
        if !records.contains(&key) {
            return Ok(Stage::Waiting);
        }
        Ok(match self.session.phase(&key).await? {
            Some(Phase::Queued) => Stage::Taken,
            Some(Phase::Running) => Stage::Scanning,
            // Deleted since it was listed: nothing but its execution is left to close.
            Some(Phase::Judged | Phase::Sent) | None => Stage::Judged,
        })
    }

    fn stage(&mut self, index: usize, stage: Stage) {
        if self.tracks[index].stage.replace(stage) != Some(stage) {
            self.changed = Instant::now();
        }
        self.display.set(index, stage, None);
    }

    fn settle(&mut self, index: usize, mut outcome: Outcome) {
        let track = &mut self.tracks[index];
        outcome.elapsed = track
            .uploaded
            .as_ref()
            .map(|(_, at)| at.elapsed())
            .unwrap_or_default();
        self.display
            .set(index, Stage::Settled, Some(outcome.verdict));
        track.outcome = Some(outcome);
        self.changed = Instant::now();
    }

    /// Looks once more at what was ignored, and says of the others where they got stuck.
    async fn finish(self) -> anyhow::Result<Vec<Outcome>> {
        let statuses = self.session.executions().await?;
        let mut outcomes = Vec::with_capacity(self.tracks.len());
        for (video, track) in self.videos.iter().zip(self.tracks) {
            let mut outcome = track.outcome.unwrap_or_else(|| {
                let stage = track.stage.unwrap_or(Stage::Uploading);
                Outcome::of(Verdict::Unsettled, format!("stuck: {stage}"))
            });
            if outcome.verdict == Verdict::Ignored {
                let execution = track
                    .uploaded
                    .map(|(execution, _)| execution)
                    .unwrap_or_default();
                if statuses.contains_key(&execution) {
                    outcome
                        .contradictions
                        .push("it has an execution all the same".to_owned());
                }
                let approved =
                    outcome::check_approved(self.session, video, outcome.verdict).await?;
                outcome.contradictions.extend(approved);
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }
}

/// Uploads a video and returns the name of the execution that its version gets.
async fn upload(session: &Session, video: &Video) -> anyhow::Result<String> {
    let context = || format!("uploading {}", video.path.display());
    let bucket = &session.stack.raw_bucket;
    let body = ByteStream::from_path(&video.path)
        .await
        .with_context(context)?;
    let put = session
        .operator
        .s3
        .put_object()
        .bucket(bucket)
        .key(&video.key);
    let put = put.body(body).send().await.with_context(context)?;
    let version_id = put.version_id.context("the raw bucket gave no version")?;
    Ok(names::execution_name(bucket, &video.key, &version_id))
}

impl Session {
    /// Status of every execution, by its name.
    async fn executions(&self) -> anyhow::Result<BTreeMap<String, ExecutionStatus>> {
        let list = self.operator.sfn.list_executions();
        let mut pages = list
            .state_machine_arn(&self.stack.state_machine_arn)
            .max_results(EXECUTIONS_PAGE)
            .into_paginator()
            .send();
        let mut statuses = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.context("ListExecutions")?;
            statuses.extend(
                page.executions
                    .into_iter()
                    .map(|execution| (execution.name, execution.status)),
            );
        }
        Ok(statuses)
    }

    /// Keys of all records.
    async fn records(&self) -> anyhow::Result<BTreeSet<String>> {
        let list = self.operator.s3.list_objects_v2();
        let mut pages = list
            .bucket(&self.stack.ledger_bucket)
            .prefix(names::RECORDS_PREFIX)
            .into_paginator()
            .send();
        let mut keys = BTreeSet::new();
        while let Some(page) = pages.next().await {
            let page = page.context("ListObjectsV2 of the ledger")?;
            keys.extend(
                page.contents
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|object| object.key),
            );
        }
        Ok(keys)
    }

    /// The phase of a record; None if it is gone. Nothing else of it is read: it holds the task token.
    async fn phase(&self, key: &str) -> anyhow::Result<Option<Phase>> {
        #[derive(serde::Deserialize)]
        struct Record {
            phase: Phase,
        }
        let Some(bytes) = self.ledger_object(key).await? else {
            return Ok(None);
        };
        let record: Record =
            serde_json::from_slice(&bytes).with_context(|| format!("{key} is malformed"))?;
        Ok(Some(record.phase))
    }
}
