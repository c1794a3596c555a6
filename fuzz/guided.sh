#!/usr/bin/env bash
# Searches one target by libFuzzer on stable Rust, and keeps what reaches code that the corpus does not:
# fuzz/guided.sh TARGET SECONDS. With --add the finds are merged into the committed corpus, fewest first.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${1:?usage: fuzz/guided.sh TARGET SECONDS [--add]}"
seconds="${2:?usage: fuzz/guided.sh TARGET SECONDS [--add]}"

# Only the crates of this repository are instrumented, so nothing else is built anew.
export RUSTC_WORKSPACE_WRAPPER="$PWD/fuzz/instrument.sh"
cargo build --release --locked -p fuzz --features guided --bin guided

found="target/fuzz/guided/$target"
mkdir -p "$found"
export REELGATE_FUZZ_TARGET="$target"
run=(target/release/guided "-artifact_prefix=target/fuzz/$target-" -max_len=65536 -timeout=30)
"${run[@]}" -max_total_time="$seconds" -print_final_stats=1 "$found" "fuzz/corpus/$target"

if [[ "${3:-}" == --add ]]; then
    # Adds to the first folder the smallest files of the second that reach something new.
    "${run[@]}" -merge=1 -max_len=4096 "fuzz/corpus/$target" "$found"
fi
