//! What is off the fast path, as functions that are called.
//!
//! Global functions, by name: the verifier checks each once, for any arguments, and not again for every path that leads
//! there; and neither the fast path's registers nor its stack know of them. Such a function takes its context and numbers,
//! five at most, and answers a number; its name has no type parameter, so there is one for each family.

use aya_ebpf::bindings::xdp_md;
use nlb_common::packet::network::{V4, V6};
use nlb_common::slot::TargetIndex;

use super::addressed::{Addressed, Offsets};
use super::{active, flows, guard, reset};

/// A family and its functions.
pub(super) trait Functions: Addressed {
    /// [`flows::answer`].
    fn decide(ctx: *mut xdp_md, at: Offsets, slot: u64, asked: u64) -> TargetIndex;

    /// [`reset::answer`].
    fn reset(ctx: *mut xdp_md, at: Offsets, length: usize) -> bool;

    /// [`guard::answer`].
    fn guard(ctx: *mut xdp_md, asked: u64, guard: [u64; 2]) -> u32;

    /// [`active::whole_hash`].
    fn whole_hash(ctx: *mut xdp_md, at: Offsets, protocol: u8) -> u64;
}

macro_rules! functions {
    ($family:ty, $decide:ident, $reset:ident, $guard:ident, $whole_hash:ident) => {
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $decide(ctx: *mut xdp_md, link: usize, payload: usize, slot: u64, asked: u64) -> u32 {
            flows::answer::<$family>(ctx, Offsets { link, payload }, slot, asked)
        }

        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $reset(ctx: *mut xdp_md, link: usize, payload: usize, length: usize) -> u32 {
            u32::from(reset::answer::<$family>(ctx, Offsets { link, payload }, length))
        }

        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $guard(ctx: *mut xdp_md, asked: u64, access: u64, rate: u64) -> u32 {
            guard::answer::<$family>(ctx, asked, [access, rate])
        }

        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $whole_hash(ctx: *mut xdp_md, link: usize, payload: usize, protocol: u8) -> u64 {
            active::whole_hash::<$family>(ctx, Offsets { link, payload }, protocol)
        }

        impl Functions for $family {
            #[inline(always)]
            fn decide(ctx: *mut xdp_md, at: Offsets, slot: u64, asked: u64) -> TargetIndex {
                $decide(ctx, at.link, at.payload, slot, asked)
            }

            #[inline(always)]
            fn reset(ctx: *mut xdp_md, at: Offsets, length: usize) -> bool {
                $reset(ctx, at.link, at.payload, length) != 0
            }

            #[inline(always)]
            fn guard(ctx: *mut xdp_md, asked: u64, [access, rate]: [u64; 2]) -> u32 {
                $guard(ctx, asked, access, rate)
            }

            #[inline(always)]
            fn whole_hash(ctx: *mut xdp_md, at: Offsets, protocol: u8) -> u64 {
                $whole_hash(ctx, at.link, at.payload, protocol)
            }
        }
    };
}

functions!(V4, nlb_decide_v4, nlb_reset_v4, nlb_guard_v4, nlb_whole_hash_v4);
functions!(V6, nlb_decide_v6, nlb_reset_v6, nlb_guard_v6, nlb_whole_hash_v6);
