//! The `activity-worker` function without mimalloc.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    activity_worker::run().await
}
