#!/usr/bin/env bash
# Checks what runs where no test reaches it: the workflows (actionlint, zizmor) and every shell script (shellcheck).
#
# The tools are pinned, and installed once below target/tools; zizmor runs offline, so nothing is asked of GitHub.
set -euo pipefail
cd "$(dirname "$0")/.."

actionlint_version=v1.7.12
tools=target/tools/workflows

if ! command -v python3 >/dev/null; then
    echo "python3 is not on the PATH: install it, with its venv module, to check the workflows and scripts" >&2
    exit 2
fi
# Installed once, and again when the pins change.
if ! cmp --silent .github/check-requirements.txt "$tools/requirements.txt"; then
    python3 -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
        --requirement .github/check-requirements.txt
    cp .github/check-requirements.txt "$tools/requirements.txt"
fi
# Both find shellcheck there: actionlint checks the scripts inside the workflows with it.
PATH=$PWD/$tools/bin:$PATH

# Scripts that are not added yet too, so that a finding comes before the commit.
scripts=()
while IFS= read -r -d '' file; do
    [[ -f $file ]] || continue
    first=$(head -n 1 "$file" | tr -d '\0')
    if [[ $first == '#!'*bash ]]; then scripts+=("$file"); fi
done < <(git ls-files -z --cached --others --exclude-standard)
shellcheck --external-sources "${scripts[@]}"
echo "shellcheck: ${#scripts[@]} scripts, no finding"

zizmor --quiet --offline --no-progress .github

if ! command -v go >/dev/null; then
    .ci/skip actionlint "go is not on the PATH: install Go 1.25 or newer"
    exit
fi
if [[ $(actionlint -version 2>/dev/null | head -n 1) != "$actionlint_version" ]]; then
    GOBIN=$PWD/$tools/bin go install "github.com/rhysd/actionlint/cmd/actionlint@$actionlint_version"
fi
actionlint
echo "actionlint: no finding"
