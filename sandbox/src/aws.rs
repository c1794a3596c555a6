//! All services together, and the one door to them: a request is routed by the service that it was signed for.

use std::sync::Arc;

use http::{StatusCode, header};

use crate::account::Account;
use crate::calls::{self, CallCounts, Calls};
use crate::clock::Clock;
use crate::events::Events;
use crate::iam::{Call, Iam, Role};
use crate::journal::Journal;
use crate::lambda::Lambda;
use crate::rekognition::{self, Rekognition};
use crate::rng::SharedRng;
use crate::s3::S3;
use crate::sfn::Sfn;
use crate::sns::Sns;
use crate::sqs::Sqs;
use crate::wire::{Request, Response, body, collect};

/// The emulated AWS. Cheap to clone; every clone is the same AWS.
#[derive(Clone)]
pub struct Aws {
    /// Whose account it is.
    pub account: Account,
    /// What time it is.
    pub clock: Clock,
    /// Where ids and jitter come from.
    pub rng: SharedRng,
    /// Roles, and what they may do.
    pub iam: Arc<Iam>,
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
        let iam = Arc::new(Iam::new(account.clone()));
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
            Arc::clone(&iam),
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
            iam,
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

    /// Answers one request of any service. One that is signed with a role's credentials gets only what the role may do.
    pub async fn handle(&self, request: Request) -> Response {
        let credential = Credential::of(&request);
        let service = credential
            .as_ref()
            .map_or_else(|| "s3".to_owned(), |credential| credential.service.clone());
        let (operation, request) = calls::operation(&service, request).await;
        self.calls.count(&service, &operation);
        match credential.and_then(|credential| self.iam.role_of_key(&credential.access_key_id)) {
            Some(role) => self.answer_role(&role, &service, &operation, request).await,
            None => self.dispatch(&service, request).await,
        }
    }

    /// Asks the role's policy before the service, and again if the service found nothing: who may not list must not learn that.
    async fn answer_role(
        &self,
        role: &Role,
        service: &str,
        operation: &str,
        request: Request,
    ) -> Response {
        let method = request.method().clone();
        let (call, request) = match self.read_call(service, operation, request).await {
            Ok(read) => read,
            // The service finds the same broken request.
            Err(request) => return self.dispatch(service, request).await,
        };
        let refuse =
            |denied: crate::iam::Denied| denied.response(service, &method, &self.rng.uuid());
        if let Err(denied) = role.check(&call) {
            return refuse(denied);
        }
        let response = self.dispatch(service, request).await;
        if service != "s3" || response.status() != StatusCode::NOT_FOUND {
            return response;
        }
        match role.check_answer(&call, response.status()) {
            Ok(()) => response,
            Err(denied) => refuse(denied),
        }
    }

    /// What IAM must know of a request. Err for one that the service refuses by itself: it cannot be read, or has a token of no task.
    async fn read_call(
        &self,
        service: &str,
        operation: &str,
        request: Request,
    ) -> Result<(Call, Request), Request> {
        let (parts, content) = request.into_parts();
        if service == "s3" {
            let call = Call::of_s3(operation, &parts);
            return Ok((call, Request::from_parts(parts, content)));
        }
        let Ok(content) = collect(content).await else {
            return Err(Request::from_parts(parts, body("")));
        };
        let call = if parts.headers.contains_key("x-amz-target") {
            Call::of_json(service, operation, &content, |token| {
                self.sfn.activity_of(token)
            })
        } else {
            Some(Call::of_form(service, operation, &content))
        };
        let request = Request::from_parts(parts, body(content));
        match call {
            Some(call) => Ok((call, request)),
            None => Err(request),
        }
    }

    async fn dispatch(&self, service: &str, request: Request) -> Response {
        match service {
            "states" => Arc::clone(&self.sfn).handle(request).await,
            "rekognition" => Arc::clone(&self.rekognition).handle(request).await,
            "sns" => Arc::clone(&self.sns).handle(request).await,
            "sqs" => Arc::clone(&self.sqs).handle(request).await,
            "lambda" => Arc::clone(&self.lambda).handle(request).await,
            "events" => Arc::clone(&self.events).handle(request).await,
            _ => Arc::clone(&self.s3).handle(request).await,
        }
    }
}

/// What a request says of its signer, which nobody verifies.
struct Credential {
    access_key_id: String,
    service: String,
}

impl Credential {
    /// The credential scope of a Signature Version 4 (`AKID/date/region/SERVICE/aws4_request`), from the Authorization header or a
    /// presigned query. Anything unsigned is taken for S3.
    fn of(request: &Request) -> Option<Self> {
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
        let mut parts = scope.split('/');
        let access_key_id = parts.next()?.to_owned();
        let service = parts.nth(2)?.to_owned();
        Some(Self {
            access_key_id,
            service,
        })
    }
}
