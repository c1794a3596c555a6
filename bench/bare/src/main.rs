//! The least that a Lambda function in Rust can be: built as the gate's functions are, and answering `{}` to every event.

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};

/// The allocator of the gate's functions.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::run(service_fn(answer)).await
}

async fn answer(_: LambdaEvent<Value>) -> Result<Value, lambda_runtime::Error> {
    Ok(json!({}))
}
