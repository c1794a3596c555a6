#!/usr/bin/env bash
# Checks what a deployment needs, and says how to get what is missing: `tools.sh [build]`, with `build` what `just build` needs too.
set -euo pipefail
cd "$(dirname "$0")/.."

problems=0
problem() {
    printf '%s\n' "- $*" >&2
    problems=$((problems + 1))
}

# at_least FOUND LEAST: whether a version is new enough.
at_least() {
    [[ $(printf '%s\n%s\n' "$2" "$1" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1) == "$2" ]]
}

has() {
    command -v "$1" >/dev/null
}

if [[ -n ${AWS_ENDPOINT_URL:-}${RAW_BUCKET:-} ]]; then
    problem "AWS_ENDPOINT_URL or RAW_BUCKET is set, as the sandbox's env file sets them: use another shell to deploy to AWS"
fi

if ! has terraform; then
    problem "terraform is missing: install 1.11 or newer, developer.hashicorp.com/terraform/install"
else
    found=$(terraform version -json 2>/dev/null | sed -n 's/.*"terraform_version": "\([0-9.]*\).*/\1/p')
    at_least "$found" 1.11.0 || problem "terraform is $found: 1.11 or newer is needed, developer.hashicorp.com/terraform/install"
fi

if ! has aws; then
    problem "the AWS CLI is missing: install version 2, docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
else
    found=$(aws --version 2>&1)
    found=${found#aws-cli/}
    at_least "${found%% *}" 2.0.0 ||
        problem "the AWS CLI is ${found%% *}: version 2 is needed, docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
    if ! identity=$(aws sts get-caller-identity --query Arn --output text 2>&1); then
        problem "AWS does not know you (${identity##*$'\n'}): run \`aws sso login\` or \`aws configure\`, or set AWS_PROFILE"
    fi
    if [[ -z ${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}} ]]; then
        problem "no region is set: \`export AWS_REGION=us-east-1\`, or another one that has Rekognition's stored video analysis"
    fi
fi

has jq || problem "jq is missing: install 1.6 or newer, jqlang.org/download"

if [[ ${1:-} == build ]]; then
    if has cargo; then
        least=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
        found=$(rustc --version)
        found=${found#rustc }
        at_least "${found%% *}" "$least" || problem "Rust is ${found%% *}: $least or newer is needed, \`rustup update\`"
    else
        problem "Rust is missing: rustup.rs"
    fi
    has python3 || problem "python3 is missing: install it, with its venv module; it installs cargo-lambda, pinned, below target/"
fi

if ((problems > 0)); then
    echo "$problems of the things that a deployment needs are missing (above); nothing was done" >&2
    exit 1
fi
echo "deploying as $identity"
