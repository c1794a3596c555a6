#!/usr/bin/env bash
# Terraform with what it needs: `deploy.sh plan|apply|destroy [OPTION...]`, with the options of that Terraform command.
#
# The functions are built before a plan, since it compares their hashes; not with `-var release=TAG`, which takes a release's zips and
# needs no toolchain. An apply, which shows its plan and asks, ends when uploads are safe.
set -euo pipefail
cd "$(dirname "$0")/.."

action=${1:-}
case $action in
plan | apply | destroy) shift ;;
*) echo "usage: deploy.sh plan|apply|destroy [OPTION...]" >&2 && exit 2 ;;
esac

if [[ "$*" == *release=* || -n ${TF_VAR_release:-} ]]; then
    deploy/tools.sh
else
    deploy/tools.sh build
    just build
fi
terraform -chdir=terraform init -input=false
terraform -chdir=terraform "$action" "$@"
if [[ $action == apply ]]; then
    deploy/probe.sh
    printf '\nTry: deploy/drop.sh samples/clean-bars.mp4\n'
fi
