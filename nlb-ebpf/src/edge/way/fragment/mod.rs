//! Fragments of datagrams to a VIP: all of one go to the same target.
//!
//! ```text
//! first: listener → guard → slot → decide → target → active → noted in FRAGMENTS → a tunnel, or l2
//!                                         └─▶ the flow is translated: nat, where it is noted
//! later: FRAGMENTS → guard → target ─────────────────────────────────────────────→ a tunnel, or l2
//!           │              └─▶ translated: nat
//!           └─▶ not there: EARLY_FRAGMENTS, where it waits for the first
//! ```
//!
//! - The first fragment has ports: it is a packet of its flow like any other. Whatever becomes of it becomes of those that follow.
//! - No guess is made for one that comes before the first: pinned or not, its flow has a target, and a part of a datagram is of no use
//!   anywhere else. It waits in user space, and is handed in again once the first has come ([`early`]).
//! - What is for other addresses is a target's answer to a translated flow, a gateway's, or passes untouched, whatever is wrong with
//!   it.
//!
//! What may happen at once on several CPUs: a later fragment comes while the first is being noted, and waits as an early one does.

mod early;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use nlb_common::datagram::{Datagram, DatagramKey};
use nlb_common::drop_reason::DropReason;
use nlb_common::packet::fragment::Fragment;
use nlb_common::packet::link::Link;
use nlb_common::packet::{NotOurs, Packet, Stop, transport};
use nlb_common::tables::{Target, Vip};
use nlb_common::way::{Way, WayOutcome};
use nlb_ebpf::door::PacketDoor;

use super::super::addressed::Offsets;
use super::super::decide::{self, Decision};
use super::super::functions::Functions;
use super::super::listener::Claimed;
use super::super::maps::{FRAGMENT_WORK, FRAGMENTS, VIPS};
use super::super::{active, flows, guard, listener, slot, target};
use super::Program;
use super::forward::forward;
use super::gateway::PassingThrough;
use super::route::Route;

/// Working memory: what is handed to the kernel by reference.
#[repr(C)]
pub(in super::super) struct Work {
    pub(super) key: DatagramKey,
    pub(super) datagram: Datagram,
}

/// Its flow is translated.
const TRANSLATED: Stop = Stop::Pass(NotOurs::Translated);
/// It belongs to the host's stack.
const OTHER: Stop = Stop::Pass(NotOurs::Fragment);
/// It is for no VIP, but may be an answer to a translated flow, or be routed through.
const NO_VIP: Stop = Stop::Pass(NotOurs::NoVip);

#[xdp]
#[inline(always)]
fn nlb_way_fragment(ctx: XdpContext) -> u32 {
    let verdict = super::run::<ToVip>(&ctx);
    match verdict {
        // From there it goes on to `Gateway`.
        Err(NO_VIP | TRANSLATED) => super::go_on(&ctx, Way::Nat),
        Err(stop @ Stop::Drop(DropReason::TooBig)) => super::hand_over(&ctx, stop),
        _ => {}
    }
    super::action(verdict)
}

/// This CPU's working memory.
#[inline(always)]
pub(super) fn work() -> Option<&'static mut Work> {
    // SAFETY: this CPU's own entry, which nothing else uses while a program runs on it.
    FRAGMENT_WORK.get_ptr_mut(0).map(|work| unsafe { &mut *work })
}

/// The program.
enum ToVip {}

impl Program for ToVip {
    #[inline(always)]
    fn family<F: PassingThrough>(ctx: &XdpContext, link: Link) -> Result<u32, Stop> {
        let door = PacketDoor::new(ctx);
        let work = work().ok_or(OTHER)?;
        F::read_addresses(&door, link.length, &mut work.key.source, &mut work.key.destination).ok_or(OTHER)?;
        let vip = VIPS.get_ptr(&work.key.destination).ok_or(NO_VIP)?;
        let fragment = super::read_fragment::<F>(&door, &link)?;
        fragment.check().map_err(Stop::Drop)?;
        work.key = fragment.key();
        if !fragment.is_first() {
            return later::<F>(ctx, door, &link, &fragment, work);
        }
        // SAFETY: an entry stays mapped while the program runs; the agent puts whole entries in place of others.
        let verdict = first::<F>(ctx, door, &link, &fragment, unsafe { *vip }, &mut work.datagram);
        match verdict {
            Ok(_) => super::outcome(WayOutcome::Fragment),
            Err(TRANSLATED) => return verdict,
            Err(Stop::Pass(_)) => work.datagram = Datagram::ended(Datagram::PASSED, flows::seconds()),
            Err(Stop::Drop(_)) => work.datagram = Datagram::ended(Datagram::DROPPED, flows::seconds()),
        }
        if !fragment.is_whole() {
            // Without room the others wait in vain and are counted.
            FRAGMENTS.insert(&work.key, &work.datagram, 0).ok();
        }
        verdict
    }
}

/// A datagram's first fragment.
#[inline(always)]
fn first<F: Functions>(
    ctx: &XdpContext,
    door: PacketDoor<'_>,
    link: &Link,
    fragment: &Fragment,
    vip: Vip,
    noted: &mut Datagram,
) -> Result<u32, Stop> {
    let transport = transport::read_first(&door, fragment)?;
    let packet = Packet { link: *link, network: fragment.network, transport };
    let flow = packet.flow();
    // Its sender isn't told: an answer would have to speak of the whole datagram.
    let refused = |stop| if vip.is_exclusive() { Stop::Drop(DropReason::Refused) } else { stop };
    let listener = listener::find(&flow).map_err(refused)?;
    let opens = transport.segment.opens().map_err(Stop::Drop)?;
    guard::admit::<F>(ctx, link, listener, opens)?;
    let found = slot::of(&flow, listener.claim)?;
    let index = match decide::target_of::<F>(ctx, &packet, listener.claim, &found, opens) {
        Decision::Target(index) => index,
        Decision::Reset if F::reset(ctx.ctx, Offsets::of(&packet), packet.network.payload_length) => {
            *noted = Datagram::ended(Datagram::DROPPED, flows::seconds());
            return Ok(xdp_action::XDP_TX);
        }
        Decision::Reset | Decision::Over => return Err(Stop::Drop(DropReason::TargetDrained)),
        Decision::Translate => return Err(TRANSLATED),
    };
    let target = target::find(index)?;
    if matches!(target.forwarding(), Target::NAT | Target::NAT_SOURCE) {
        return Err(TRANSLATED);
    }
    target::fits(target.mtu, &packet.network)?;
    active::note::<F>(ctx, &packet, &found, listener, index, opens);
    *noted = Datagram::sent(listener.claim, found.hash, index, target, flows::seconds());
    // Only the first of its fragments could be asked for.
    let second = target::NOBODY;
    let route = Route { claim: listener.claim, hash: found.hash, index, target, second };
    forward::<F>(ctx, door, link, &packet.network, &route, opens)
}

/// A fragment that isn't the first.
#[inline(always)]
fn later<F: Functions>(
    ctx: &XdpContext,
    door: PacketDoor<'_>,
    link: &Link,
    fragment: &Fragment,
    work: &mut Work,
) -> Result<u32, Stop> {
    let Some(held) = FRAGMENTS.get_ptr(&work.key) else { return absent(ctx, fragment, &work.key) };
    // SAFETY: a value of the table stays mapped while the program runs. Should another datagram's take its place meanwhile, this
    // packet may go where that one goes.
    work.datagram = unsafe { held.read_volatile() };
    let Datagram { claim, hash, target: index, fate, .. } = work.datagram;
    if !work.datagram.is_fresh(flows::seconds()) {
        return absent(ctx, fragment, &work.key);
    }
    match fate {
        Datagram::SENT | Datagram::TRANSLATED => {}
        Datagram::PASSED => return Err(OTHER),
        Datagram::MISSED => return Err(Stop::Drop(DropReason::EarlyFragment)),
        _ => return Err(Stop::Drop(DropReason::FirstDropped)),
    }
    guard::admit::<F>(ctx, link, Claimed { claim, sketch: claim.counters() }, false)?;
    if fate == Datagram::TRANSLATED {
        return Err(TRANSLATED);
    }
    let target = target::find(index)?;
    if !work.datagram.is_of(target) {
        return Err(Stop::Drop(DropReason::NoTarget));
    }
    target::fits(target.mtu, &fragment.network)?;
    let route = Route { claim, hash, index, target, second: target::NOBODY };
    let sent = forward::<F>(ctx, door, link, &fragment.network, &route, false)?;
    super::outcome(WayOutcome::Fragment);
    Ok(sent)
}

/// What becomes of a later fragment of which no first one is known.
#[inline(always)]
fn absent(ctx: &XdpContext, fragment: &Fragment, key: &DatagramKey) -> Result<u32, Stop> {
    if !fragment.may_be_balanced() {
        return Err(OTHER);
    }
    early::wait(ctx, key).ok_or(Stop::Drop(DropReason::EarlyFragment))?;
    super::outcome(WayOutcome::Early);
    Ok(xdp_action::XDP_DROP)
}
