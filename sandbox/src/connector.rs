//! An HTTP client for the AWS SDKs that calls the services directly: no socket, no thread.

use std::fmt;

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use http_body_util::BodyExt as _;

use crate::aws::Aws;
use crate::faults::{self, Fault};
use crate::wire::{Response, body};

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
        .http_client(Connector::new(aws.clone()))
        .build()
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
                .map_err(|error| ConnectorError::user(error.into()))?
                .map(|body| body.map_err(Into::into).boxed());
            let fault = faults::strike(&request);
            let response = match fault {
                None => aws.handle(request).await,
                Some(Fault::CrashBefore) => faults::crash().await,
                Some(Fault::CrashAfter) => {
                    aws.handle(request).await;
                    faults::crash().await
                }
                Some(Fault::Throttled) => refuse(Fault::Throttled),
                Some(Fault::AnswerLost) => {
                    aws.handle(request).await;
                    refuse(Fault::AnswerLost)
                }
            };
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// An answer that both JSON and XML protocols of the SDKs understand by its status and its headers.
fn refuse(fault: Fault) -> Response {
    let (status, code) = faults::refusal(fault);
    let document = serde_json::json!({"__type": code, "message": "an injected fault"});
    let mut response = http::Response::new(body(document.to_string()));
    *response.status_mut() = status;
    response
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
