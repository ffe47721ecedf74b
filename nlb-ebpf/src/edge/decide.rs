//! Which of a slot's targets is the flow's?
//!
//! The only place that decides. A steady slot has one answer, `current`, and no flow table is asked for it: that is the fast
//! path. For any other the [`flows`] decide, in a function of their own, so that neither the fast path's registers nor the
//! verifier's paths know of them.

use core::hint::cold_path;

use aya_ebpf::programs::XdpContext;
use nlb_common::flow::Tracking;
use nlb_common::listener::Claim;
use nlb_common::packet::Packet;
use nlb_common::slot::TargetIndex;

use super::addressed::Offsets;
use super::flows::{self, Asked};
use super::functions::Functions;
use super::slot::Found;

/// What becomes of a packet.
#[derive(Clone, Copy)]
pub(super) enum Decision {
    /// It goes to this target.
    Target(TargetIndex),
    /// Its connection is over: the client is to be told so.
    Reset,
    /// Its flow is over, and nobody can be told.
    Over,
    /// Its flow is translated: what is remembered there decides.
    Translate,
}

/// Decides about a packet that a listener claims and whose flow belongs to the slot `found`. `opens`: it is a SYN without ACK.
#[inline(always)]
pub(super) fn target_of<F: Functions>(
    ctx: &XdpContext,
    packet: &Packet,
    claim: Claim,
    found: &Found,
    opens: bool,
) -> Decision {
    if found.slot.is_steady() {
        return Decision::Target(found.slot.current());
    }
    cold_path();
    if claim.tracking() == Tracking::Translated as u8 {
        return Decision::Translate;
    }
    let asked = Asked { index: found.index, tracking: claim.tracking(), opens, protocol: packet.network.protocol };
    match F::decide(ctx.ctx, Offsets::of(packet), found.slot.0, asked.packed()) {
        flows::RESET => Decision::Reset,
        flows::OVER => Decision::Over,
        target => Decision::Target(target),
    }
}
