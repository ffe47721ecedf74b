//! Where is the target, and may packets be sent there?

use core::hint::cold_path;

use nlb_common::drop_reason::DropReason;
use nlb_common::packet::network::Network;
use nlb_common::packet::{Packet, Stop};
use nlb_common::slot::{Slot, TargetIndex};
use nlb_common::tables::{FIRST_TARGET, Target};
use nlb_common::wire::protocol;

use super::maps::TARGETS;

/// The target of that number, ready to be sent to.
#[inline(always)]
pub(super) fn find(index: TargetIndex) -> Result<&'static Target, Stop> {
    const NO_TARGET: Stop = Stop::Drop(DropReason::NoTarget);
    if index < FIRST_TARGET {
        return Err(NO_TARGET);
    }
    let target = TARGETS.get(index).ok_or(NO_TARGET)?;
    if target.is_ready() {
        Ok(target)
    } else if target.tag == 0 {
        Err(NO_TARGET)
    } else {
        Err(Stop::Drop(DropReason::NoNextHop))
    }
}

/// Whether the packet fits a way that takes packets of `mtu` bytes.
#[inline(always)]
pub(super) fn fits(mtu: u16, network: &Network) -> Result<(), Stop> {
    if network.length <= usize::from(mtu) {
        return Ok(());
    }
    cold_path();
    Err(Stop::Drop(DropReason::TooBig))
}

/// The slot's other target, for a packet that goes by GUE to `target`, which is `index`: where its flow may be instead. 0
/// for a flow that begins, and for protocols that it couldn't be asked for.
#[inline(always)]
pub(super) fn second(slot: Slot, index: TargetIndex, target: &Target, packet: &Packet, opens: bool) -> TargetIndex {
    if opens || packet.network.protocol != protocol::TCP { NOBODY } else { other(slot, index, target) }
}

/// No target.
pub(super) const NOBODY: TargetIndex = 0;

/// The slot's other target, if a tunnel to `target`, which is `index`, can name it.
#[inline(always)]
pub(super) fn other(slot: Slot, index: TargetIndex, target: &Target) -> TargetIndex {
    let other = if index == slot.current() { slot.previous() } else { slot.current() };
    if other < FIRST_TARGET || other == index {
        return NOBODY;
    }
    match TARGETS.get(other) {
        Some(entry) if target.may_name(entry) => other,
        _ => NOBODY,
    }
}
