# Every task that a person does here. `just` lists them.

set shell := ["bash", "-euo", "pipefail", "-c"]

_default:
    @just --list --unsorted

# Everything that is checked before a change lands.
[group('check')]
ci:
    .ci/run

# The same, with every check that this machine could skip: what the workflow runs.
[group('check')]
ci-full:
    .ci/run --full

# The workflows and all shell scripts: actionlint, zizmor, shellcheck.
[group('check')]
workflows-check:
    .github/check.sh

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

# A crash, throttle or lost answer at every single call of the standard scene; --pairs: two crashes at every pair of calls.
[group('check')]
crashes *arguments:
    cargo run --release --locked -p sandbox -- crashes {{ arguments }}

# Simulated histories from seeds, with faults: what must hold is checked, and a seed that fails is named.
[group('check')]
sim *arguments:
    cargo run --release --locked -p sandbox -- sim {{ arguments }}

# Deliberate bugs, each of which the simulation must find; all of them, or those named. --check: do they still apply?
[group('check')]
mutants *names:
    sandbox/tests/mutants/run.sh {{ names }}

# Damaged inputs for every parser of foreign bytes, or for one of them, each for so many seconds.
[group('check')]
fuzz *arguments:
    cargo run --release --locked -p fuzz -- {{ arguments }}

# The same for one target by libFuzzer, which prefers inputs that reach new code.
[group('check')]
fuzz-guided target seconds *arguments:
    fuzz/guided.sh {{ target }} {{ seconds }} {{ arguments }}

# Terraform: fmt, validate, test, tflint, checkov.
[group('check')]
tf-check:
    terraform/check.sh

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

# Build the functions, deploy everything to AWS, and wait until uploads are safe. Options are Terraform's.
[group('deploy')]
[positional-arguments]
build-and-deploy *options:
    deploy/deploy.sh apply "$@"

# What a deployment would change.
[group('deploy')]
[positional-arguments]
plan *options:
    deploy/deploy.sh plan "$@"

# Remove everything from AWS again. Buckets that hold anything are kept, and said to be.
[group('deploy')]
[positional-arguments]
destroy *options:
    deploy/deploy.sh destroy "$@"

# Upload a video and wait for its verdict. Like the next two, also for a served sandbox, with its env file loaded.
[group('operate')]
[positional-arguments]
[no-cd]
drop file key='':
    @"{{ justfile_directory() }}/deploy/drop.sh" "$@"

# What runs, slots in use, last verdicts, dead letters.
[group('operate')]
status:
    @deploy/status.sh

# Moderate uploads whose events were lost; --backfill: a bucket that was there before.
[group('operate')]
[positional-arguments]
sweep *options:
    @deploy/sweep.sh "$@"

# Follow the logs of one function, or of all.
[group('operate')]
[positional-arguments]
logs *options:
    @deploy/logs.sh "$@"

# Everything that has bars: starts and memory of the functions as they ship, then simulated bursts and an idle month.
[group('measure')]
bench *arguments: (starts arguments) scale

# Cold starts and memory of the functions as they ship, side by side with others, against their bars.
[group('measure')]
starts *arguments: (_ship "-p bare -p system-allocator")
    cargo run --release --locked -p bench -- starts {{ arguments }}

# Simulated bursts of 1000 and 10,000 videos (--full: 100,000 too), and an idle month beside the seed's design, against their bars.
[group('measure')]
scale *arguments:
    cargo run --release --locked -p bench -- scale {{ arguments }}

# What the functions' zips weigh, against their bar.
[group('measure')]
sizes: _ship
    cargo run --release --locked -p function-zip -- weigh target/ship/{ingest-trigger,activity-worker,moderation-callback,reconciler}

# The functions as they ship (fat LTO takes minutes), for this machine's processor.
_ship *others:
    cargo build --profile ship --locked -p ingest-trigger -p activity-worker -p moderation-callback -p reconciler {{ others }}
