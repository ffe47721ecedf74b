//! What is off the fast path, as functions that are called.
//!
//! Global functions, by name: the verifier checks each once, for any arguments, and not again for every path that leads
//! there; and neither the fast path's registers nor its stack know of them. Such a function takes its context and numbers,
//! five at most, and answers a number; its name has no type parameter, so there is one for each family.

use aya_ebpf::bindings::xdp_md;
use nlb_common::address::Address;
use nlb_common::hash::{Affinity, Flow};
use nlb_common::listener::Claim;
use nlb_common::packet::fragment::Fragmented;
use nlb_common::packet::network::{V4, V6};
use nlb_common::ranges::RangesKey;
use nlb_common::slot::TargetIndex;

use super::addressed::{Addressed, Offsets};
use super::constants::hash_keys;
use super::{active, flows, guard, known, listener, quic, reset, trace};

/// A family and its functions.
pub(super) trait Functions: Addressed + Fragmented {
    /// [`flows::answer`].
    fn decide(ctx: *mut xdp_md, at: Offsets, slot: u64, asked: u64) -> TargetIndex;

    /// [`reset::answer`].
    fn reset(ctx: *mut xdp_md, at: Offsets, length: usize) -> bool;

    /// [`guard::answer`].
    fn guard(ctx: *mut xdp_md, asked: u64) -> u32;

    /// [`active::whole_hash`].
    fn whole_hash(ctx: *mut xdp_md, at: Offsets, protocol: u8) -> u64;

    /// [`trace::packet`].
    fn trace_packet(ctx: *mut xdp_md, at: Offsets, protocol: u8, length: usize) -> bool;
}

macro_rules! functions {
    ($family:ty, $decide:ident, $reset:ident, $guard:ident, $whole_hash:ident, $trace_packet:ident) => {
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
        extern "C" fn $guard(ctx: *mut xdp_md, asked: u64) -> u32 {
            guard::answer::<$family>(ctx, asked)
        }

        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $whole_hash(ctx: *mut xdp_md, link: usize, payload: usize, protocol: u8) -> u64 {
            active::whole_hash::<$family>(ctx, Offsets { link, payload }, protocol)
        }

        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $trace_packet(ctx: *mut xdp_md, link: usize, payload: usize, protocol: u8, length: usize) -> u32 {
            u32::from(trace::packet::<$family>(ctx, Offsets { link, payload }, protocol, length))
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
            fn guard(ctx: *mut xdp_md, asked: u64) -> u32 {
                $guard(ctx, asked)
            }

            #[inline(always)]
            fn whole_hash(ctx: *mut xdp_md, at: Offsets, protocol: u8) -> u64 {
                $whole_hash(ctx, at.link, at.payload, protocol)
            }

            #[inline(always)]
            fn trace_packet(ctx: *mut xdp_md, at: Offsets, protocol: u8, length: usize) -> bool {
                $trace_packet(ctx, at.link, at.payload, protocol, length) != 0
            }
        }
    };
}

/// The hash of what an affinity other than [`Flow`](Affinity::Flow) makes of `flow`. Such a function is asked by numbers
/// alone, so that it serves both families.
#[inline(always)]
pub(super) fn client_hash(flow: &Flow, affinity: Affinity) -> u64 {
    let (high, low) = halves(flow.source);
    nlb_client_hash(high, low, u64::from(flow.destination_port) | (affinity as u64) << BEHIND_PORT)
}

#[unsafe(no_mangle)]
#[inline(never)]
#[expect(clippy::cast_possible_truncation, reason = "each field is its own bits")]
extern "C" fn nlb_client_hash(high: u64, low: u64, asked: u64) -> u64 {
    let flow = Flow { source: whole(high, low), destination_port: asked as u16, ..Flow::default() };
    hash_keys().hash(&flow, Affinity::of((asked >> BEHIND_PORT) as u8))
}

/// The target that a QUIC packet's connection id names, or [`quic::NOBODY`]. The packet's UDP header is at `payload`.
#[inline(always)]
pub(super) fn named_by_quic(ctx: *mut xdp_md, payload: usize, claim: Claim) -> TargetIndex {
    nlb_named_by_quic(ctx, payload, claim.server_id_length().into(), claim.counters())
}

#[unsafe(no_mangle)]
#[inline(never)]
#[expect(clippy::cast_possible_truncation, reason = "15 at most")]
extern "C" fn nlb_named_by_quic(ctx: *mut xdp_md, payload: usize, length: u32, listener: u32) -> u32 {
    quic::named(ctx, payload, length as u8, listener)
}

/// [`known::has_bit`].
#[inline(always)]
pub(super) fn is_known(address: &Address) -> bool {
    let (high, low) = halves(*address);
    nlb_is_known(high, low) != 0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nlb_is_known(high: u64, low: u64) -> u32 {
    u32::from(known::has_bit(&whole(high, low)))
}

/// What a listener of many ports claims of `flow`.
#[inline(always)]
pub(super) fn claim_of_ranges(flow: &Flow) -> Claim {
    let (high, low) = halves(flow.destination);
    Claim(nlb_claim_of_ranges(high, low, u64::from(flow.destination_port) | u64::from(flow.protocol) << BEHIND_PORT))
}

#[unsafe(no_mangle)]
#[inline(never)]
#[expect(clippy::cast_possible_truncation, reason = "each field is its own bits")]
extern "C" fn nlb_claim_of_ranges(high: u64, low: u64, asked: u64) -> u64 {
    let key = RangesKey { address: whole(high, low), protocol: u32::from((asked >> BEHIND_PORT) as u8) };
    listener::in_ranges(&key, u16::from_be(asked as u16)).0
}

/// Where a second field stands behind a port in a number that is asked with.
const BEHIND_PORT: u32 = 16;

/// An address as two numbers.
#[inline(always)]
fn halves(address: Address) -> (u64, u64) {
    // Word by word: by way of an array the compiler would store parts of it on the stack, and not aligned.
    let [first, second, third, fourth] = address.0;
    (u64::from(first) | u64::from(second) << 32, u64::from(third) | u64::from(fourth) << 32)
}

/// The address that those were made of.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a word each")]
fn whole(high: u64, low: u64) -> Address {
    Address([high as u32, (high >> 32) as u32, low as u32, (low >> 32) as u32])
}

functions!(V4, nlb_decide_v4, nlb_reset_v4, nlb_guard_v4, nlb_whole_hash_v4, nlb_trace_packet_v4);
functions!(V6, nlb_decide_v6, nlb_reset_v6, nlb_guard_v6, nlb_whole_hash_v6, nlb_trace_packet_v6);
