#!/usr/bin/env bash
# Terraform for deploy.yml: `terraform.sh plan|apply`, with STATE_BUCKET, TFVARS and credentials in the environment.
#
# plan   shows the changes, lists them in the run's summary, and gives out a digest of all that they would do
# apply  plans again, and applies that plan only if its digest is APPROVED_DIGEST: what somebody approved. (The plan itself is not
#        handed on: it holds the whole state, and whoever may read the repository may download a run's artifacts.)
set -euo pipefail
cd "$(dirname "$0")/../terraform"

action=${1:-}
[[ $action == plan || $action == apply ]] || { echo "usage: terraform.sh plan|apply" >&2 && exit 2; }

printf '%s\n' "${TFVARS:-}" >deploy.auto.tfvars
# A stranger's first apply keeps its state in a file, so the configuration names no backend. Bucket and key are terraform/bootstrap's:
# <name>-terraform-state-<account> and <name>.tfstate.
printf 'terraform {\n  backend "s3" {}\n}\n' >backend_override.tf
terraform init -input=false \
    -backend-config="bucket=${STATE_BUCKET:?}" -backend-config="key=${STATE_BUCKET%-terraform-state-*}.tfstate" -backend-config="region=${AWS_REGION:?}" \
    -backend-config="use_lockfile=true" -backend-config="encrypt=true"

# The role that plans may not write, so it cannot lock either.
lock=(-lock-timeout=10m)
if [[ $action == plan ]]; then lock=(-lock=false); fi
terraform plan -input=false "${lock[@]}" -out="$RUNNER_TEMP/plan"

changes=$(terraform show -json "$RUNNER_TEMP/plan" |
    jq -S '[.resource_changes[]? | select(.change.actions != ["no-op"] and .change.actions != ["read"]) | {address, change}]')
digest=$(sha256sum <<<"$changes" | cut -d ' ' -f 1)

if [[ $action == plan ]]; then
    # shellcheck disable=SC2016 # backquotes of Markdown
    jq -r '"### \(length) changes", "", (.[] | "- \(.change.actions | join(", ")) `\(.address)`")' <<<"$changes" >>"$GITHUB_STEP_SUMMARY"
    echo "digest=$digest" >>"$GITHUB_OUTPUT"
elif [[ $digest == "${APPROVED_DIGEST:?}" ]]; then
    terraform apply -input=false -lock-timeout=10m "$RUNNER_TEMP/plan"
else
    echo "this plan is not the one that was approved: something changed meanwhile, so run the workflow again" >&2
    exit 1
fi
