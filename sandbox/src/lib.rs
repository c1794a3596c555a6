//! The AWS that the workflow touches, in one process.
//!
//! S3, SNS, SQS, Step Functions, Rekognition stored video, EventBridge and the Lambda service, behind one HTTP endpoint
//! that speaks their real wire protocols. What an operation does not implement it refuses by name; `FIDELITY.md` lists
//! what is emulated, from which source.
//!
//! Invariants:
//! - Services know the time only through [`clock::Clock`] and chance only through [`rng::SharedRng`], so that the same
//!   services run behind a socket ([`server`]) or in process on paused time ([`connector`]).
//! - No service knows the workflow; only [`stack`] does, which deploys it as Terraform does on AWS.
//! - Dependencies run one way: IAM, SQS and Lambda at the bottom, then SNS, EventBridge, S3, Rekognition, Step Functions.

pub mod account;
pub mod aws;
pub mod calls;
pub mod clock;
pub mod connector;
pub mod delivery;
pub mod events;
pub mod faults;
pub mod iam;
pub mod journal;
pub mod lambda;
pub mod measurements;
mod params;
mod pattern;
pub mod program;
pub mod rekognition;
pub mod rng;
pub mod s3;
pub mod server;
pub mod sfn;
pub mod sim;
pub mod sns;
pub mod sqs;
pub mod stack;
pub mod wire;
