#!/usr/bin/env bash
# Fetches the functions' zips of a release and checks them: fetch.sh OWNER/NAME TAG FOLDER
#
# FOLDER gets <function>/bootstrap.zip, as `just build` makes them below target/lambda. Nothing is left there unless all of them
# are what the release's SHA256SUMS says. That guards against damage; against a forged release only the attestation does, which
# GitHub's own CLI checks if it is there.
set -euo pipefail

[[ $# -eq 3 ]] || {
    echo "usage: fetch.sh OWNER/NAME TAG FOLDER" >&2
    exit 2
}
repository=$1 tag=$2 folder=$3
# Somewhere else for a mirror, or a test.
url=${REELGATE_RELEASE_URL:-https://github.com/$repository/releases/download/$tag}
functions=(ingest-trigger activity-worker moderation-callback reconciler)

die() {
    echo "fetch.sh: $*" >&2
    exit 1
}

# macOS has shasum and no sha256sum.
check_sums() {
    if command -v sha256sum >/dev/null; then sha256sum --check --quiet "$1"; else shasum --algorithm 256 --check --quiet "$1"; fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for asset in SHA256SUMS "${functions[@]/%/.zip}"; do
    curl --fail --silent --show-error --location --retry 3 --proto "=https,file" --proto-redir "=https" --output "$work/$asset" "$url/$asset" ||
        die "$url/$asset cannot be fetched: is $tag a release of $repository?"
done

# A line for each zip, so that none goes unchecked.
for function in "${functions[@]}"; do
    grep -E "^[0-9a-f]{64} [ *]$function\.zip$" "$work/SHA256SUMS" >>"$work/expected" ||
        die "SHA256SUMS of $tag does not name $function.zip"
done
(cd "$work" && check_sums expected) || die "the zips of $tag are not those of its SHA256SUMS; nothing was deployed"

if [[ -n ${REELGATE_RELEASE_URL:-} ]]; then
    echo "fetched from $url: no attestation is looked for there"
elif command -v gh >/dev/null && gh auth status >/dev/null 2>&1; then
    for function in "${functions[@]}"; do
        gh attestation verify "$work/$function.zip" --repo "$repository" >/dev/null ||
            die "$function.zip of $tag has no valid attestation of $repository; nothing was deployed"
    done
    echo "attested by $repository"
else
    echo "attestations were not checked: that takes GitHub's CLI, logged in (cli.github.com)"
fi

for function in "${functions[@]}"; do
    mkdir -p "$folder/$function"
    mv "$work/$function.zip" "$folder/$function/bootstrap.zip"
done
echo "the zips of $tag are in $folder"
