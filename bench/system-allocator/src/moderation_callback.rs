//! The `moderation-callback` function without mimalloc.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    moderation_callback::run().await
}
