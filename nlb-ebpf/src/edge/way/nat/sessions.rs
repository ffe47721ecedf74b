//! Whose is a translated flow, and what is remembered of it.
//!
//! Every flow is remembered, and what is remembered decides: [`flows`](super::super::flows) has the rules, the same as for a
//! group with [`Tracking::All`](nlb_common::flow::Tracking::All). What differs is the table: a flow has two entries, one for
//! each way.
//!
//! ```text
//! first packet ──▶ NAT_NEW   a small table, where the oldest make room: a flood of SYNs or of datagrams pushes out its like
//!     │  TCP: a packet of the client's that is no SYN; UDP: an answer
//!     ▼
//! NAT_FLOWS        takes memory as it grows; when it is full, flows stay where they are
//! ```
//!
//! An entry is put into the second table before it leaves the first, and the first is searched first: see
//! [`remember`](super::super::remember), as for what happens at once on several CPUs. What is left of a flow when one of its
//! entries was pushed out is completed by the next packet that finds the other: once a second a packet sees to both.

use aya_ebpf::bindings::BPF_NOEXIST;
use nlb_common::flow::{FlowEvent, Pin};
use nlb_common::hash::Flow;
use nlb_common::nat::{self, Piece, Session};
use nlb_common::slot::{Slot, TargetIndex};
use nlb_common::tables::Target;
use nlb_common::wire::{Tcp, protocol};

use super::super::super::flows::{self, event, seconds, serving};
use super::super::super::maps::{NAT_FLOWS, NAT_NEW, NAT_WORK};

/// Working memory: what is handed to the kernel by reference, and from the packet's stages to the functions here.
#[repr(C)]
pub(in super::super::super) struct Work {
    /// The packet's flow.
    pub(super) flow: Flow,
    /// Its entry.
    pub(super) session: Session,
    /// An entry with the link that the packet came in by, and nothing else.
    pub(super) link: Session,
    /// The other way's entry.
    other: Session,
    /// What the packet says of its datagram.
    pub(super) piece: Piece,
    /// A [`Table`], or [`NOWHERE`].
    table: u32,
    /// What an error message that changes its family has lost and won so far: a folded sum.
    pub(super) sum: u32,
}

const NOWHERE: u32 = 0;
const NEW: u32 = 1;
const OPEN: u32 = 2;

/// The answer "no target serves the flow".
const NOBODY: TargetIndex = 0;
/// The answer "there is no port, or no other way to tell the flow's answers from another's".
pub(super) const NO_PORT: TargetIndex = flows::OVER - 1;
/// The answer "the target's address is of the other family, and it would have to answer to the client's".
pub(super) const OTHER_FAMILY: TargetIndex = flows::OVER - 2;

/// This CPU's working memory.
#[inline(always)]
pub(super) fn work() -> Option<&'static mut Work> {
    // SAFETY: this CPU's own entry, which nothing else uses while this program runs on it; a program and the functions that
    // it calls take turns.
    NAT_WORK.get_ptr_mut(0).map(|work| unsafe { &mut *work })
}

/// Looks the flow up. Whether its packets are a target's answers; `None`: it isn't remembered.
#[inline(always)]
pub(super) fn find() -> Option<bool> {
    match nlb_nat_find() {
        NOT_THERE => None,
        found => Some(found == BACK),
    }
}

const NOT_THERE: u32 = 0;
const THERE: u32 = 1;
const BACK: u32 = 2;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nlb_nat_find() -> u32 {
    let Some(work) = work() else { return NOT_THERE };
    look_up(work);
    match work.table {
        NOWHERE => NOT_THERE,
        _ if work.session.is_back() => BACK,
        _ => THERE,
    }
}

/// Notes a packet of the flow that was found, which is a target's answer.
#[inline(always)]
pub(super) fn answered(tcp_flags: u8) {
    nlb_nat_answered(tcp_flags.into());
}

#[unsafe(no_mangle)]
#[inline(never)]
#[expect(clippy::cast_possible_truncation, reason = "they were widened to fill their register")]
extern "C" fn nlb_nat_answered(tcp_flags: u64) -> u32 {
    if let Some(work) = work() {
        see(work, seconds(), false, tcp_flags as u8, work.flow.protocol == protocol::UDP);
    }
    0
}

#[inline(always)]
fn look_up(work: &mut Work) {
    let (table, entry) = match NAT_NEW.get_ptr(&work.flow) {
        Some(entry) => (NEW, entry),
        None => match NAT_FLOWS.get_ptr(&work.flow) {
            Some(entry) => (OPEN, entry),
            None => {
                work.table = NOWHERE;
                return;
            }
        },
    };
    // SAFETY: a value stays mapped while the program runs. Another CPU, or the agent, may write it meanwhile: see `flows`.
    work.session = unsafe { entry.read() };
    work.table = table;
}

/// The target of a client's flow that was looked up: its index, or one of the other answers. `slot` is the flow's, `hash` led
/// there. `opens`: a SYN without ACK.
#[inline(always)]
pub(super) fn target_of(slot: Slot, hash: u64, opens: bool, tcp_flags: u8) -> TargetIndex {
    nlb_nat_decide(slot.0, hash, u64::from(tcp_flags) | u64::from(opens) << 8)
}

#[unsafe(no_mangle)]
#[inline(never)]
#[expect(clippy::cast_possible_truncation, reason = "each field is its own bits")]
extern "C" fn nlb_nat_decide(slot: u64, hash: u64, asked: u64) -> u32 {
    match work() {
        Some(work) => decide(work, Slot(slot), hash, asked >> 8 & 1 != 0, asked as u8),
        None => NO_PORT,
    }
}

#[inline(always)]
fn decide(work: &mut Work, slot: Slot, hash: u64, opens: bool, tcp_flags: u8) -> TargetIndex {
    let tcp = work.flow.protocol == protocol::TCP;
    let now = seconds();
    event(FlowEvent::Lookup);
    if work.table != NOWHERE {
        let pin = work.session.pin;
        let expired = work.table == NEW && pin.silence(now) > Pin::HANDSHAKE;
        match serving(pin.target) {
            _ if expired => {}
            Some(target) if pin.is_of(target.tag) => {
                if target.flags & Target::RESET != 0 && !opens {
                    end(work);
                    return flows::over(tcp, tcp_flags, pin.target);
                }
                if !opens || target.flags & (Target::DRAINING | Target::RESET) == 0 {
                    see(work, now, opens, tcp_flags, tcp && !opens);
                    return pin.target;
                }
            }
            _ => event(FlowEvent::Reselected),
        }
        end(work);
    }
    let Some((index, target)) = flows::unpinned(slot, opens || !tcp) else { return NOBODY };
    if target.flags & Target::RESET != 0 {
        // A RST goes to nobody either: nothing says what it would become.
        return flows::over(tcp, tcp_flags, flows::OVER);
    }
    begin(work, index, target, hash, now)
}

/// Remembers a new flow to `target`.
#[inline(always)]
fn begin(work: &mut Work, index: TargetIndex, target: &Target, hash: u64, now: u32) -> TargetIndex {
    // The client has no address that a target of the other family could answer to.
    if target.destination.is_v4() != work.flow.destination.is_v4() && target.forwarding() != Target::NAT_SOURCE {
        return OTHER_FAMILY;
    }
    let pin = Pin::new(index, target.tag, 0, now);
    work.session = Session { pin: Pin { flags: pin.flags | work.link.pin.flags, ..pin }, ..work.link };
    work.session.peer = Flow {
        source: target.destination,
        destination: work.flow.source,
        source_port: target.port,
        destination_port: work.flow.source_port,
        ..work.flow
    };
    let taken = if target.forwarding() == Target::NAT_SOURCE {
        work.session.peer.destination = target.source;
        take_port(work, hash)
    } else {
        take(work)
    };
    if !taken {
        return NO_PORT;
    }
    if NAT_NEW.insert(&work.flow, &work.session, 0).is_err() {
        event(FlowEvent::Full);
    }
    event(FlowEvent::Pinned);
    index
}

/// Takes a port of the edge's for the flow.
#[inline(always)]
fn take_port(work: &mut Work, hash: u64) -> bool {
    for attempt in 0..nat::TRIES {
        work.session.peer.destination_port = nat::port(hash, attempt);
        if take(work) {
            return true;
        }
    }
    false
}

/// Takes the key of the other way, if it is nobody else's.
#[inline(always)]
fn take(work: &mut Work) -> bool {
    work.other = work.session.other_way(work.flow);
    let peer = &work.session.peer;
    if NAT_NEW.insert(peer, &work.other, BPF_NOEXIST.into()).is_err() {
        return match NAT_NEW.get_ptr(peer) {
            // SAFETY: as in `find`. What is left of this very flow is as good.
            Some(entry) => unsafe { (*entry).peer == work.flow },
            None => false,
        };
    }
    if NAT_FLOWS.get_ptr(peer).is_none() {
        return true;
    }
    NAT_NEW.remove(peer).ok();
    false
}

/// Notes in both entries that a packet was seen, what it says of the flow's end and, of a client's, where it came from.
/// `confirms`: it shows that the flow is more than an attempt.
#[inline(always)]
fn see(work: &mut Work, now: u32, opens: bool, tcp_flags: u8, confirms: bool) {
    let before = work.session.pin;
    let mut pin = before;
    pin.seen = now;
    if opens {
        pin.flags &= !Pin::FIN;
    } else if tcp_flags & (Tcp::FIN | Tcp::RST) != 0 {
        pin.flags |= Pin::FIN;
    }
    work.session.pin = pin;
    let moved = !work.session.is_back() && !work.session.is_by(&work.link);
    if moved {
        work.session = work.session.by(&work.link);
    }
    let confirmed = confirms && work.table == NEW;
    // Most packets come within the second of the one before.
    if pin == before && !moved && !confirmed {
        return;
    }
    work.other = work.session.other_way(work.flow);
    if confirmed && open(work) {
        return;
    }
    if moved || !note(work) {
        put(work);
    }
}

/// Stores both entries' pins. Whether both entries are there.
#[inline(always)]
fn note(work: &Work) -> bool {
    store(work.table, &work.flow, &work.session.pin) && store(work.table, &work.session.peer, &work.other.pin)
}

#[inline(always)]
fn store(table: u32, flow: &Flow, pin: &Pin) -> bool {
    let entry = if table == NEW { NAT_NEW.get_ptr_mut(flow) } else { NAT_FLOWS.get_ptr_mut(flow) };
    let Some(entry) = entry else { return false };
    // SAFETY: as in `find`; both fields are aligned words, stored whole.
    unsafe {
        (&raw mut (*entry).pin.seen).write_volatile(pin.seen);
        (&raw mut (*entry).pin.flags).write_volatile(pin.flags);
    }
    true
}

/// Writes both entries anew where they stand.
#[inline(always)]
fn put(work: &Work) {
    let written = if work.table == NEW {
        NAT_NEW.insert(&work.flow, &work.session, 0).and(NAT_NEW.insert(&work.session.peer, &work.other, 0))
    } else {
        NAT_FLOWS.insert(&work.flow, &work.session, 0).and(NAT_FLOWS.insert(&work.session.peer, &work.other, 0))
    };
    if written.is_err() {
        event(FlowEvent::Full);
    }
}

/// Moves both entries to the table of open flows. Whether there was room.
#[inline(always)]
fn open(work: &mut Work) -> bool {
    if NAT_FLOWS.insert(&work.flow, &work.session, 0).is_err() {
        event(FlowEvent::Full);
        return false;
    }
    if NAT_FLOWS.insert(&work.session.peer, &work.other, 0).is_err() {
        event(FlowEvent::Full);
        NAT_FLOWS.remove(&work.flow).ok();
        return false;
    }
    // That somebody else has done so before is as good, here and below.
    NAT_NEW.remove(&work.flow).ok();
    NAT_NEW.remove(&work.session.peer).ok();
    true
}

/// Forgets the flow.
#[inline(always)]
fn end(work: &Work) {
    NAT_NEW.remove(&work.flow).ok();
    NAT_NEW.remove(&work.session.peer).ok();
    NAT_FLOWS.remove(&work.flow).ok();
    NAT_FLOWS.remove(&work.session.peer).ok();
}
