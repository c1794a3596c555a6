#!/usr/bin/env bash
# Starts executions for uploaded versions that have none: `sweep.sh [--prefix PREFIX] [--window-days DAYS] [--backfill]`.
#
# The same runs daily for versions of the last 14 days. --backfill takes versions of any age: for a bucket that had videos before it
# had the gate. Every execution that this starts is a scan that is paid for.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/lib.sh

usage="usage: sweep.sh [--prefix PREFIX] [--window-days DAYS] [--backfill]"
command='{}'
while (($#)); do
    case $1 in
    --prefix) command=$(jq --arg prefix "${2:?$usage}" '.prefix = $prefix' <<<"$command") && shift 2 ;;
    --window-days) command=$(jq --argjson days "${2:?$usage}" '.window_days = $days' <<<"$command") && shift 2 ;;
    --backfill) command=$(jq '.backfill = true' <<<"$command") && shift ;;
    *) die "$usage" ;;
    esac
done
settings

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
# A payload from a file is taken as it is by both versions of the CLI; one on the command line is not.
# A sweep goes on for at most the function's 15 minutes.
error=$(jq '{sweep: .}' <<<"$command" | aws lambda invoke --function-name "$RECONCILER_FUNCTION_NAME" \
    --payload fileb:///dev/stdin --cli-read-timeout 900 --query FunctionError --output text "$answer")
[[ $error == None ]] || die "the sweep failed: $(jq -r "$jq_lib"'.errorMessage | plain' "$answer")"
jq -r '"\(.versions) versions seen, \(.started) executions started; "
    + if .complete then "the bucket was walked to its end" else "the hourly look at leftovers goes on from here" end' "$answer"
