//! Which slot of its group's ring is the flow's?

use core::hint::cold_path;

use nlb_common::drop_reason::DropReason;
use nlb_common::hash::{Affinity, Flow};
use nlb_common::listener::Claim;
use nlb_common::packet::Stop;
use nlb_common::slot::Slot;

use super::constants::hash_keys;
use super::functions;
use super::maps::SLOTS;

/// A flow's slot.
pub(super) struct Found {
    /// What stands there.
    pub(super) slot: Slot,
    /// Its index in the slot table.
    pub(super) index: u32,
    /// The hash that led there.
    pub(super) hash: u64,
}

/// The flow's slot.
#[inline(always)]
pub(super) fn find(flow: &Flow, claim: Claim) -> Result<Found, Stop> {
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
