#!/usr/bin/env bash
# Waits until uploads to the raw bucket get a version id.
#
# S3 asks for up to 15 minutes after versioning was enabled for the first time (S3 User Guide, "Enabling versioning on buckets"). A
# video that is uploaded before has no version that could be pinned, and the gate refuses it.
#
# The probe is an empty object with the name of a folder, deleted at once by its version id. That is the cheapest upload there is: the
# ingest trigger counts the event as ignored, before it asks for a version; no execution starts, no slot is taken, nothing is
# scanned. (A small file with a wrong name would cost an execution, a slot and a report.)
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/lib.sh
settings

key=reelgate-probe/
wait_s=15
for ((waited_s = 0; waited_s <= 1200; waited_s += wait_s)); do
    version=$(aws s3api put-object --bucket "$RAW_BUCKET" --key "$key" --query VersionId --output text)
    # Without versioning the answer names no version, and the object is the version "null".
    if [[ $version == None ]]; then version=null; fi
    aws s3api delete-object --bucket "$RAW_BUCKET" --key "$key" --version-id "$version" >/dev/null
    if [[ $version != null ]]; then
        echo "uploads to $RAW_BUCKET get version ids: the gate is ready"
        exit
    fi
    echo "an upload got no version id yet, which may take up to 15 minutes; next try in $wait_s s"
    sleep "$wait_s"
done
die "uploads to $RAW_BUCKET still get no version id: see that its versioning is enabled, then run deploy/probe.sh again"
