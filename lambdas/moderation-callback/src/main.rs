//! The `moderation-callback` function's program: see the library.

/// Asked for by the project; `MIMALLOC_*` variables, set where the function is deployed, make it pay.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    moderation_callback::run().await
}
