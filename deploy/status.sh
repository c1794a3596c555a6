#!/usr/bin/env bash
# What the gate is doing: executions that run, slots in use, the last verdicts, and dead letters.
#
# A record of the ledger holds a task token: it stays in memory here, and only the fields below are printed.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/lib.sh
settings

rows_max=10
rows=$(mktemp -d)
trap 'rm -rf "$rows"' EXIT

list_executions() {
    aws stepfunctions list-executions --state-machine-arn "$STATE_MACHINE_ARN" --output json "$@"
}

# One execution that runs. Without a record no worker has taken its task yet: it waits for a slot.
running_row() {
    local name=$1 started=$2 record=null
    if grep -qxF "jobs/$name.json" <<<"$records"; then
        record=$(aws s3 cp "s3://$LEDGER_BUCKET/jobs/$name.json" -)
    fi
    jq -r --arg name "$name" --argjson started "$started" "$jq_lib"'
        [
            .phase // "waiting", (now - $started | age),
            (.analyses[-1].started_ms // null | if . then now - . / 1000 | age else "-" end),
            .attempts // 0, $name, (.last_error.message // "-" | plain)
        ] | @tsv' <<<"$record"
}

# One execution that has ended.
ended_row() {
    aws stepfunctions describe-execution --execution-arn "$1" --output json |
        jq -r "$jq_lib"'
            [
                (if .status == "SUCCEEDED" then "Approved" else .error // .status end),
                (now - (.stopDate | seconds) | age), .name, (.cause // "-" | plain | .[:100])
            ] | @tsv'
}

# Runs its arguments for each line of standard input, the line's words appended, side by side; prints the results in order.
for_each() {
    local folder number=0 pids=() words
    folder=$(mktemp -d "$rows/XXXXXX")
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

# Keys below a prefix of the ledger, one a line.
ledger_keys() {
    aws s3api list-objects-v2 --bucket "$LEDGER_BUCKET" --prefix "$1" --output json --query 'Contents[].Key' | jq -r '.[]?'
}

running=$(list_executions --status-filter RUNNING |
    jq -r "$jq_lib"'.executions | sort_by(.startDate | seconds)[] | "\(.name) \(.startDate | seconds)"')
count=$(grep -c . <<<"$running" || true)
records=$(ledger_keys jobs/)
slots=$(ledger_keys slots/ | grep -c . || true)
max_jobs=$(aws lambda get-function-configuration --function-name "$RECONCILER_FUNCTION_NAME" \
    --query Environment.Variables.MAX_JOBS --output text)

echo "Executions that run: $count. Slots in use: $slots of $max_jobs."
if ((count > 0)); then
    {
        printf 'phase\tage\tjob\ttries\texecution\tlast error\n'
        head -n "$rows_max" <<<"$running" | for_each running_row
    } | table
    ((count <= rows_max)) || echo "  These are the oldest; $((count - rows_max)) are younger."
fi

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
