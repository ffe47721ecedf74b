//! The per-packet trace of one flow: a line for each stage.
//!
//! The packet path is compiled twice, with and without these lines. Which one runs hangs on `TRACE`, a constant to the
//! verifier, which removes the other: while it is 0 nothing of this file is left in the loaded program. While it is 1 every
//! packet is compared with `TRACED_FLOW`.

use super::addressed::{Addressed, Offsets};
use super::functions::Functions;
use super::listener::Claimed;
use super::maps::{TARGETS, TRACED_FLOW};
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::info;
use nlb_common::hash::Flow;
use nlb_common::packet::link::Link;
use nlb_common::packet::{Packet, Stop};
use nlb_common::slot::{Slot, TargetIndex};
use nlb_common::wire::VlanTag;
use nlb_ebpf::door::PacketDoor;

/// Whether this packet is traced. Never, unless the path is the one with trace (`ON`).
#[derive(Clone, Copy)]
pub(super) struct Trace<const ON: bool>(bool);

impl<const ON: bool> Trace<ON> {
    /// Decides whether `packet` is traced, and if so says what it is.
    #[inline(always)]
    pub(super) fn of<F: Functions>(ctx: &XdpContext, packet: &Packet) -> Self {
        let network = &packet.network;
        Self(ON && F::trace_packet(ctx.ctx, Offsets::of(packet), network.protocol, network.length))
    }

    #[inline(always)]
    pub(super) fn listener(self, listener: Claimed) {
        if ON && self.0 {
            lines::nlb_trace_listener(listener.claim.counters(), listener.claim.first_slot());
        }
    }

    #[inline(always)]
    pub(super) fn decision(self, slot: Slot, hash: u64, index: TargetIndex) {
        if ON && self.0 {
            lines::nlb_trace_decision(slot.0, hash, index);
        }
    }

    #[inline(always)]
    pub(super) fn reset(self) {
        if ON && self.0 {
            lines::nlb_trace_reset();
        }
    }

    #[inline(always)]
    pub(super) fn target(self, index: TargetIndex) {
        if ON && self.0 {
            lines::nlb_trace_target(index);
        }
    }

    /// `second` is 0 when the packet names none.
    #[inline(always)]
    pub(super) fn second(self, second: TargetIndex) {
        if ON && self.0 && second != 0 {
            lines::nlb_trace_second(second);
        }
    }

    #[inline(always)]
    pub(super) fn verdict(self, verdict: Result<u32, Stop>) {
        if ON && self.0 {
            match verdict {
                Ok(action) => lines::nlb_trace_sent(action),
                Err(Stop::Pass(reason)) => lines::nlb_trace_passed(reason as u32),
                Err(Stop::Drop(reason)) => lines::nlb_trace_dropped(reason as u32),
            };
        }
    }
}

/// Whether the packet, whose IP packet has that protocol and length, is of the traced flow. Then its first line says what it is.
#[inline(always)]
pub(super) fn packet<F: Addressed>(ctx: *mut xdp_md, at: Offsets, protocol: u8, length: usize) -> bool {
    let ctx = XdpContext::new(ctx);
    let at = at.bounded();
    let mut flow = Flow { protocol, ..Flow::default() };
    // It can't fail: all of it was read before.
    let read = F::read_flow(&PacketDoor::new(&ctx), at, &mut flow).is_some();
    let traced = read && TRACED_FLOW.get(0).is_some_and(|traced| traced.covers(&flow));
    if traced {
        info!(
            &ctx,
            "packet: {:i}:{} > {:i}:{}, protocol {}, {} bytes, VLAN tags {}",
            flow.source.octets(),
            u16::from_be(flow.source_port),
            flow.destination.octets(),
            u16::from_be(flow.destination_port),
            flow.protocol,
            length,
            at.link.saturating_sub(Link::UNTAGGED) / size_of::<VlanTag>()
        );
    }
    traced
}

/// The lines, each in a function of its own: they need much of the 512 bytes of stack.
///
/// They are global functions, which the verifier checks once each and not for every path that leads there: with all paths it
/// would come to its limit of a million instructions.
mod lines {
    use super::*;

    /// A line asks for a context and makes no use of it. Passed as an argument it would be left out by the compiler, and the
    /// verifier would miss it.
    const NO_CONTEXT: XdpContext = XdpContext { ctx: core::ptr::null_mut() };

    #[unsafe(no_mangle)]
    #[inline(never)]
    pub(super) extern "C" fn nlb_trace_listener(counters: u32, first_slot: u32) -> u32 {
        info!(&NO_CONTEXT, "listener: {}, ring from slot {} on", counters, first_slot);
        0
    }

    #[unsafe(no_mangle)]
    #[inline(never)]
    pub(super) extern "C" fn nlb_trace_decision(slot: u64, hash: u64, index: TargetIndex) -> u32 {
        let slot = Slot(slot);
        info!(
            &NO_CONTEXT,
            "slot: hash {:x}, current {}, previous {}, open {}, pinned {}; target {}",
            hash,
            slot.current(),
            slot.previous(),
            u8::from(slot.is_open()),
            u8::from(slot.is_pinned()),
            index
        );
        0
    }

    #[unsafe(no_mangle)]
    #[inline(never)]
    pub(super) extern "C" fn nlb_trace_reset() -> u32 {
        info!(&NO_CONTEXT, "reset: the flow's target is drained");
        0
    }

    #[unsafe(no_mangle)]
    #[inline(never)]
    pub(super) extern "C" fn nlb_trace_target(index: TargetIndex) -> u32 {
        let Some(target) = TARGETS.get(index) else { return 0 };
        info!(
            &NO_CONTEXT,
            "target: {:i} from {:i}, interface {}, next hop {:mac}",
            target.destination.octets(),
            target.source.octets(),
            target.interface,
            target.next_hop_mac
        );
        0
    }

    #[unsafe(no_mangle)]
    #[inline(never)]
    pub(super) extern "C" fn nlb_trace_second(second: TargetIndex) -> u32 {
        info!(&NO_CONTEXT, "second chance: target {}", second);
        0
    }

    #[unsafe(no_mangle)]
    #[inline(never)]
    pub(super) extern "C" fn nlb_trace_sent(action: u32) -> u32 {
        info!(&NO_CONTEXT, "sent: XDP action {}", action);
        0
    }

    #[unsafe(no_mangle)]
    #[inline(never)]
    pub(super) extern "C" fn nlb_trace_passed(reason: u32) -> u32 {
        info!(&NO_CONTEXT, "passed to the stack: reason {}", reason);
        0
    }

    #[unsafe(no_mangle)]
    #[inline(never)]
    pub(super) extern "C" fn nlb_trace_dropped(reason: u32) -> u32 {
        info!(&NO_CONTEXT, "dropped: reason {}", reason);
        0
    }
}
