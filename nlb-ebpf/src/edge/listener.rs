//! Who accepts this flow?

use nlb_common::hash::Flow;
use nlb_common::packet::{NotOurs, Stop};
use nlb_common::tables::{Listener, ListenerKey};

use super::maps::LISTENERS;

/// The listener that takes `flow`.
#[inline(always)]
pub(super) fn find(flow: &Flow) -> Result<&'static Listener, Stop> {
    let listener = LISTENERS.get_ptr(ListenerKey::of(flow)).ok_or(Stop::Pass(NotOurs::NoListener))?;
    // SAFETY: a value of a preallocated hash stays mapped. One that is removed meanwhile may be used for another listener:
    // then this packet is treated as one of that other's, as if it had come a moment later.
    Ok(unsafe { &*listener })
}
