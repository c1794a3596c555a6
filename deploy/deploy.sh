#!/usr/bin/env bash
# Terraform with what it needs: `deploy.sh plan|apply|destroy [OPTION...]`, with the options of that Terraform command.
#
# The functions are built before a plan, since it compares their hashes. An apply, which shows its plan and asks, ends when uploads
# are safe.
set -euo pipefail
cd "$(dirname "$0")/.."

action=${1:-}
case $action in
plan | apply | destroy) shift ;;
*) echo "usage: deploy.sh plan|apply|destroy [OPTION...]" >&2 && exit 2 ;;
esac

deploy/tools.sh build
just build
terraform -chdir=terraform init -input=false
terraform -chdir=terraform "$action" "$@"
if [[ $action == apply ]]; then
    deploy/probe.sh
    printf '\nTry: just drop samples/clean-bars.mp4\n'
fi
