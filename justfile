# Every task that a person does here. `just` lists them.

set shell := ["bash", "-euo", "pipefail", "-c"]

_default:
    @just --list --unsorted

# Everything that is checked before a change lands.
[group('check')]
ci:
    .ci/run

# Format all code.
[group('check')]
fmt:
    cargo fmt --all

# Lints, warnings denied.
[group('check')]
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# All tests.
[group('check')]
test *arguments:
    cargo test --locked {{ arguments }}

# boto3 and the AWS CLI, pinned, drive the served sandbox.
[group('check')]
clients:
    sandbox/tests/clients/run.sh

# Every single crash, throttle and lost answer, at each call of a small workload.
[group('check')]
crashes:
    REELGATE_CRASH_STEP=1 cargo test --release --locked -p sandbox --test it crashes::

# The documentation of all crates, warnings denied.
[group('check')]
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# The sample videos, or your own, through the gate on this machine.
[group('run')]
sandbox *arguments:
    cargo run --release --locked -p sandbox -- {{ arguments }}

# The sandbox as a server that stays up.
[group('run')]
serve *arguments:
    cargo run --release --locked -p sandbox -- serve {{ arguments }}

# Many videos at once: how long the gate takes for them, beside the ideal, and what that costs.
[group('run')]
load *arguments:
    cargo run --release --locked -p sandbox -- load {{ arguments }}

# The functions' zips for arm64, as they deploy: target/lambda/<name>/bootstrap.zip.
[group('deploy')]
build:
    lambdas/build.sh

# Builds in two folders: the zips of one commit are the same, byte by byte.
[group('deploy')]
build-check:
    lambdas/build-check.sh

# Cold starts and memory of the functions as they ship, side by side with bare ones, against their bars.
[group('measure')]
bench *arguments: _ship
    cargo run --release --locked -p bench -- {{ arguments }}

# What the functions' zips weigh, against their bar.
[group('measure')]
sizes: _ship
    cargo run --release --locked -p function-zip -- weigh target/ship/{ingest-trigger,activity-worker,moderation-callback,reconciler}

# The functions, and the bare one, as they ship (fat LTO takes minutes), for this machine's processor.
_ship:
    cargo build --profile ship --locked -p bare -p ingest-trigger -p activity-worker -p moderation-callback -p reconciler
