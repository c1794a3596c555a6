#!/usr/bin/env bash
# Follows the functions' logs: `logs.sh [FUNCTION] [OPTION...]`, with the options of `aws logs tail`. All four without a function.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/lib.sh
settings

[[ $(aws --version 2>&1) == aws-cli/2* ]] || die "\`aws logs tail\` needs version 2 of the AWS CLI: docs.aws.amazon.com/cli"

functions=(ingest-trigger activity-worker moderation-callback reconciler)
stack=${RECONCILER_FUNCTION_NAME%-reconciler}
if [[ -n ${1:-} && $1 != -* ]]; then
    [[ " ${functions[*]} " == *" $1 "* ]] || die "$1 is no function: ${functions[*]}"
    functions=("$1")
    shift
fi

trap 'kill $(jobs -p) 2>/dev/null' EXIT
for function in "${functions[@]}"; do
    aws logs tail "/aws/lambda/$stack-$function" --since 10m --follow --format short "$@" &
done
wait
