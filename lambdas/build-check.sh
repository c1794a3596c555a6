#!/usr/bin/env bash
# Builds the committed functions in another folder too, and compares the zips byte by byte. Takes as long as two builds from nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -n $(git status --porcelain) ]]; then
    echo "there are changes that are not committed: what is compared is the commit, so commit or stash them" >&2
    exit 2
fi
lambdas/build.sh

other=target/another-folder
git worktree remove --force "$other" 2>/dev/null || true
git worktree add --quiet --detach "$other" HEAD
trap 'git worktree remove --force "$other"' EXIT
"$other/lambdas/build.sh"

for zip in target/lambda/*/bootstrap.zip; do
    cmp "$zip" "$other/$zip"
done
echo "the zips of both folders are the same, byte by byte"
