//! Rekognition stored video: content moderation jobs.
//!
//! `start` and `get` are the two operations, `state` is all that is remembered, behind one lock; `labels` tells what
//! the model "sees" in an object, `taxonomy` and `rows` how it reports that. The video itself is really read, by the
//! same box reader that the workflow has, since what Rekognition refuses is what a file says about itself.

mod error;
mod get;
mod labels;
mod members;
mod rows;
mod start;
mod state;
mod taxonomy;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::account::Account;
use crate::clock::Clock;
use crate::journal::Journal;
use crate::rng::SharedRng;
use crate::s3::S3;
use crate::sns::Sns;
use crate::wire::{ApiError, Request, Response, collect};
use state::State;

/// Rekognition stored video: content moderation jobs.
pub struct Rekognition {
    account: Account,
    clock: Clock,
    rng: SharedRng,
    s3: Arc<S3>,
    sns: Arc<Sns>,
    job_duration: Option<Duration>,
    labels_dir: Option<PathBuf>,
    journal: Journal,
    state: Mutex<State>,
}

/// What the moderation service does.
#[derive(Debug, Clone)]
pub struct Config {
    /// Concurrent jobs that the account allows; AWS gives 20 (Rekognition developer guide, Guidelines and quotas).
    pub max_open_jobs: usize,
    /// How long a job takes (divided by the speed) whose labels file does not say; None: half of the video's duration, at
    /// least two seconds.
    pub job_duration: Option<Duration>,
    /// Folder with `<key>.labels.json` files: labels of objects that carry none in their metadata.
    pub labels_dir: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_open_jobs: 20,
            job_duration: None,
            labels_dir: None,
        }
    }
}

/// What goes wrong, by the number of the job: the first that was ever started is 1, the next one
/// [`Rekognition::started_jobs`] plus 1.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// These jobs fail, whatever the video.
    pub fail_jobs: BTreeSet<u64>,
    /// The completion of these is never told.
    pub lose_notifications: BTreeSet<u64>,
    /// The completion of these is told twice.
    pub repeat_notifications: BTreeSet<u64>,
    /// The videos of these turn out to be that long (in milliseconds), whatever their headers say or leave out.
    pub found_lengths_ms: BTreeMap<u64, u64>,
    /// Pages hold no more rows than this, whatever is asked for: MaxResults is only the most.
    pub page_rows_max: Option<usize>,
}

impl Rekognition {
    /// The service with nothing in it.
    #[must_use]
    pub fn new(
        account: Account,
        clock: Clock,
        rng: SharedRng,
        s3: Arc<S3>,
        sns: Arc<Sns>,
        config: Config,
        journal: Journal,
    ) -> Self {
        Self {
            account,
            clock,
            rng,
            s3,
            sns,
            job_duration: config.job_duration,
            labels_dir: config.labels_dir,
            journal,
            state: Mutex::new(State::new(config.max_open_jobs)),
        }
    }

    /// Answers one request off the wire (AWS JSON 1.1, target `RekognitionService.<operation>`).
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        let request_id = self.rng.uuid();
        let operation = request
            .headers()
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok())
            .and_then(|target| target.strip_prefix("RekognitionService."))
            .unwrap_or_default()
            .to_owned();
        let result = match collect(request.into_body()).await {
            Ok(body) => self.answer(&operation, &body),
            Err(error) => Err(ApiError::client(
                "SerializationException",
                format!("the request's body broke off: {error}"),
            )),
        };
        error::response(&request_id, result)
    }

    fn answer(self: &Arc<Self>, operation: &str, body: &[u8]) -> Result<Value, ApiError> {
        let parse = || -> Result<Value, ApiError> {
            serde_json::from_slice(body)
                .map_err(|error| ApiError::client("SerializationException", error.to_string()))
        };
        match operation {
            "StartContentModeration" => self.start_content_moderation(&parse()?),
            "GetContentModeration" => self.get_content_moderation(&parse()?),
            "" => Err(ApiError::not_implemented(
                "a Rekognition request without the target RekognitionService.<operation>",
            )),
            other => Err(ApiError::not_implemented(&format!("Rekognition {other}"))),
        }
    }

    /// How many jobs are open now, and the most that ever were at once.
    pub fn open_jobs(&self) -> (usize, usize) {
        let state = self.state();
        (state.open, state.peak)
    }

    /// How many jobs were ever started; repeated requests with the same token start none.
    pub fn started_jobs(&self) -> u64 {
        self.state().started
    }

    /// Changes how many jobs may be open; those that are stay so.
    pub fn set_max_open_jobs(&self, max_open_jobs: usize) {
        self.state().max_open_jobs = max_open_jobs;
    }

    /// Changes what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Lets the results of all ended jobs expire now, as they do after 7 days.
    pub fn expire_results(&self) {
        self.state().drop_ended_jobs(None);
    }

    /// Lets all page tokens expire now, as they do after 24 hours.
    pub fn expire_pages(&self) {
        self.state().drop_pages(None);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
