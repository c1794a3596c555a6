//! An HTTP client for the AWS SDKs that calls the services directly: no socket, no thread.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_s3::config::retry::RetryPartition;
use aws_sdk_s3::config::{BehaviorVersion, Region, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Fuse, FusedFuture as _};
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;

use crate::aws::Aws;
use crate::clock::Clock;
use crate::faults::{self, Fault, Refusal, Running};
use crate::wire::{Body, Response};

/// The SDK side of the in-process front end.
#[derive(Clone)]
pub struct Connector(Aws);

impl Connector {
    /// A client whose every call ends in `aws`.
    #[must_use]
    pub fn new(aws: Aws) -> Self {
        Self(aws)
    }
}

/// Configuration of SDK clients whose every call ends in `aws`, made with `access_key`: give it to any `aws_sdk_*::Client::new`.
#[must_use]
pub fn sdk_config(aws: &Aws, access_key: &str) -> SdkConfig {
    let credentials = Credentials::from_keys(access_key, access_key, None);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(aws.account.region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        // An address, so that S3 requests are path-style; nothing listens there, and nothing asks.
        .endpoint_url("http://127.0.0.1:1")
        .sleep_impl(TokioSleep::new())
        .time_source(SandboxTime(aws.clock.clone()))
        .http_client(Connector::new(aws.clone()))
        .build()
}

/// SDK clients whose every call ends in one AWS, with retry quotas of their own as in a process of their own. The quota that
/// the SDKs give by default is the whole process's, and so that of every AWS in it.
#[derive(Debug, Clone)]
pub struct Clients {
    /// A client of S3.
    pub s3: aws_sdk_s3::Client,
    /// A client of Step Functions.
    pub sfn: aws_sdk_sfn::Client,
    /// A client of Rekognition.
    pub rekognition: aws_sdk_rekognition::Client,
    /// A client of SNS.
    pub sns: aws_sdk_sns::Client,
}

impl Clients {
    /// Clients into `aws` that call with `access_key`.
    #[must_use]
    pub fn new(aws: &Aws, access_key: &str) -> Self {
        let sdk = sdk_config(aws, access_key);
        let own = || RetryPartition::custom("own").build();
        Self {
            s3: aws_sdk_s3::Client::from_conf(
                aws_sdk_s3::config::Builder::from(&sdk)
                    .retry_partition(own())
                    .build(),
            ),
            sfn: aws_sdk_sfn::Client::from_conf(
                aws_sdk_sfn::config::Builder::from(&sdk)
                    .retry_partition(own())
                    .build(),
            ),
            rekognition: aws_sdk_rekognition::Client::from_conf(
                aws_sdk_rekognition::config::Builder::from(&sdk)
                    .retry_partition(own())
                    .build(),
            ),
            sns: aws_sdk_sns::Client::from_conf(
                aws_sdk_sns::config::Builder::from(&sdk)
                    .retry_partition(own())
                    .build(),
            ),
        }
    }
}

/// The services' time, which the SDKs sign with.
#[derive(Debug)]
struct SandboxTime(Clock);

impl TimeSource for SandboxTime {
    fn now(&self) -> SystemTime {
        self.0.now().into()
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let aws = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request
                .try_into_http1x()
                .map_err(|error| ConnectorError::user(error.into()))?;
            let response = match faults::running() {
                None => aws.handle(request.map(boxed)).await,
                Some(running) => struck(aws, running, request).await?,
            };
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// A call of a function, with what happens to it on its way.
async fn struck(
    aws: Aws,
    running: Arc<Running>,
    request: http::Request<SdkBody>,
) -> Result<Response, ConnectorError> {
    let (call, strike) = running.strike(&request);
    let clock = aws.clock.clone();
    let is_xml = !request.headers().contains_key("x-amz-target");
    let travel = match strike.fault {
        Some(Fault::CrashDuring(later) | Fault::ResetDuring(later)) => later,
        _ => strike.before,
    };
    let send = {
        let (clock, running) = (clock.clone(), Arc::clone(&running));
        move || {
            Sent::new(async move {
                wait(&clock, travel).await;
                let copy = copy_of(&request);
                let response = aws.handle(request.map(boxed)).await;
                running.acted(&call, &copy, response.status());
                response
            })
        }
    };
    let response = match strike.fault {
        None => send().answer().await,
        Some(Fault::CrashBefore) => {
            wait(&clock, strike.before).await;
            running.crash().await
        }
        Some(Fault::CrashAfter) => {
            send().answer().await;
            running.crash().await
        }
        Some(Fault::CrashDuring(_)) => {
            drop(send());
            running.crash().await
        }
        Some(Fault::ResetDuring(_)) => {
            drop(send());
            Refusal::Reset.answer(is_xml)?
        }
        Some(Fault::Refused(refusal)) => {
            wait(&clock, strike.before).await;
            refusal.answer(is_xml)?
        }
        Some(Fault::AnswerLost(refusal)) => {
            send().answer().await;
            refusal.answer(is_xml)?
        }
        Some(Fault::Silent { acts }) => {
            if acts {
                send().answer().await;
            }
            std::future::pending().await
        }
    };
    wait(&clock, strike.after).await;
    Ok(response)
}

async fn wait(clock: &Clock, time: Duration) {
    if !time.is_zero() {
        clock.sleep(time).await;
    }
}

/// A request that was sent: its service acts even if whoever sent it is gone by then, killed or tired of waiting.
struct Sent(Fuse<BoxFuture<'static, Response>>);

impl Sent {
    fn new(act: impl Future<Output = Response> + Send + 'static) -> Self {
        let act: BoxFuture<'static, Response> = Box::pin(act);
        Self(act.fuse())
    }

    async fn answer(mut self) -> Response {
        (&mut self.0).await
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let act = mem::replace(&mut self.0, Fuse::terminated());
        if !act.is_terminated()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(act);
        }
    }
}

/// The request once more, for whoever looks at it after the service took it: without its body, if that can be read only once.
fn copy_of(request: &http::Request<SdkBody>) -> http::Request<SdkBody> {
    let mut copy = http::Request::new(request.body().try_clone().unwrap_or_else(SdkBody::empty));
    request.method().clone_into(copy.method_mut());
    request.uri().clone_into(copy.uri_mut());
    request.headers().clone_into(copy.headers_mut());
    copy
}

fn boxed(body: SdkBody) -> Body {
    body.map_err(Into::into).boxed()
}

impl HttpClient for Connector {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
