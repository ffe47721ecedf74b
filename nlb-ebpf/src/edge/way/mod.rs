//! Ways off the fast path: programs of their own for rare packets, reached by a tail call.
//!
//! ```text
//! nlb_edge: … stop ─▶ hand_over ─▶ WAYS[way]: nlb_way_icmp, nlb_way_too_big, nlb_way_nat
//!                        └─▶ no such way or program: to the stack, or dropped
//! ```
//!
//! What lives here: one file for each way, with its program. They share the maps and stages of the fast path, which pays a
//! jump for them that it doesn't take. Only the main program calls tail-ward: kernel 6.1 gives a function that does so only
//! half of the stack. A way parses the packet again, for nothing but the packet is handed over.

mod icmp;
pub(super) mod nat;
mod refuse;
mod route;
mod too_big;

use core::hint::cold_path;

use aya_ebpf::{bindings::xdp_action, programs::XdpContext};
use nlb_common::packet::Stop;
use nlb_common::packet::link::Link;
use nlb_common::packet::network::Network;
use nlb_common::way::{Way, WayOutcome};
use nlb_ebpf::count;
use nlb_ebpf::opaque::opaque;

use super::maps::{DROPS, WAY_OUTCOMES, WAYS};

/// Hands the packet to the way that `stop` leads to. It returns only if there is none.
#[inline(always)]
pub(super) fn hand_over(ctx: &XdpContext, stop: Stop) {
    cold_path();
    if let Some(way) = Way::of(stop) {
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

/// `network` with an offset and a length of which the verifier knows bounds and no more: so it goes once through what follows,
/// and not for each number of extension headers anew.
#[inline(always)]
fn bounded(network: Network) -> Network {
    Network { payload: offset(network.payload), payload_length: opaque(network.payload_length) & 0xffff, ..network }
}

/// The same for a link header: not for each number of tags anew.
#[inline(always)]
fn bounded_link(link: Link) -> Link {
    Link { length: opaque(link.length) & 0x1f, ..link }
}

/// The same for one offset.
#[inline(always)]
fn offset(offset: usize) -> usize {
    const MOST: usize = 0x7fff;
    opaque(offset) & MOST
}

/// Counts what a way did with a packet.
#[inline(always)]
fn outcome(outcome: WayOutcome) {
    count::one(&WAY_OUTCOMES, outcome as u32);
}
