//! The tables of pinned flows, written.
//!
//! Half-open TCP flows stand in a small table of their own, where the oldest make room: a flood of SYNs pushes out nothing
//! else. A flow is put into the table of open ones before it leaves that of half-open ones, and the two are searched in
//! that same order, half-open first: whoever finds it in neither can be sure that it wasn't moved in between.
//!
//! No flow is lost for want of room: it is forwarded by its slot, and counted. It moves when its slot changes once more.

use aya_ebpf::bindings::BPF_NOEXIST;
use nlb_common::flow::{FlowEvent, Pin};
use nlb_common::hash::Flow;
use nlb_common::slot::TargetIndex;

use super::flows::event;
use super::maps::{DATAGRAMS, ESTABLISHED, HALF_OPEN};

/// A table of pinned flows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    HalfOpen,
    Established,
    Datagrams,
}

/// What the kernel says when BPF_NOEXIST finds the key.
const ALREADY_THERE: i32 = -17;

impl Table {
    /// Where a flow is put that isn't pinned yet.
    #[inline(always)]
    pub(super) fn of(tcp: bool, opens: bool) -> Self {
        match (tcp, opens) {
            (true, true) => Self::HalfOpen,
            (true, false) => Self::Established,
            (false, _) => Self::Datagrams,
        }
    }

    /// The flow's pin, and where it stands.
    #[inline(always)]
    pub(super) fn find(flow: &Flow, tcp: bool) -> Option<(Self, *mut Pin)> {
        if !tcp {
            return DATAGRAMS.get_ptr_mut(flow).map(|pin| (Self::Datagrams, pin));
        }
        match HALF_OPEN.get_ptr_mut(flow) {
            Some(pin) => Some((Self::HalfOpen, pin)),
            None => ESTABLISHED.get_ptr_mut(flow).map(|pin| (Self::Established, pin)),
        }
    }

    #[inline(always)]
    fn insert(self, flow: &Flow, pin: &Pin, flags: u32) -> Result<(), i32> {
        match self {
            Self::HalfOpen => HALF_OPEN.insert(flow, pin, flags.into()),
            Self::Established => ESTABLISHED.insert(flow, pin, flags.into()),
            Self::Datagrams => DATAGRAMS.insert(flow, pin, flags.into()),
        }
    }

    /// Forgets the flow. That somebody else has done so before is as good.
    #[inline(always)]
    pub(super) fn remove(self, flow: &Flow) {
        match self {
            Self::HalfOpen => HALF_OPEN.remove(flow),
            Self::Established => ESTABLISHED.remove(flow),
            Self::Datagrams => DATAGRAMS.remove(flow),
        }
        .ok();
    }
}

/// Pins a flow. The target that it is pinned to: another one if another CPU was faster.
#[inline(always)]
pub(super) fn pin(flow: &Flow, table: Table, pin: &Pin) -> TargetIndex {
    match table.insert(flow, pin, BPF_NOEXIST) {
        Ok(()) => event(FlowEvent::Pinned),
        Err(ALREADY_THERE) => {
            if let Some((_, winner)) = Table::find(flow, table != Table::Datagrams) {
                // SAFETY: as in `flows::answer`.
                return unsafe { (*winner).target };
            }
        }
        Err(_) => event(FlowEvent::Full),
    }
    pin.target
}

/// Notes on a flow's pin that a packet of it was seen, and whether that says that the flow begins or ends.
#[inline(always)]
pub(super) fn touch(flow: &Flow, table: Table, pin: *mut Pin, noted: &Pin, moves: bool) {
    if moves && table == Table::HalfOpen {
        match Table::Established.insert(flow, noted, BPF_NOEXIST) {
            Ok(()) | Err(ALREADY_THERE) => return table.remove(flow),
            Err(_) => event(FlowEvent::Full),
        }
    }
    // SAFETY: as in `flows::answer`; both fields are aligned words, read and stored whole.
    unsafe {
        // Most packets come within the second of the one before: a store would take the line from other CPUs for nothing.
        if (*pin).seen != noted.seen {
            (&raw mut (*pin).seen).write_volatile(noted.seen);
        }
        if (*pin).flags != noted.flags {
            (&raw mut (*pin).flags).write_volatile(noted.flags);
        }
    }
}
