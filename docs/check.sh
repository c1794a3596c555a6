#!/usr/bin/env bash
# Every alarm that Terraform makes has its section in docs/operations.md, and every section its alarm.
#
# An alarm of each queue, function or topic is one line in Terraform (`errors-${key}`) and one section (`errors-<function>`).
set -euo pipefail
cd "$(dirname "$0")/.."

alarms=terraform/modules/observability
page=docs/operations.md

made=$(
    sed -nE \
        -e 's/^    "?([a-z][a-z-]*)"? *[=:] \{$/\1/p' \
        -e 's/^.*"([a-z][a-z-]*-)\$\{key\}" =>? \{$/\1*/p' \
        -e 's/^ *alarm_name += "\$\{var\.name\}-([a-z][a-z-]*-)\$\{each\.key\}"$/\1*/p' \
        "$alarms"/{alarms.json,alarms.tf,alarm_resources.tf} | sort
)
# shellcheck disable=SC2016 # backquotes of Markdown
described=$(sed -nE 's/^### `([a-z-]+)(<[a-z]+>)?`$/\1\2/p' "$page" | sed 's/<.*>/*/' | sort)

if ! differences=$(diff <(echo "$made") <(echo "$described")); then
    echo "alarms of $alarms (<) and sections of $page (>) differ:" >&2
    grep '^[<>]' <<<"$differences" >&2
    exit 1
fi
echo "alarms: $(wc -l <<<"$made") kinds, each with its section"
