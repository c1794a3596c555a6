//! The sandbox's program: see [`sandbox::program`].

use std::process::ExitCode;

/// The functions run in this program too, and theirs is the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sandbox::program::main()
}
