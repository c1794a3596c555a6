//! Behaviour of the sandbox's services, each through the wire protocol, and of the workflow's steps against them.

mod gate;
mod lambda;
mod rekognition;
mod s3;
mod sfn;
mod sns;
mod support;
mod world;
