#!/usr/bin/env bash
# Puts one deliberate bug at a time into a copy of `workflow/`, and runs the simulation until it finds it: an invariant that no
# mutant breaks may be one that nothing can break.
#
#   run.sh [--check] [NAME…]    NAME: part of a mutant's name; without any, all
#
# With --check it only looks whether every patch has its header and still applies. Exit code 1: a mutant survived, was caught by
# another invariant than its own, did not compile, or a patch is not as it should be.
set -euo pipefail
cd "$(dirname "$0")/../../.."

mutants=sandbox/tests/mutants
copy=target/mutants/tree
seeds_max=1000

# The value of a field of a mutant's header; the diff follows the header.
field() {
    sed -n "/^--- /q; s/^$2: //p" "$1"
}

check_one() {
    local patch=$1 name
    for name in bug promise invariant catches; do
        if [[ -z $(field "$patch" "$name") ]]; then
            echo "$patch: the header has no '$name:'" >&2
            return 1
        fi
    done
    if ! [[ $(basename "$patch") =~ ^[1-7]- && $(field "$patch" promise) =~ ^[1-7]$ ]]; then
        echo "$patch: neither name nor header say which promise (1 to 7) it breaks" >&2
        return 1
    fi
    if grep -E '^(---|\+\+\+) ' "$patch" | grep -qvE '^(---|\+\+\+) [ab]/workflow/'; then
        echo "$patch: changes something else than workflow/" >&2
        return 1
    fi
    git apply --check "$patch"
}

# Brings the copy up to date. What changes gets the time of now, so that cargo notices; what does not keeps its own.
refresh_copy() {
    local file
    mkdir -p "$copy"
    git ls-files -z --cached --others --exclude-standard >target/mutants/files
    while IFS= read -r -d '' file; do
        [[ -f $file ]] || continue
        if [[ ! -e $copy/$file ]]; then
            mkdir -p "$copy/$(dirname "$file")"
            cp -p "$file" "$copy/$file"
        elif ! cmp -s "$file" "$copy/$file"; then
            cp "$file" "$copy/$file"
        fi
    done <target/mutants/files
    # What the copy has besides.
    comm -z -13 <(sort -z target/mutants/files) <(cd "$copy" && find . -type f -printf '%P\0' | sort -z) |
        (cd "$copy" && xargs -0r rm)
}

# Applies a patch to the copy, which is to git no part of this repository.
apply() {
    local patch=$PWD/$1
    shift
    (GIT_CEILING_DIRECTORIES=$PWD/target/mutants && export GIT_CEILING_DIRECTORIES && cd "$copy" && git apply "$@" "$patch")
}

build() {
    cargo build --quiet --locked --manifest-path "$copy/Cargo.toml" --target-dir target --profile mutant -p sandbox
}

# Runs seeds until one breaks the mutant's own invariant. Prints that seed and what broke; nothing if none does.
hunt() {
    local patch=$1 seed=1 catches videos found
    catches=$(field "$patch" catches)
    videos=$(field "$patch" videos)
    while ((seed <= seeds_max)); do
        if found=$(target/mutant/sandbox sim --faults hostile --seed "$seed" --runs $((seeds_max - seed + 1)) \
            --videos "${videos:-10}" --jobs "$(nproc)"); then
            return
        fi
        seed=$(sed -n 's/^Seed \([0-9]*\) broke:$/\1/p' <<<"$found")
        if [[ -z $seed ]]; then
            echo "the simulation itself failed" >&2
            return
        fi
        if grep -qE "^✗ .*($catches)" <<<"$found"; then
            echo "$seed $(grep -m 1 -oE "($catches).*" <<<"$found")"
            return
        fi
        seed=$((seed + 1))
    done
}

if [[ ${1:-} == --check ]]; then
    only_check=1
    shift
fi
patches=()
for patch in "$mutants"/*.patch; do
    for name in "${@:-}"; do
        if [[ $(basename "$patch") == *"$name"* ]]; then
            patches+=("$patch")
            break
        fi
    done
done
if ((${#patches[@]} == 0)); then
    echo "no mutant is called like that: see $mutants" >&2
    exit 2
fi

failed=0
for patch in "${patches[@]}"; do check_one "$patch" || failed=1; done
if [[ -n ${only_check:-} ]]; then
    if ((failed == 0)); then echo "${#patches[@]} mutants apply."; fi
    exit "$failed"
fi

refresh_copy
row='%-58s %7s %6s %5s  %s\n'
# shellcheck disable=SC2059 # the format is the row's
printf "$row" mutant promise seed s "what broke"
for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch)
    promise=$(field "$patch" promise)
    began=$SECONDS
    apply "$patch"
    if build; then
        caught=$(hunt "$patch")
    else
        caught="- does not compile"
    fi
    # Reversed and not copied back: the files are as new as they are for cargo.
    apply "$patch" --reverse
    case $caught in
    "") caught="- SURVIVED $seeds_max seeds" failed=1 ;;
    -*) failed=1 ;;
    esac
    # shellcheck disable=SC2059
    printf "$row" "$name" "$promise" "${caught%% *}" "$((SECONDS - began))" "${caught#* }"
done
exit "$failed"
