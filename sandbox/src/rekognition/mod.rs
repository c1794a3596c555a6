//! Rekognition stored video: content moderation jobs.

use std::sync::Arc;

use crate::account::Account;
use crate::clock::Clock;
use crate::rng::SharedRng;
use crate::s3::S3;
use crate::sns::Sns;
use crate::wire::{Request, Response};
/// Rekognition stored video: content moderation jobs.
pub struct Rekognition {}

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
    ) -> Self {
        todo!()
    }

    /// Answers one request off the wire.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        todo!()
    }

    /// How many jobs are open now, and the most that ever were at once.
    pub fn open_jobs(&self) -> (usize, usize) {
        todo!()
    }
}

/// What the moderation service does.
#[derive(Debug, Clone)]
pub struct Config {
    /// Concurrent jobs that the account allows; AWS gives 20.
    pub max_open_jobs: usize,
    /// How long every job takes (divided by the speed); None: from the video's duration.
    pub job_duration: Option<std::time::Duration>,
    /// Folder with `<key>.labels.json` files: labels of objects that carry none in their metadata.
    pub labels_dir: Option<std::path::PathBuf>,
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
