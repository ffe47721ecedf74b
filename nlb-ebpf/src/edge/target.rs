//! Where is the target, and may packets be sent there?

use nlb_common::drop_reason::DropReason;
use nlb_common::packet::Stop;
use nlb_common::slot::TargetIndex;
use nlb_common::tables::{FIRST_TARGET, Target};

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
