# shellcheck shell=bash
# Sourced by the other scripts: puts the toolchain and the tools that setup.sh installed on PATH, and chooses the
# compiler of the kernel programs. Installs nothing.

MINIMUM_RUST=1.95
NLB_TOOLS="${NLB_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/nlb/tools}"
PATH="$NLB_TOOLS/bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
export PATH NLB_TOOLS
# A rustup that lacks something says so instead of starting a download.
export RUSTUP_AUTO_INSTALL=0

# rust_is_recent RUSTC: is it at least MINIMUM_RUST?
rust_is_recent() {
    local version
    version="$("$1" --version 2>/dev/null | awk '{ print $2 }')"
    [ -n "$version" ] && [ "$(printf '%s\n%s\n' "$MINIMUM_RUST" "$version" | sort -V | head -n 1)" = "$MINIMUM_RUST" ]
}

# has_library_source RUSTC: can it build `core` for a target that has no prebuilt one?
has_library_source() {
    local root
    root="$("$1" --print sysroot 2>/dev/null)" && [ -e "$root/lib/rustlib/src/rust/library/core/src/lib.rs" ]
}

# llvm_major RUSTC: the major version of its LLVM, which must be bpf-linker's as well.
llvm_major() {
    "$1" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p'
}

# linker_speaks MAJOR: is there a bpf-linker with that LLVM? One linked statically does not say, and is believed.
linker_speaks() {
    local linker libraries
    linker="$(command -v bpf-linker)" && libraries="$(ldd "$linker" 2>/dev/null)" || return 1
    case "$libraries" in
        *"libLLVM"*"not found"*) return 1 ;;
        *libLLVM*) case "$libraries" in *"libLLVM.so.$1"* | *"libLLVM-$1.so"*) return 0 ;; *) return 1 ;; esac ;;
    esac
}

# llvm_available MAJOR: can a bpf-linker with that LLVM be had on this machine?
llvm_available() {
    linker_speaks "$1" || [ -d "/usr/lib/llvm-$1/include" ] || apt-cache show "llvm-$1-dev" >/dev/null 2>&1
}

# choose_ebpf_rust: sets EBPF_RUSTC and EBPF_CARGO to the first toolchain with library source and a matching LLVM.
choose_ebpf_rust() {
    local candidate rustc first=''
    EBPF_RUSTC=''
    EBPF_CARGO=''
    for candidate in "${NLB_EBPF_RUSTC:-}" "$(rustup which --toolchain nightly rustc 2>/dev/null)" /usr/bin/rustc; do
        rustc="$candidate"
        if [ ! -x "$rustc" ] || ! has_library_source "$rustc"; then continue; fi
        first="${first:-$rustc}"
        if rust_is_recent "$rustc" && llvm_available "$(llvm_major "$rustc")"; then
            EBPF_RUSTC="$rustc" EBPF_CARGO="${rustc%/rustc}/cargo"
            [ "$rustc" != "${NLB_EBPF_RUSTC:-}" ] || EBPF_CARGO="${NLB_EBPF_CARGO:-$EBPF_CARGO}"
            # The build would take the first it finds; say so where that one will not do.
            if [ "$rustc" != "$first" ]; then export NLB_EBPF_RUSTC="$EBPF_RUSTC" NLB_EBPF_CARGO="$EBPF_CARGO"; fi
            return 0
        fi
    done
    return 1
}

# A distribution's toolchain is used where there is no other, or only one that is too old.
if ! rust_is_recent rustc && rust_is_recent /usr/bin/rustc; then PATH="/usr/bin:$PATH"; fi
choose_ebpf_rust || true
