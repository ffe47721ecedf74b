#!/usr/bin/env bash
# Sets up, then runs all lints and all tests; ends with the test runner's summary. Needs root: the laboratory makes
# network namespaces and loads kernel programs.
#   scripts/test.sh [ARGUMENTS OF cargo nextest run]      e.g. scripts/test.sh --test lab_itself
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || { echo 'test: run this as root: the laboratory makes network namespaces and loads kernel programs' >&2; exit 1; }
scripts/setup.sh --test
# shellcheck source=scripts/env.sh
. scripts/env.sh

started=$SECONDS
stage() { printf '\n== %s (after %s s) ==\n' "$1" "$((SECONDS - started))"; }

logs="$(mktemp -d -t nlb-test.XXXXXX)"
color=()
if [ -t 1 ]; then color=(--color always); fi
# What runs beside the rest: its process group by its name.
declare -A beside=()
cleanup() {
    for group in "${beside[@]}"; do kill -- "-$group" 2>/dev/null || true; done
    rm -rf "$logs"
}
trap cleanup EXIT

# begin NAME COMMAND…: runs it beside what follows, which it stands back a little for. No more: it has time limits too.
begin() {
    local name="$1"
    shift
    printf 'what it prints: %s\n' "$logs/$name"
    set -m
    nice -n 5 "$@" >"$logs/$name" 2>&1 </dev/null &
    beside[$name]=$!
    set +m
}

# end NAME: waits for it, and shows how its steps ended; all that it printed when one failed.
end() {
    local code=0
    wait "${beside[$1]}" || code=$?
    unset "beside[$1]"
    if [ "$code" = 0 ]; then grep -E '^  (ok|skipped)  ' "$logs/$1" || code=1; else cat "$logs/$1"; fi
    return "$code"
}

if [ $# = 0 ]; then
    # Its own build of everything is of one crate after the other, for one processor most of the time.
    stage 'fuzzing begins, a short run of each target, beside what follows'
    begin fuzz cargo xtask fuzz
    stage 'lints'
    cargo xtask lint
fi
stage 'building'
cargo build --bins
if [ $# = 0 ]; then
    stage 'documentation tests'
    cargo test --quiet --doc
    stage 'waiting for the fuzzing'
    end fuzz
    # Their kernels come from Debian's packages, and they emulate what Debian's are for. An emulator wants nothing but processor
    # time, and the laboratory waits most of the time.
    if command -v apt-get >/dev/null && [ "$(uname -m)" = x86_64 ]; then
        stage 'tests of the kernel programs on the oldest kernel begin, in virtual machines beside what follows'
        begin machines cargo xtask vm test --limit 3000
    fi
fi
stage 'tests'
passed=true
cargo nextest run --profile all "${color[@]}" "$@" 2>&1 | tee "$logs/tests" || passed=false
if [ -n "${beside[machines]:-}" ]; then
    stage 'waiting for the virtual machines'
    end machines || passed=false
    # This ends with what the test runner ended with.
    sed -n '/Summary \[/,$p' "$logs/tests"
fi
$passed
