//! The per-packet trace of one flow: a line for each stage.
//!
//! The packet path is compiled twice, with and without these lines. Which one runs hangs on `TRACE`, a constant to the
//! verifier, which removes the other: while it is 0 nothing of this file is left in the loaded program. While it is 1 every
//! packet is compared with `TRACED_FLOW`.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::info;
use nlb_common::packet::{Packet, Stop};
use nlb_common::slot::{Slot, TargetIndex};
use nlb_common::tables::{Listener, Target};

use super::maps::TRACED_FLOW;

/// Whether this packet is traced. Never, unless the path is the one with trace (`ON`).
#[derive(Clone, Copy)]
pub(super) struct Trace<const ON: bool>(bool);

impl<const ON: bool> Trace<ON> {
    /// Decides whether `packet` is traced, and if so says what it is.
    #[inline(always)]
    pub(super) fn of(ctx: &XdpContext, packet: &Packet) -> Self {
        let traced = ON && TRACED_FLOW.get(0).is_some_and(|traced| traced.covers(&packet.flow()));
        if traced {
            lines::packet(ctx, packet);
        }
        Self(traced)
    }

    #[inline(always)]
    pub(super) fn listener(self, ctx: &XdpContext, listener: &Listener) {
        if ON && self.0 {
            lines::listener(ctx, listener);
        }
    }

    #[inline(always)]
    pub(super) fn decision(self, ctx: &XdpContext, slot: Slot, hash: u64, index: TargetIndex) {
        if ON && self.0 {
            lines::decision(ctx, slot, hash, index);
        }
    }

    #[inline(always)]
    pub(super) fn reset(self, ctx: &XdpContext) {
        if ON && self.0 {
            lines::reset(ctx);
        }
    }

    #[inline(always)]
    pub(super) fn target(self, ctx: &XdpContext, target: &Target) {
        if ON && self.0 {
            lines::target(ctx, target);
        }
    }

    /// `second` is 0 when the packet names none.
    #[inline(always)]
    pub(super) fn second(self, ctx: &XdpContext, second: TargetIndex) {
        if ON && self.0 && second != 0 {
            lines::second(ctx, second);
        }
    }

    #[inline(always)]
    pub(super) fn verdict(self, ctx: &XdpContext, verdict: Result<u32, Stop>) {
        if ON && self.0 {
            match verdict {
                Ok(action) => lines::sent(ctx, action),
                Err(Stop::Pass(reason)) => lines::passed(ctx, reason as u32),
                Err(Stop::Drop(reason)) => lines::dropped(ctx, reason as u32),
            }
        }
    }
}

/// The lines, each in a function of its own: they need much of the 512 bytes of stack.
mod lines {
    use super::*;

    #[inline(never)]
    pub(super) fn packet(ctx: &XdpContext, packet: &Packet) {
        let flow = packet.flow();
        info!(
            ctx,
            "packet: {:i}:{} > {:i}:{}, protocol {}, {} bytes, VLAN tags {}",
            flow.source.octets(),
            u16::from_be(flow.source_port),
            flow.destination.octets(),
            u16::from_be(flow.destination_port),
            flow.protocol,
            packet.network.length,
            packet.link.tags()
        );
    }

    #[inline(never)]
    pub(super) fn listener(ctx: &XdpContext, listener: &Listener) {
        info!(ctx, "listener: {}, target group {}", listener.counters, listener.group);
    }

    #[inline(never)]
    pub(super) fn decision(ctx: &XdpContext, slot: Slot, hash: u64, index: TargetIndex) {
        info!(
            ctx,
            "slot: hash {:x}, current {}, previous {}, open {}, pinned {}; target {}",
            hash,
            slot.current(),
            slot.previous(),
            u8::from(slot.is_open()),
            u8::from(slot.is_pinned()),
            index
        );
    }

    #[inline(never)]
    pub(super) fn reset(ctx: &XdpContext) {
        info!(ctx, "reset: the flow's target is drained");
    }

    #[inline(never)]
    pub(super) fn target(ctx: &XdpContext, target: &Target) {
        info!(
            ctx,
            "target: {:i} from {:i}, interface {}, next hop {:mac}",
            target.destination.octets(),
            target.source.octets(),
            target.interface,
            target.next_hop_mac
        );
    }

    #[inline(never)]
    pub(super) fn second(ctx: &XdpContext, second: TargetIndex) {
        info!(ctx, "second chance: target {}", second);
    }

    #[inline(never)]
    pub(super) fn sent(ctx: &XdpContext, action: u32) {
        info!(ctx, "sent: XDP action {}", action);
    }

    #[inline(never)]
    pub(super) fn passed(ctx: &XdpContext, reason: u32) {
        info!(ctx, "passed to the stack: reason {}", reason);
    }

    #[inline(never)]
    pub(super) fn dropped(ctx: &XdpContext, reason: u32) {
        info!(ctx, "dropped: reason {}", reason);
    }
}
