#!/usr/bin/env bash
# Builds the functions for Lambda's arm64, each as target/lambda/<name>/bootstrap.zip. The same commit and the same Rust give the same
# bytes, in whatever folder.
set -euo pipefail
cd "$(dirname "$0")/.."

functions=(ingest-trigger activity-worker moderation-callback reconciler)
target=aarch64-unknown-linux-gnu
requirements=lambdas/requirements.txt
venv=target/tools/functions

if [[ $PWD == *[[:space:]]* ]]; then
    echo "$PWD: the compilers' flags are separated by spaces, so the folder may have none in its name" >&2
    exit 2
fi
if ! command -v python3 >/dev/null; then
    echo "python3 is not on the PATH: install it, with its venv module, for cargo-lambda" >&2
    exit 2
fi
# Installed once, and again when the pins change.
if ! cmp --silent "$requirements" "$venv/requirements.txt"; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes --requirement "$requirements"
    cp "$requirements" "$venv/requirements.txt"
fi
if [[ ! -d $(rustc --print target-libdir --target "$target") ]]; then
    if ! command -v rustup >/dev/null; then
        echo "Rust's standard library for $target is missing, and so is rustup, which would install it (Debian: libstd-rust-web-dev:arm64)" >&2
        exit 2
    fi
    rustup target add "$target"
fi

# Paths end up in messages of panics and of assertions in C: those of this checkout and of the registry are cut.
rust_flags=("--remap-path-prefix=$PWD=/reelgate")
c_flags=("-ffile-prefix-map=$PWD=/reelgate")
cargo fetch --quiet --locked
for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
    rust_flags+=("--remap-path-prefix=$registry=/crates")
    c_flags+=("-ffile-prefix-map=$registry=/crates")
done
# Lambda's arm64 is Graviton2 or later, which is Neoverse N1. cargo-lambda would say so itself with --release, and fill in what the
# profile leaves out; with a profile of another name it adds nothing.
export RUSTFLAGS="-C target-cpu=neoverse-n1 ${rust_flags[*]}"
export CFLAGS_aarch64_unknown_linux_gnu="${c_flags[*]}"
# For compilers that write down when they ran: zip's first moment.
export SOURCE_DATE_EPOCH=315532800
export CARGO_INCREMENTAL=0
unset CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET_DIR CARGO_TARGET_DIR

PATH="$PWD/$venv/bin:$PATH" cargo lambda build --arm64 --profile ship --locked "${functions[@]/#/--package=}"

for name in "${functions[@]}"; do
    # cargo-lambda moves the program there; beside its zip it would be taken for another one.
    program=target/lambda/$name/bootstrap
    RUSTFLAGS='' cargo run --quiet --release --locked -p function-zip -- write "$program" "$program.zip"
    rm "$program"
done
cd target/lambda
sha256sum "${functions[@]/%//bootstrap.zip}"
