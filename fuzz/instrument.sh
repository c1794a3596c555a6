#!/usr/bin/env bash
# A RUSTC_WORKSPACE_WRAPPER: compiles with the counters that libFuzzer reads. The flags are those of cargo-fuzz without a
# sanitizer; unlike sanitizers they are stable.
set -euo pipefail
exec "$@" \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Clink-dead-code
