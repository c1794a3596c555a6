#!/usr/bin/env bash
# Checks the Terraform code with the real tools: terraform fmt, validate and test of each module and root, tflint, checkov, and the
# script that fetches a release. Without AWS, and without leaving anything in the working tree.
#
# validate and test need hashicorp/aws. If ../shared/tools/aws-schema is there (or REELGATE_AWS_SCHEMA names such a folder), the
# provider's schema comes from it and no registry is asked; else the provider is downloaded; else these are skipped, and
# `.ci/skip` counts that. Tools are installed below target/tools, pinned, once.
set -euo pipefail
cd "$(dirname "$0")/.."

tflint_version=v0.64.0
tools=$PWD/target/tools
work=$PWD/target/terraform-check
roots=(. bootstrap modules/function modules/messaging modules/observability modules/schedule modules/state-machine modules/storage)

if ! command -v terraform >/dev/null; then
    .ci/skip terraform "terraform is not on the PATH: install 1.11 or newer (developer.hashicorp.com/terraform)"
    exit
fi
export CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1 TF_CLI_ARGS=-no-color

install_checkov() {
    cmp --silent terraform/checkov.txt "$tools/checkov/requirements.txt" && return
    python3 -m venv --clear "$tools/checkov"
    "$tools/checkov/bin/pip" install --quiet --disable-pip-version-check --requirement terraform/checkov.txt
    cp terraform/checkov.txt "$tools/checkov/requirements.txt"
}

install_tflint() {
    [[ $("$tools/bin/tflint" --version 2>/dev/null | head -n 1) == "TFLint version ${tflint_version#v}" ]] && return
    GOBIN=$tools/bin go install "github.com/terraform-linters/tflint@$tflint_version" 2>"$work/tflint.log" ||
        { cat "$work/tflint.log" >&2 && return 1; }
}

# A copy: .terraform, lock files and state of the checks stay out of the working tree.
rm -rf "$work"
mkdir -p "$work/terraform" "$work/workflow" "$tools/bin"
git ls-files -z --cached --others --exclude-standard terraform workflow/policy workflow/video-ingest.asl.json |
    while IFS= read -r -d '' file; do
        if [[ -e $file ]]; then mkdir -p "$work/$(dirname "$file")" && cp -P "$file" "$work/$file"; fi
    done

# What takes long to install goes on while the tests run.
if command -v python3 >/dev/null; then install_checkov & checkov=$!; fi
if command -v go >/dev/null; then install_tflint & tflint=$!; fi

terraform fmt -check -diff -recursive terraform
echo "terraform fmt: clean"

# --- The script that fetches a release ---

release=$work/release
fetch() {
    rm -rf "$work/fetched"
    REELGATE_RELEASE_URL=file://$release terraform/release/fetch.sh owner/name v0.0.0-check "$work/fetched" >"$work/fetch.log" 2>&1
}
# refuses WHY WHAT: fetching must fail, say so, and leave nothing.
refuses() {
    if fetch || [[ -e $work/fetched ]] || ! grep -q "$2" "$work/fetch.log"; then
        cat "$work/fetch.log" >&2
        echo "fetch.sh takes a release $1" >&2
        exit 1
    fi
}
make_release() {
    rm -rf "$release" && mkdir -p "$release"
    for function in ingest-trigger activity-worker moderation-callback reconciler; do echo "zip of $function" >"$release/$function.zip"; done
    (cd "$release" && if command -v sha256sum >/dev/null; then sha256sum -- *.zip; else shasum -a 256 -- *.zip; fi >SHA256SUMS)
}
make_release && echo tampered >>"$release/reconciler.zip"
refuses "with a tampered zip" "are not those of its SHA256SUMS"
make_release && sed -i.bak '/reconciler/d' "$release/SHA256SUMS"
refuses "that does not sign a zip" "does not name reconciler.zip"
make_release && rm "$release/reconciler.zip"
refuses "without a zip" "is v0.0.0-check a release of owner/name?"
make_release && fetch
cmp "$release/reconciler.zip" "$work/fetched/reconciler/bootstrap.zip"
echo "release/fetch.sh: takes a good release, and none of three bad ones"

# --- Inputs, which need no provider ---

terraform -chdir="$work/terraform/tests/inputs" test >"$work/inputs.log" || { cat "$work/inputs.log" >&2 && exit 1; }
echo "terraform test: inputs: $(tail -n 1 "$work/inputs.log")"

# --- Everything that needs the provider ---

schema=${REELGATE_AWS_SCHEMA:-../shared/tools/aws-schema}
provider=registry
if [[ -x $schema/setup.sh ]] && command -v go >/dev/null; then
    provider=schema
    # The development override: no init, so no lock file that names what is not the real provider.
    "$schema/setup.sh" "$tools/aws-schema" >/dev/null
    export TF_CLI_CONFIG_FILE=$tools/aws-schema/dev.rc
else
    export TF_PLUGIN_CACHE_DIR=$tools/terraform-plugins
    mkdir -p "$TF_PLUGIN_CACHE_DIR"
    if ! terraform -chdir="$work/terraform" init -backend=false -input=false >"$work/init.log" 2>&1; then
        # Only what cannot be reached is no failure of ours.
        grep -qE "could not connect to|Failed to query available provider packages" "$work/init.log" || { cat "$work/init.log" >&2 && exit 1; }
        provider=none
        .ci/skip "terraform validate and test" "registry.terraform.io cannot be reached, and there is no ../shared/tools/aws-schema"
    fi
fi

# check_root FOLDER: validates it and runs its tests; says what failed, or how many tests passed.
check_root() {
    local folder=$work/terraform/$1 log=$work/${1//\//-}.log
    if [[ $provider == registry ]]; then
        terraform -chdir="$folder" init -backend=false -input=false >"$log" 2>&1 || { cat "$log" >&2 && return 1; }
    else
        terraform -chdir="$folder" get >"$log" 2>&1 || { cat "$log" >&2 && return 1; }
    fi
    terraform -chdir="$folder" validate >"$log" 2>&1 || { cat "$log" >&2 && return 1; }
    terraform -chdir="$folder" test >"$log" 2>&1 || { grep -vE '\.\.\. (pass|skip|in progress|tearing down)$' "$log" >&2 && return 1; }
    echo "terraform validate and test: $1: $(tail -n 1 "$log")"
}
if [[ $provider != none ]]; then
    export REELGATE_RELEASE_URL=file://$release
    jobs=()
    for root in "${roots[@]}"; do
        check_root "$root" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job"; done
fi

# --- Linters ---

if [[ -n ${tflint:-} ]]; then
    wait "$tflint"
    for root in "${roots[@]}"; do "$tools/bin/tflint" --chdir="terraform/$root" --config="$PWD/terraform/.tflint.hcl"; done
    echo "tflint: no finding"
else
    .ci/skip tflint "go is not on the PATH: install Go 1.25 or newer"
fi

if [[ -n ${checkov:-} ]]; then
    wait "$checkov"
    # Skips stand beside the resources, each with its reason.
    "$tools/checkov/bin/checkov" --config-file terraform/.checkov.yaml >"$work/checkov.log" 2>&1 || { cat "$work/checkov.log" >&2 && exit 1; }
    echo "checkov: $(grep -m 1 '^Passed checks' "$work/checkov.log")"
else
    .ci/skip checkov "python3 is not on the PATH: install it, with its venv module"
fi
