#!/usr/bin/env bash
# Prepares a runner for the justfile's recipes: Rust as Cargo.toml asks for it, and just.
#
# The lowest Rust that is supported builds everything here, so what the README promises is what is tested, and one commit
# has one compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
rustup toolchain install "$version" --profile minimal --component rustfmt --component clippy --no-self-update
rustup default "$version"

tools=${RUNNER_TEMP:?is set by GitHub Actions}/tools
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
    --requirement .github/build-requirements.txt
echo "$tools/bin" >>"${GITHUB_PATH:?is set by GitHub Actions}"
