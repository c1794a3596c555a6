//! An AWS in process on paused time, and SDK clients into it.

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_types::SdkConfig;
use sandbox::account::Account;
use sandbox::aws::{Aws, AwsConfig};
use sandbox::clock::Clock;
use sandbox::connector::Connector;
use sandbox::rng::SharedRng;
use time::macros::datetime;

/// An AWS with nothing in it, at a fixed time, drawing from a fixed seed. Use under `#[tokio::test(start_paused = true)]`.
pub(crate) fn aws() -> Aws {
    aws_with(&AwsConfig::default())
}

/// As [`aws`], configured.
pub(crate) fn aws_with(config: &AwsConfig) -> Aws {
    Aws::new(
        Account::default(),
        Clock::new(datetime!(2026-11-01 12:00 UTC), 1.0),
        SharedRng::seeded(1),
        config,
    )
}

/// SDK configuration whose calls end in `aws`: give it to any `aws_sdk_*::Client::new`.
pub(crate) fn sdk_config(aws: &Aws) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(aws.account.region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::from_keys(
            "AKIDEXAMPLE",
            "secret",
            None,
        )))
        .endpoint_url("http://127.0.0.1:1")
        .sleep_impl(TokioSleep::new())
        .http_client(Connector::new(aws.clone()))
        .build()
}
