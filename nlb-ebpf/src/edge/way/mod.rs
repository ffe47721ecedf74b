//! Ways off the fast path: programs of their own for rare packets, reached by a tail call.
//!
//! ```text
//! nlb_edge: … → listener: not the fast path's ─▶ hand_over ─▶ WAYS[way]: nlb_way_icmp, nlb_way_nat
//!                                                    └─▶ no such program: to the stack
//! ```
//!
//! What lives here: one file for each way, with its program. They share the maps and stages of the fast path, which pays a
//! jump for them that it doesn't take. Only the main program calls tail-ward: kernel 6.1 gives a function that does so only
//! half of the stack. A way parses the packet again, for nothing but the packet is handed over.

mod icmp;
pub(super) mod nat;

use core::hint::cold_path;

use aya_ebpf::{bindings::xdp_action, programs::XdpContext};
use nlb_common::packet::{NotOurs, Stop};
use nlb_common::way::{Way, WayOutcome};
use nlb_ebpf::count;

use super::maps::{DROPS, WAY_OUTCOMES, WAYS};

/// Hands the packet to the way that `reason` leads to. It returns only if there is none.
#[inline(always)]
pub(super) fn hand_over(ctx: &XdpContext, reason: NotOurs) {
    cold_path();
    if let Some(way) = Way::of(reason) {
        // SAFETY: nothing of this program needs to be dropped, and the program that goes on is one of the same kind.
        unsafe { WAYS.tail_call(ctx, way as u32) };
    }
}

/// The XDP action of a verdict; counts a drop.
#[inline(always)]
pub(super) fn action(verdict: Result<u32, Stop>) -> u32 {
    match verdict {
        Ok(action) => action,
        Err(Stop::Pass(_)) => xdp_action::XDP_PASS,
        Err(Stop::Drop(reason)) => {
            count::one(&DROPS, reason as u32);
            xdp_action::XDP_DROP
        }
    }
}

/// Counts what a way did with a packet.
#[inline(always)]
fn outcome(outcome: WayOutcome) {
    count::one(&WAY_OUTCOMES, outcome as u32);
}
