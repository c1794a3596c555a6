//! All services together, and the one door to them: a request is routed by the service that it was signed for.

use std::sync::Arc;

use http::header;

use crate::account::Account;
use crate::calls::{CallCounts, Calls};
use crate::clock::Clock;
use crate::events::Events;
use crate::journal::Journal;
use crate::lambda::Lambda;
use crate::rekognition::{self, Rekognition};
use crate::rng::SharedRng;
use crate::s3::S3;
use crate::sfn::Sfn;
use crate::sns::Sns;
use crate::sqs::Sqs;
use crate::wire::{Request, Response};

/// The emulated AWS. Cheap to clone; every clone is the same AWS.
#[derive(Clone)]
pub struct Aws {
    /// Whose account it is.
    pub account: Account,
    /// What time it is.
    pub clock: Clock,
    /// Where ids and jitter come from.
    pub rng: SharedRng,
    /// Queues: dead letters and failed invocations.
    pub sqs: Arc<Sqs>,
    /// Functions.
    pub lambda: Arc<Lambda>,
    /// Topics.
    pub sns: Arc<Sns>,
    /// Rules: schedules and status events.
    pub events: Arc<Events>,
    /// Buckets.
    pub s3: Arc<S3>,
    /// Moderation jobs.
    pub rekognition: Arc<Rekognition>,
    /// State machines and activities.
    pub sfn: Arc<Sfn>,
    calls: Arc<Calls>,
}

/// What may be set about the AWS as a whole.
#[derive(Debug, Clone)]
pub struct AwsConfig {
    /// Concurrent invocations that the account allows: AWS gives 1000, and new accounts as few as 10.
    pub account_concurrency: usize,
    /// What the moderation service does.
    pub rekognition: rekognition::Config,
    /// Objects larger than this many bytes are kept on disk.
    pub spill_bytes: usize,
    /// Where the services write what they do of their own accord.
    pub journal: Journal,
}

impl Default for AwsConfig {
    fn default() -> Self {
        Self {
            account_concurrency: 1000,
            rekognition: rekognition::Config::default(),
            spill_bytes: 8 << 20,
            journal: Journal::default(),
        }
    }
}

impl Aws {
    /// An AWS with nothing in it.
    #[must_use]
    pub fn new(account: Account, clock: Clock, rng: SharedRng, config: &AwsConfig) -> Self {
        let sqs = Arc::new(Sqs::new(account.clone(), clock.clone(), rng.clone()));
        let lambda = Arc::new(Lambda::new(
            account.clone(),
            clock.clone(),
            rng.clone(),
            Arc::clone(&sqs),
            config.account_concurrency,
        ));
        let sns = Arc::new(Sns::new(
            account.clone(),
            clock.clone(),
            rng.clone(),
            Arc::clone(&lambda),
            Arc::clone(&sqs),
            config.journal.clone(),
        ));
        let events = Arc::new(Events::new(
            account.clone(),
            clock.clone(),
            rng.clone(),
            Arc::clone(&lambda),
            config.journal.clone(),
        ));
        let s3 = Arc::new(S3::new(
            account.clone(),
            clock.clone(),
            rng.clone(),
            Arc::clone(&sns),
            config.spill_bytes,
        ));
        let rekognition = Arc::new(Rekognition::new(
            account.clone(),
            clock.clone(),
            rng.clone(),
            Arc::clone(&s3),
            Arc::clone(&sns),
            config.rekognition.clone(),
            config.journal.clone(),
        ));
        let sfn = Arc::new(Sfn::new(
            account.clone(),
            clock.clone(),
            rng.clone(),
            Arc::clone(&sns),
            Arc::clone(&events),
            config.journal.clone(),
        ));
        Self {
            account,
            clock,
            rng,
            sqs,
            lambda,
            sns,
            events,
            s3,
            rekognition,
            sfn,
            calls: Arc::default(),
        }
    }

    /// How often each operation of each service was called so far.
    #[must_use]
    pub fn calls(&self) -> CallCounts {
        self.calls.counts()
    }

    /// Answers one request of any service.
    pub async fn handle(&self, request: Request) -> Response {
        let service = signing_name(&request);
        let request = self.calls.count(service.as_deref(), request).await;
        match service.as_deref() {
            Some("states") => Arc::clone(&self.sfn).handle(request).await,
            Some("rekognition") => Arc::clone(&self.rekognition).handle(request).await,
            Some("sns") => Arc::clone(&self.sns).handle(request).await,
            Some("sqs") => Arc::clone(&self.sqs).handle(request).await,
            Some("lambda") => Arc::clone(&self.lambda).handle(request).await,
            Some("events") => Arc::clone(&self.events).handle(request).await,
            _ => Arc::clone(&self.s3).handle(request).await,
        }
    }
}

/// The service in the credential scope of a Signature Version 4 (`AKID/date/region/SERVICE/aws4_request`), from the
/// Authorization header or a presigned query. Anything unsigned is taken for S3.
fn signing_name(request: &Request) -> Option<String> {
    let scope = match request.headers().get(header::AUTHORIZATION) {
        Some(value) => {
            let value = value.to_str().ok()?;
            value
                .split("Credential=")
                .nth(1)?
                .split([',', ' '])
                .next()?
                .to_owned()
        }
        None => {
            serde_urlencoded::from_str::<Vec<(String, String)>>(request.uri().query()?)
                .ok()?
                .into_iter()
                .find(|(name, _)| name == "X-Amz-Credential")?
                .1
        }
    };
    scope.split('/').nth(3).map(str::to_owned)
}
