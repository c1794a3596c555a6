//! Behaviour of the sandbox's services, each through the wire protocol, and of the workflow's steps against them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "these are tests, helpers included"
)]

mod alarms;
mod budget;
mod call;
mod call_sites;
mod crashes;
mod e2e;
mod events;
mod faults;
mod gate;
mod iam;
mod idle;
mod lambda;
mod permissions;
mod processes;
mod real;
mod recovery;
mod rekognition;
mod s3;
mod scale;
mod secrets;
mod server;
mod sfn;
mod sim;
mod sns;
mod sqs;
mod support;
mod upgrade;
mod world;
