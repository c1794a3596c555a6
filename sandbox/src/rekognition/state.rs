//! All that the service remembers: jobs, request tokens and page tokens, each for as long as AWS does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::Faults;
use super::labels::Detection;
use super::rows::{Aggregate, Row, Sort};

/// How long results are kept, and how long a ClientRequestToken lives (Rekognition developer guide, "Calling Amazon
/// Rekognition Video operations"): 7 days.
pub(super) const RETENTION: Duration = Duration::from_hours(7 * 24);

/// How long a page token lives (developer guide, Guidelines and quotas): 24 hours.
pub(super) const PAGE_TTL: Duration = Duration::from_hours(24);

/// Results whose rows are kept at hand, since their pages are mostly asked for one after the other.
const RECENT_MAX: usize = 8;

/// Where a job's end is told.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) topic_arn: String,
    /// The role that publishes there.
    pub(super) role_arn: String,
}

/// A job that was started.
#[derive(Debug)]
pub(super) struct Job {
    /// The first job ever started is 1.
    pub(super) number: u64,
    pub(super) tag: Option<String>,
    /// `{"S3Object": …}` as it was asked for.
    pub(super) video: Value,
    pub(super) min_confidence: f32,
    pub(super) channel: Option<Channel>,
    pub(super) outcome: Arc<Outcome>,
    pub(super) ended: bool,
}

/// What comes of a job once it has run.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Succeeded {
        /// VideoMetadata.
        metadata: Value,
        model_version: String,
        detections: Vec<Detection>,
    },
    Failed {
        /// StatusMessage.
        message: String,
    },
}

/// What a ClientRequestToken was used for.
#[derive(Debug, Clone)]
pub(super) struct Used {
    /// The whole request.
    pub(super) request: Value,
    pub(super) job_id: String,
}

/// Which rows of which job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub(super) job_id: String,
    pub(super) aggregate: Aggregate,
    pub(super) sort: Sort,
}

/// Things that are forgotten at a time, in the order in which that comes.
#[derive(Debug)]
struct Expiring<T> {
    by_key: BTreeMap<String, T>,
    order: VecDeque<(Instant, String)>,
}

impl<T> Expiring<T> {
    const fn new() -> Self {
        Self {
            by_key: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    /// `at` is never before that of an earlier call.
    fn insert(&mut self, at: Instant, key: String, value: T) {
        self.order.push_back((at, key.clone()));
        self.by_key.insert(key, value);
    }

    /// Forgets what expired by `now`, or everything.
    fn expire(&mut self, now: Option<Instant>) {
        while let Some((_, key)) = self
            .order
            .pop_front_if(|(at, _)| now.is_none_or(|now| *at <= now))
        {
            self.by_key.remove(&key);
        }
    }
}

/// Everything, behind the service's one lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) max_open_jobs: usize,
    pub(super) open: usize,
    pub(super) peak: usize,
    pub(super) started: u64,
    pub(super) faults: Faults,
    jobs: BTreeMap<String, Job>,
    ended: VecDeque<(Instant, String)>,
    tokens: Expiring<Used>,
    pages: Expiring<(View, usize)>,
    recent: VecDeque<(View, Arc<[Row]>)>,
}

impl State {
    pub(super) const fn new(max_open_jobs: usize) -> Self {
        Self {
            max_open_jobs,
            open: 0,
            peak: 0,
            started: 0,
            faults: Faults {
                fail_jobs: std::collections::BTreeSet::new(),
                lose_notifications: std::collections::BTreeSet::new(),
                repeat_notifications: std::collections::BTreeSet::new(),
                found_lengths_ms: BTreeMap::new(),
                page_rows_max: None,
            },
            jobs: BTreeMap::new(),
            ended: VecDeque::new(),
            tokens: Expiring::new(),
            pages: Expiring::new(),
            recent: VecDeque::new(),
        }
    }

    /// Forgets what AWS would have forgotten by now.
    pub(super) fn expire(&mut self, now: Instant) {
        self.tokens.expire(Some(now));
        self.drop_pages(Some(now));
        self.drop_ended_jobs(Some(now));
    }

    /// Forgets ended jobs whose retention is over by `now`, or all of them.
    pub(super) fn drop_ended_jobs(&mut self, now: Option<Instant>) {
        while let Some((_, job_id)) = self
            .ended
            .pop_front_if(|(at, _)| now.is_none_or(|now| *at <= now))
        {
            self.jobs.remove(&job_id);
            self.recent.retain(|(view, _)| view.job_id != job_id);
        }
    }

    /// Forgets page tokens that expired by `now`, or all of them.
    pub(super) fn drop_pages(&mut self, now: Option<Instant>) {
        self.pages.expire(now);
    }

    pub(super) fn job(&self, job_id: &str) -> Option<&Job> {
        self.jobs.get(job_id)
    }

    /// Takes in a new job, which is open.
    pub(super) fn open_job(&mut self, job_id: String, job: Job) {
        self.jobs.insert(job_id, job);
        self.open += 1;
        self.peak = self.peak.max(self.open);
    }

    /// The job has ended; its results are kept until then.
    pub(super) fn end_job(&mut self, job_id: &str, keep_until: Instant) -> Option<&Job> {
        let job = self.jobs.get_mut(job_id)?;
        job.ended = true;
        self.open -= 1;
        self.ended.push_back((keep_until, job_id.to_owned()));
        Some(job)
    }

    pub(super) fn used_token(&self, token: &str) -> Option<&Used> {
        self.tokens.by_key.get(token)
    }

    pub(super) fn use_token(&mut self, token: String, used: Used, until: Instant) {
        self.tokens.insert(until, token, used);
    }

    /// What a page token stands for: rows of a view, from one on.
    pub(super) fn page(&self, token: &str) -> Option<&(View, usize)> {
        self.pages.by_key.get(token)
    }

    pub(super) fn add_page(&mut self, token: String, view: View, offset: usize, until: Instant) {
        self.pages.insert(until, token, (view, offset));
    }

    /// The rows of a view, made by `make` unless they are at hand.
    pub(super) fn rows(&mut self, view: &View, make: impl FnOnce() -> Vec<Row>) -> Arc<[Row]> {
        if let Some((_, rows)) = self.recent.iter().find(|(recent, _)| recent == view) {
            return Arc::clone(rows);
        }
        let rows: Arc<[Row]> = make().into();
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((view.clone(), Arc::clone(&rows)));
        rows
    }
}
