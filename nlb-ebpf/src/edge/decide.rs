//! Which of a slot's targets is the flow's?
//!
//! The only place that decides. A steady slot has one answer, and no table is asked for it. A slot in transition will ask the
//! flow table here, once there is one; until then nobody sets a slot's flags, and its `current` is the answer as well.

use nlb_common::slot::{Slot, TargetIndex};

/// The target of a flow of `slot`.
#[inline(always)]
pub(super) fn target_of(slot: Slot) -> TargetIndex {
    slot.current()
}
