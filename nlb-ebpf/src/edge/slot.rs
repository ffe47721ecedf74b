//! Which slot of its group's ring is the flow's?

use core::hint::cold_path;

use aya_ebpf::programs::XdpContext;
use nlb_common::drop_reason::DropReason;
use nlb_common::hash::{Affinity, Flow};
use nlb_common::listener::Claim;
use nlb_common::packet::{Packet, Stop};
use nlb_common::slot::Slot;

use super::addressed::Offsets;
use super::constants::hash_keys;
use super::functions::{self, Functions};
use super::maps::SLOTS;
use super::quic::NOBODY;

/// A flow's slot.
pub(super) struct Found {
    /// What stands there.
    pub(super) slot: Slot,
    /// Its index in the slot table.
    pub(super) index: u32,
    /// The hash that led there.
    pub(super) hash: u64,
}

/// The slot of the packet's `flow`.
#[inline(always)]
pub(super) fn find<F: Functions>(ctx: &XdpContext, packet: &Packet, flow: &Flow, claim: Claim) -> Result<Found, Stop> {
    if claim.is_by_flow() {
        return at(claim, hash_keys().hash_flow(flow));
    }
    cold_path();
    let hash = match claim.affinity() {
        Affinity::Flow => F::whole_hash(ctx.ctx, Offsets::of(packet), packet.network.protocol),
        affinity => functions::client_hash(flow, affinity),
    };
    let found = at(claim, hash)?;
    if claim.server_id_length() == 0 {
        return Ok(found);
    }
    match functions::named_by_quic(ctx.ctx, packet.network.payload, claim) {
        NOBODY => Ok(found),
        target => Ok(Found { slot: Slot::closed(target, NOBODY), ..found }),
    }
}

/// The slot of `flow`, for what is about it and none of its packets, and for fragments: QUIC allows none (RFC 9000, section 14).
#[inline(always)]
pub(super) fn of(flow: &Flow, claim: Claim) -> Result<Found, Stop> {
    let hash = match claim.affinity() {
        Affinity::Flow => hash_keys().hash_flow(flow),
        affinity => {
            cold_path();
            functions::client_hash(flow, affinity)
        }
    };
    at(claim, hash)
}

/// The slot of flows with that hash.
#[inline(always)]
pub(super) fn at(claim: Claim, hash: u64) -> Result<Found, Stop> {
    const NO_TARGET: Stop = Stop::Drop(DropReason::NoTarget);
    let index = claim.slot_index(hash);
    let slot = SLOTS.get_ptr(index).ok_or(NO_TARGET)?;
    // SAFETY: an array's entry stays mapped. The agent stores slots as whole aligned words while this reads; a volatile read
    // takes the word once and whole.
    Ok(Found { slot: unsafe { slot.read_volatile() }, index, hash })
}
