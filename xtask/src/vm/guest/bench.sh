# Measures, and reports the figures.
# shellcheck disable=SC2046  # Each word is an argument.
RUST_BACKTRACE=1 nlb-bench vm --json /tmp/figures $(cat /arguments) && cat /tmp/figures >/dev/ttyS2
