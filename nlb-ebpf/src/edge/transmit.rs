//! Which way does the frame leave?

use aya_ebpf::{bindings::xdp_action, helpers::bpf_redirect, programs::XdpContext};
use nlb_common::tables::Target;

/// The way to a target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WayOut {
    /// Back out of the interface that the packet came in by.
    Same,
    /// Out of the interface of that index.
    Other(u32),
}

/// The way to `target` for a packet that `ctx` received.
#[inline(always)]
pub(super) fn way_out(ctx: &XdpContext, target: &Target) -> WayOut {
    if target.interface as usize == ctx.ingress_ifindex() { WayOut::Same } else { WayOut::Other(target.interface) }
}

/// Sends the frame: the action to return.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "an XDP action")]
pub(super) fn send(way_out: WayOut) -> u32 {
    match way_out {
        WayOut::Same => xdp_action::XDP_TX,
        // SAFETY: the helper only notes the interface; without flags it always answers XDP_REDIRECT.
        WayOut::Other(interface) => unsafe { bpf_redirect(interface, 0) as u32 },
    }
}
