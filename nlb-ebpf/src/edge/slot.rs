//! Which slot of its group's ring is the flow's?

use nlb_common::drop_reason::DropReason;
use nlb_common::hash::Flow;
use nlb_common::packet::Stop;
use nlb_common::slot::Slot;
use nlb_common::tables::Listener;

use super::constants::hash_keys;
use super::maps::{GROUPS, SLOTS};

/// The flow's slot, and the hash that led there.
#[inline(always)]
pub(super) fn find(flow: &Flow, listener: &Listener) -> Result<(Slot, u64), Stop> {
    const NO_TARGET: Stop = Stop::Drop(DropReason::NoTarget);
    let group = GROUPS.get(listener.group).ok_or(NO_TARGET)?;
    let hash = hash_keys().hash(flow, group.affinity());
    let slot = SLOTS.get_ptr(group.slot_index(hash)).ok_or(NO_TARGET)?;
    // SAFETY: an array's entry stays mapped. The agent stores slots as whole aligned words while this reads; a volatile read
    // takes the word once and whole.
    Ok((unsafe { slot.read_volatile() }, hash))
}
