//! Whose is a flow of a slot that isn't steady?
//!
//! The invariant: while a slot is open, a flow that is not pinned belongs to `previous`; while it is closed, to `current`.
//! So a flow is pinned exactly when it goes where that rule alone would not take it, or may not take it once the slot is
//! closed; under [`Tracking::All`] always.
//!
//! ```text
//! half-open for longer than a handshake takes ─▶ the pin goes; as not pinned
//! pinned, the target serves it ────────────────▶ that target. `seen` is kept up to date; FIN and RST are noted;
//!                                                the first packet after the SYN makes a half-open flow an open one
//! pinned, the target is gone or DEAD ──────────▶ the pin goes; `current`
//! pinned, the target is DRAINING, a SYN ───────▶ a new connection under an old name: the pin goes; `current`
//! pinned, the target is RESET ─────────────────▶ the pin goes; a TCP reset to the client, a drop for others
//! not pinned, opens a connection ──────────────▶ `current`
//! not pinned, the slot is open ────────────────▶ `previous`, `current` if that is gone, DEAD or RESET
//! not pinned, the slot is closed ──────────────▶ `current`
//! ```
//!
//! What happens at once on several CPUs, and how it ends (a flow's packets come by one CPU as long as its NIC spreads by
//! flow, so all of this is rare):
//!
//! - Two CPUs pin one flow: the first pin stands, and the second CPU sends its packet where that pin says.
//! - The agent, or the table's own replacement, takes a pin away between look-up and use: this packet is treated as if it
//!   had come a moment earlier. The pin's memory stays mapped, but it may already hold another flow: then one packet may go
//!   to that flow's target, or that flow is taken for seen or ending. The window is some nanoseconds, and nothing of it
//!   lasts but the note that a flow ends, which shortens how long an idle flow is remembered.
//! - A pin was pushed out, of the half-open flows by a flood of SYNs or of UDP's and SCTP's by many flows: the next packet is one of an
//!   unknown flow, and breaks it if that means another target. Established flows of TCP are never pushed out.
//! - A slot changes between its being read and a pin being made: as if the packet had come before the change. The pin says
//!   where the flow went.

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use aya_ebpf::programs::XdpContext;
use nlb_common::flow::{FlowEvent, Pin, Tracking};
use nlb_common::hash::Flow;
use nlb_common::packet::Door as _;
use nlb_common::slot::{Slot, TargetIndex};
use nlb_common::tables::{FIRST_TARGET, Target};
use nlb_common::wire::{Tcp, protocol};
use nlb_ebpf::count;
use nlb_ebpf::door::PacketDoor;

use super::addressed::{Addressed, Offsets};
use super::maps::{FLOW_EVENTS, SCRATCH, TARGETS};
use super::remember::{self, Table};

/// What is asked about a packet of a slot that isn't steady.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// The slot's index in the slot table.
    pub(super) index: u32,
    /// The group's [`Tracking`].
    pub(super) tracking: u8,
    /// SYN without ACK, or INIT.
    pub(super) opens: bool,
    /// IP protocol number.
    pub(super) protocol: u8,
}

impl Asked {
    const TRACKING: u32 = 32;
    const OPENS: u32 = 40;
    const PROTOCOL: u32 = 48;

    /// All of it in one register.
    #[inline(always)]
    pub(super) fn packed(self) -> u64 {
        u64::from(self.index)
            | u64::from(self.tracking) << Self::TRACKING
            | u64::from(self.opens) << Self::OPENS
            | u64::from(self.protocol) << Self::PROTOCOL
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "each field is its own bits")]
    pub(super) fn unpacked(word: u64) -> Self {
        Self {
            index: word as u32,
            tracking: (word >> Self::TRACKING) as u8,
            opens: word >> Self::OPENS & 1 != 0,
            protocol: (word >> Self::PROTOCOL) as u8,
        }
    }
}

/// The answer "reset the connection": larger than any target's index.
pub(super) const RESET: TargetIndex = TargetIndex::MAX;
/// The answer "the flow is over": larger than any target's index.
pub(super) const OVER: TargetIndex = TargetIndex::MAX - 1;

/// Working memory: what is handed to the kernel by reference. The stack is short, and the fast path needs most of it.
#[repr(C)]
pub(super) struct Scratch {
    flow: Flow,
    pin: Pin,
}

/// The target's index, or one of the other answers: an `enum` would not fit the one register that a function answers in.
/// `slot` is a [`Slot`], `asked` an [`Asked`].
#[inline(always)]
pub(super) fn answer<F: Addressed>(ctx: *mut xdp_md, at: Offsets, slot: u64, asked: u64) -> TargetIndex {
    let slot = Slot(slot);
    let asked = Asked::unpacked(asked);
    let ctx = XdpContext::new(ctx);
    let door = PacketDoor::new(&ctx);
    let at = at.bounded();
    let tcp_flags =
        if asked.protocol == protocol::TCP { door.header::<Tcp>(at.payload).map_or(0, |tcp| tcp.flags) } else { 0 };
    // None of it can fail: the entry is there, and all of the packet was read before.
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else { return slot.current() };
    // SAFETY: this CPU's own entry, which nothing else uses while this program runs on it.
    let Scratch { flow, pin } = unsafe { &mut *scratch };
    flow.protocol = asked.protocol;
    flow.padding = [0; 3];
    match F::read_flow(&door, at, flow) {
        Some(()) => decide(flow, pin, slot, asked, tcp_flags),
        None => slot.current(),
    }
}

/// The same for a flow that a gateway takes. `tcp_flags` are those of its packet.
#[inline(always)]
pub(super) fn answer_of(flow: &Flow, slot: Slot, asked: Asked, tcp_flags: u8) -> TargetIndex {
    match SCRATCH.get_ptr_mut(0) {
        // SAFETY: as in `answer`.
        Some(scratch) => decide(flow, unsafe { &mut (*scratch).pin }, slot, asked, tcp_flags),
        None => slot.current(),
    }
}

#[inline(always)]
fn decide(flow: &Flow, held: &mut Pin, slot: Slot, asked: Asked, tcp_flags: u8) -> TargetIndex {
    let Asked { index: place, tracking, opens, .. } = asked;
    let tcp = asked.protocol == protocol::TCP;
    let all = tracking == Tracking::All as u8;
    if tracking == Tracking::None as u8 {
        return slot.current();
    }
    event(FlowEvent::Lookup);
    let now = seconds();
    // No packet of UDP says that it opens a flow, and a path of an SCTP association opens without one. Where all are
    // remembered, those that aren't are new.
    let mut is_new = opens || !tcp && all;
    if let Some((table, pin)) = Table::find(flow, tcp) {
        // SAFETY: a value of a flow table stays mapped while the program runs; see above for who may change it meanwhile.
        *held = unsafe { pin.read_volatile() };
        let expired = table == Table::HalfOpen && held.silence(now) > Pin::HANDSHAKE;
        match serving(held.target) {
            // As if it weren't there.
            _ if expired => {}
            Some(target) if held.is_of(target.tag) => {
                if target.flags & Target::RESET != 0 && !opens {
                    table.remove(flow);
                    return over(tcp, tcp_flags, held.target);
                }
                if !opens || target.flags & (Target::DRAINING | Target::RESET) == 0 {
                    note(held, now, opens, tcp_flags);
                    remember::touch(flow, table, pin, held, !opens);
                    return held.target;
                }
            }
            _ => event(FlowEvent::Reselected),
        }
        table.remove(flow);
        is_new |= !expired;
    }
    // The target's stage says why there is none.
    let Some((index, target)) = unpinned(slot, is_new) else { return slot.current() };
    if target.flags & Target::RESET != 0 {
        return over(tcp, tcp_flags, index);
    }
    if all || slot.is_open() && slot.current() != slot.previous() {
        *held = Pin::new(index, target.tag, place, now);
        return remember::pin(flow, Table::of(tcp, opens), held);
    }
    index
}

/// Whose a flow of `slot` is that isn't pinned.
#[inline(always)]
pub(super) fn unpinned(slot: Slot, is_new: bool) -> Option<(TargetIndex, &'static Target)> {
    let (current, previous) = (slot.current(), slot.previous());
    // A flow that another edge sent to `current` until now is not pinned here either: of a target whose flows are over, only
    // pinned ones are reset for sure. The others are `current`'s, which resets what it doesn't know.
    let kept = if is_new || !slot.is_open() { None } else { serving(previous) };
    match kept.filter(|target| target.flags & Target::RESET == 0) {
        Some(target) => Some((previous, target)),
        None => serving(current).map(|target| (current, target)),
    }
}

/// Whose the flow is, for what is about it and none of its packets: it is looked up, and left as it is.
#[inline(always)]
pub(super) fn owner(flow: &Flow, slot: Slot, tracking: u8) -> TargetIndex {
    if slot.is_steady() || tracking == Tracking::None as u8 {
        return slot.current();
    }
    let tcp = flow.protocol == protocol::TCP;
    if let Some((table, pin)) = Table::find(flow, tcp) {
        // SAFETY: as in `decide`.
        let held = unsafe { pin.read_volatile() };
        let expired = table == Table::HalfOpen && held.silence(seconds()) > Pin::HANDSHAKE;
        if !expired && serving(held.target).is_some_and(|target| held.is_of(target.tag)) {
            return held.target;
        }
    }
    // Where all flows of UDP are remembered, those that aren't are new.
    let is_new = !tcp && tracking == Tracking::All as u8;
    unpinned(slot, is_new).map_or(slot.current(), |(index, _)| index)
}

/// Notes on a pin that a packet was seen, and what it says. A SYN begins a new connection to the same target.
#[inline(always)]
fn note(pin: &mut Pin, now: u32, opens: bool, tcp_flags: u8) {
    pin.seen = now;
    if opens {
        pin.flags &= !Pin::FIN;
    } else if tcp_flags & (Tcp::FIN | Tcp::RST) != 0 {
        pin.flags |= Pin::FIN;
    }
}

/// The answer to a packet of a flow whose target is done with its flows.
#[inline(always)]
pub(super) fn over(tcp: bool, tcp_flags: u8, index: TargetIndex) -> TargetIndex {
    if !tcp {
        OVER
    } else if tcp_flags & Tcp::RST != 0 {
        // Never answered with another: the client is done as well, and its target may know.
        index
    } else {
        event(FlowEvent::Reset);
        RESET
    }
}

/// The target of that number, if it is there and serves any flow.
#[inline(always)]
pub(super) fn serving(index: TargetIndex) -> Option<&'static Target> {
    if index < FIRST_TARGET {
        return None;
    }
    TARGETS.get(index).filter(|target| target.tag != 0 && target.flags & Target::DEAD == 0)
}

/// Counts one of what the flow tables are used for.
#[inline(always)]
pub(super) fn event(event: FlowEvent) {
    count::one(&FLOW_EVENTS, event as u32);
}

/// Seconds of the monotonic clock. The coarse one: a jiffy's resolution at the price of a load (kernel 5.11).
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a pin's clock goes for 136 years")]
pub(super) fn seconds() -> u32 {
    // SAFETY: the helper has no arguments and only reads a clock.
    let nanoseconds = unsafe { bpf_ktime_get_coarse_ns() };
    (nanoseconds / 1_000_000_000) as u32
}
