//! What both XDP programs share: the way to a packet's bytes, the way out of a tunnel, and per-CPU counting.
//!
//! On any other architecture than `bpf` this crate is empty: the programs are built by nlb-userspace's build script.
#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(
    target_arch = "bpf",
    expect(unstable_features, reason = "an empty asm block keeps a pointer in its register")
)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
pub mod count;
#[cfg(target_arch = "bpf")]
pub mod decapsulation;
#[cfg(target_arch = "bpf")]
pub mod door;
#[cfg(target_arch = "bpf")]
pub mod opaque;
