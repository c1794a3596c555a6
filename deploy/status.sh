#!/usr/bin/env bash
# What the gate is doing: executions that run, slots in use, the last verdicts, and dead letters.
#
# The records below jobs/ hold task tokens, and the ledger's bucket policy lets nobody but the functions read them. Their names, and
# the slots, which hold no secret, tell enough.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/lib.sh
settings

rows_max=10
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

list_executions() {
    aws stepfunctions list-executions --state-machine-arn "$STATE_MACHINE_ARN" "$@"
}

# One execution that has ended.
ended_row() {
    aws stepfunctions describe-execution --execution-arn "$1" |
        jq -r "$jq_lib"'
            [
                (if .status == "SUCCEEDED" then "Approved" else .error // .status end),
                (now - (.stopDate | seconds) | age), .name, (.cause // "-" | plain | .[:100])
            ] | @tsv'
}

# Runs its arguments for each line of standard input, the line's words appended, side by side; prints the results in order.
for_each() {
    local folder number=0 pids=() words
    folder=$(mktemp -d "$scratch/XXXXXX")
    while read -r -a words; do
        "$@" "${words[@]}" >"$folder/$number" </dev/null &
        pids[number]=$!
        number=$((number + 1))
    done
    local each
    for ((each = 0; each < number; each++)); do
        wait "${pids[each]}"
        cat "$folder/$each"
    done
}

table() {
    column -t -s "$(printf '\t')" | sed 's/^/  /'
}

running=$(list_executions --status-filter RUNNING)
aws s3api list-objects-v2 --bucket "$LEDGER_BUCKET" --prefix jobs/ --query 'Contents[].Key' >"$scratch/records"
mkdir "$scratch/slots"
aws s3 sync --only-show-errors "s3://$LEDGER_BUCKET/slots/" "$scratch/slots"
slots=$(find "$scratch/slots" -type f -exec cat {} + | jq -s '[.[].execution]')
max_jobs=$(aws lambda get-function-configuration --function-name "$RECONCILER_FUNCTION_NAME" \
    --query Environment.Variables.MAX_JOBS --output text)

echo "Executions that run: $(jq '.executions | length' <<<"$running"). Slots in use: $(jq length <<<"$slots") of $max_jobs."
jq -r --slurpfile records "$scratch/records" --argjson slots "$slots" --argjson max "$rows_max" "$jq_lib"'
    .executions | sort_by(.startDate | seconds)
    | if length == 0 then empty else
        "phase\tage\texecution",
        (.[:$max][] | .name as $name | [
            # Without a record, no worker has taken the task yet. With one, but without a slot, it waits for a slot again, or its
            # verdict is being carried out.
            if ($records[0] // [] | index("jobs/\($name).json")) == null then "waiting"
            elif ($slots | index($name)) == null then "under way" else "scanning" end,
            (now - (.startDate | seconds) | age), $name
        ] | @tsv),
        if length > $max then "…\t…\tand \(length - $max) younger ones" else empty end
      end' <<<"$running" | table

printf '\nLast verdicts and other ends:\n'
for status in SUCCEEDED FAILED TIMED_OUT ABORTED; do
    list_executions --status-filter "$status" --max-results "$rows_max"
done | jq -rs --argjson max "$rows_max" "$jq_lib"'
    map(.executions) | add | sort_by(.stopDate | seconds) | reverse[:$max][].executionArn' |
    for_each ended_row | table

printf '\nDead letters:\n'
for url in ${DEAD_LETTER_QUEUE_URLS//,/ }; do
    printf '%s\t%s\n' "${url##*/}" "$(sqs get-queue-attributes --queue-url "$url" \
        --attribute-names ApproximateNumberOfMessages --query 'Attributes.ApproximateNumberOfMessages' --output text)"
done | table

if [[ -n ${DASHBOARD_URL:-} ]]; then printf '\nDashboard: %s\n' "$DASHBOARD_URL"; fi
