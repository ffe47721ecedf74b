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

if [ $# = 0 ]; then
    stage 'lints'
    cargo xtask lint
fi
stage 'building'
cargo build --bins
if [ $# = 0 ]; then
    stage 'documentation tests'
    cargo test --quiet --doc
    stage 'fuzzing, a short run of each target'
    cargo xtask fuzz
    # Its kernels come from Debian's packages, and it emulates what Debian's are for.
    if command -v apt-get >/dev/null && [ "$(uname -m)" = x86_64 ]; then
        stage 'tests of the kernel programs on the oldest kernel, in a virtual machine'
        cargo xtask vm test
    fi
fi
stage 'tests'
cargo nextest run --profile all "$@"
