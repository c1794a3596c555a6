#!/usr/bin/env bash
# Uploads a video to the raw bucket and waits for its verdict: `drop.sh FILE [KEY]`. Ctrl-C ends the waiting, not the moderation.
#
# The exit code is 0 if the video was approved, 3 if it ended in any other way.
set -euo pipefail

file=${1:?"usage: drop.sh FILE [KEY]"}
key=${2:-$(basename "$file")}
# Relative to where it was called.
[[ $file == /* ]] || file=$PWD/$file
cd "$(dirname "$0")/.."
. deploy/lib.sh
[[ -f $file ]] || die "$file is no file"
[[ -s $file ]] || die "$file is empty: the gate ignores empty objects"
settings

aws s3 cp "$file" "s3://$RAW_BUCKET/$key" --only-show-errors
version=$(aws s3api head-object --bucket "$RAW_BUCKET" --key "$key" --query VersionId --output text)
echo "uploaded as version $version"

# The ARN of the version's execution, once there is one: the newest are listed first, and their input names the version.
seen=" "
find_execution() {
    local arn known
    for arn in $(aws stepfunctions list-executions --state-machine-arn "$STATE_MACHINE_ARN" --max-results 100 \
        --query 'executions[].executionArn' --output text); do
        [[ $seen != *" $arn "* ]] || continue
        seen+="$arn "
        known=$(aws stepfunctions describe-execution --execution-arn "$arn" --query input --output text)
        if jq -e --arg version "$version" '.versionId == $version' <<<"$known" >/dev/null; then
            execution=$arn
            return
        fi
    done
}

execution=
for ((tries = 0; ; tries++)); do
    find_execution
    [[ -z $execution ]] || break
    # S3 delivers an event within seconds, "but can sometimes take a minute or longer" (S3 User Guide, "Amazon S3 Event Notifications").
    ((tries < 60)) || die "no execution within two minutes: see \`just logs\` and \`just status\`; the daily sweep finds lost events"
    sleep 2
done
echo "moderated by $execution"

while true; do
    described=$(aws stepfunctions describe-execution --execution-arn "$execution")
    status=$(jq -r .status <<<"$described")
    [[ $status == RUNNING ]] || break
    sleep 2
done
jq -r "$jq_lib"' if .status == "SUCCEEDED" then "Approved" else "\(.error // .status): \(.cause // "no cause was given" | plain)" end' <<<"$described"
echo "report: s3://$LEDGER_BUCKET/reports/${execution##*:}.json"
[[ $status == SUCCEEDED ]] || exit 3
echo "approved: s3://$APPROVED_BUCKET/$key"
