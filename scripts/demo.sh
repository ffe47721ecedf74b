#!/usr/bin/env bash
# Sets up, builds, and shows the balancer at work in a laboratory of network namespaces. Needs root.
#   scripts/demo.sh              shows it and removes everything
#   scripts/demo.sh --stay       leaves the laboratory up until Enter or Ctrl-C, and says what to try
#   scripts/demo.sh --two-armed  with an edge that has a second leg on the targets' segment
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || { echo 'demo: run this as root: it makes network namespaces and loads kernel programs' >&2; exit 1; }
scripts/setup.sh
# shellcheck source=scripts/env.sh
. scripts/env.sh

echo 'Building (the first time takes some minutes)'
cargo build --bins
# It removes what it made whatever ends it, Ctrl-C and SIGTERM too; what a SIGKILL leaves goes with the next run.
exec "${CARGO_TARGET_DIR:-target}/debug/nlb-demo" "$@"
