#!/usr/bin/env bash
# Drives the served sandbox with boto3 and the AWS CLI. Takes the release build if there is one, else builds for debugging.
set -euo pipefail
cd "$(dirname "$0")/../../.."

requirements=sandbox/tests/clients/requirements.txt
venv=target/clients-venv
if ! command -v python3 >/dev/null; then
    echo "python3 is not on the PATH: install it, with its venv module, to run the clients' tests" >&2
    exit 2
fi
# Installed once, and again when the pins change.
if ! cmp --silent "$requirements" "$venv/requirements.txt"; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
    cp "$requirements" "$venv/requirements.txt"
fi

sandbox=target/release/sandbox
if [[ ! -x $sandbox ]]; then
    cargo build --locked -p sandbox
    sandbox=target/debug/sandbox
fi
exec "$venv/bin/python" sandbox/tests/clients/drive.py "$sandbox" "$venv/bin/aws"
