#!/usr/bin/env bash
# The parts of a release, for release.yml and deploy.yml. `check`, `publish` and `promote` need GH_TOKEN; the others work anywhere.
#
#   release.sh check TAG            the tag names Cargo.toml's version, which CHANGELOG.md describes and ci.yml has passed on main
#   release.sh gather               the built zips as target/release-assets/<function>.zip, with SHA256SUMS
#   release.sh compare DIR DIR      the zips are what their checksums say, and two builds gave the same
#   release.sh notes TAG            the tag's section of CHANGELOG.md
#   release.sh publish TAG          a GitHub release with the zips and SHA256SUMS of target/release-assets
#   release.sh promote TAG          the release's zips in target/lambda, if release.yml built them from that tag
set -euo pipefail
cd "$(dirname "$0")/.."

functions=(ingest-trigger activity-worker moderation-callback reconciler)
assets=target/release-assets

die() {
    echo "$*" >&2
    exit 1
}

notes() {
    # The lines between the version's heading and the next one.
    awk -v version="${1#v}" '
        /^## / { inside = ($2 == version); next }
        inside { print }
    ' CHANGELOG.md
}

check() {
    local version
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
    [[ $1 == "v$version" ]] || die "the tag is $1, but Cargo.toml's version is $version: tag v$version, or set the version first"
    [[ -n $(notes "$1" | tr -d '[:space:]') ]] || die "CHANGELOG.md has nothing under \"## ${1#v}\": move \"Unreleased\" there first"
    git merge-base --is-ancestor HEAD origin/main || die "$1 is no part of main: merge it, then tag the merged commit"
    local passed
    passed=$(gh run list --workflow ci.yml --branch main --commit "$(git rev-parse HEAD)" --status success --json databaseId --jq length)
    ((passed > 0)) || die "ci.yml has not passed on main for this commit: let it, then run this workflow again"
}

gather() {
    mkdir -p "$assets"
    local function
    for function in "${functions[@]}"; do
        cp "target/lambda/$function/bootstrap.zip" "$assets/$function.zip"
    done
    (cd "$assets" && sha256sum "${functions[@]/%/.zip}" >SHA256SUMS && cat SHA256SUMS)
}

compare() {
    local folder
    for folder in "$1" "$2"; do
        (cd "$folder" && sha256sum --check --strict SHA256SUMS)
        [[ $(wc -l <"$folder/SHA256SUMS") == "${#functions[@]}" ]] || die "$folder/SHA256SUMS does not name ${#functions[@]} zips"
    done
    diff "$1/SHA256SUMS" "$2/SHA256SUMS" ||
        die "two builds of one commit differ: one machine did not build what the source says, or the build is not deterministic"
}

publish() {
    # gh uploads the assets to a draft and publishes that, so nobody sees half a release. An existing one is an error: its
    # zips may be deployed.
    notes "$1" | gh release create "$1" --verify-tag --title "$1" --notes-file - "$assets"/*.zip "$assets/SHA256SUMS"
}

promote() {
    local repository=${GITHUB_REPOSITORY:?is set by GitHub Actions} function
    # gh may read a private repository's release, fetch.sh alone may not.
    gh release download "$1" --dir "$assets"
    REELGATE_RELEASE_URL=file://$PWD/$assets terraform/release/fetch.sh "$repository" "$1" target/lambda
    for function in "${functions[@]}"; do
        gh attestation verify "target/lambda/$function/bootstrap.zip" --repo "$repository" \
            --signer-workflow "$repository/.github/workflows/release.yml" --source-ref "refs/tags/$1" --deny-self-hosted-runners
    done
}

case "$# ${1:-}" in
"2 check" | "2 notes" | "2 publish" | "2 promote" | "3 compare" | "1 gather") "$@" ;;
*) die "usage: release.sh check TAG | gather | compare DIR DIR | notes TAG | publish TAG | promote TAG" ;;
esac
