//! Where a flow's packets go, for a packet that isn't one of them.
//!
//! The stages of the fast path, but for what they note: no flow is pinned and no pin is changed, and nobody counts as active.

use nlb_common::flow::Tracking;
use nlb_common::hash::Flow;
use nlb_common::listener::Claim;
use nlb_common::packet::Stop;
use nlb_common::slot::TargetIndex;
use nlb_common::tables::Target;
use nlb_common::wire::protocol;

use super::super::{flows, listener, slot, target};
use super::nat;

/// The way of a flow.
pub(super) struct Route {
    /// What its listener says.
    pub(super) claim: Claim,
    /// Its hash.
    pub(super) hash: u64,
    /// The number of its target.
    pub(super) index: TargetIndex,
    /// Its target, ready to be sent to.
    pub(super) target: &'static Target,
    /// The number of the other target that a tunnel by GUE names, for what can be asked for there; else [`target::NOBODY`].
    pub(super) second: TargetIndex,
}

/// Where the packets of `flow` go, if they don't open it.
#[inline(always)]
pub(super) fn of(flow: &Flow) -> Result<Route, Stop> {
    let claim = listener::find(flow)?.claim;
    let found = slot::of(flow, claim)?;
    let remembered = if claim.tracking() == Tracking::Translated as u8 { nat::owner(flow) } else { None };
    let index = remembered.unwrap_or_else(|| flows::owner(flow, found.slot, claim.tracking()));
    let target = target::find(index)?;
    // Another edge may remember the flow, and this one not.
    let asks = target.forwarding() == Target::GUE && flow.protocol == protocol::TCP;
    let second = if asks { target::other(found.slot, index, target) } else { target::NOBODY };
    Ok(Route { claim, hash: found.hash, index, target, second })
}
