//! Behaviour of the sandbox's services, each through the wire protocol, and of the workflow's steps against them.

mod call;
mod events;
mod gate;
mod lambda;
mod processes;
mod rekognition;
mod s3;
mod server;
mod sfn;
mod sns;
mod sqs;
mod support;
mod world;
