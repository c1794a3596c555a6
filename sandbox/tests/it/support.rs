//! An AWS in process on paused time, and SDK clients into it.

use aws_types::SdkConfig;
use sandbox::account::Account;
use sandbox::aws::{Aws, AwsConfig};
use sandbox::clock::Clock;
use sandbox::connector;
use sandbox::rng::SharedRng;
use time::OffsetDateTime;
use time::macros::datetime;

/// An AWS with nothing in it, at a fixed time, drawing from a fixed seed. Use under `#[tokio::test(start_paused = true)]`.
pub(crate) fn aws() -> Aws {
    aws_with(&AwsConfig::default())
}

/// As [`aws`], configured.
pub(crate) fn aws_with(config: &AwsConfig) -> Aws {
    aws_at(datetime!(2026-11-01 12:00 UTC), config)
}

/// As [`aws_with`], at another time.
pub(crate) fn aws_at(start: OffsetDateTime, config: &AwsConfig) -> Aws {
    Aws::new(
        Account::default(),
        Clock::new(start, 1.0),
        SharedRng::seeded(1),
        config,
    )
}

/// SDK configuration whose calls end in `aws`: give it to any `aws_sdk_*::Client::new`.
pub(crate) fn sdk_config(aws: &Aws) -> SdkConfig {
    connector::sdk_config(aws, "AKIDEXAMPLE")
}
