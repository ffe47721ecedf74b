//! Fragments of translated flows' datagrams, both ways.
//!
//! ```text
//! first: translated as any packet of its flow ─────────────▶ its ports are noted in FRAGMENTS
//! later: FRAGMENTS → the ports, hence the flow → its session → new IP header
//! ```
//!
//! A client's were looked at by [`fragment`](super::super::fragment) before: it asked the guard, and has those wait that come early.
//! Of an answer's, nothing tells before the first whether they are one's: such a fragment is left as it is.

use aya_ebpf::programs::XdpContext;
use nlb_common::datagram::Datagram;
use nlb_common::drop_reason::DropReason;
use nlb_common::hash::Flow;
use nlb_common::listener::Claim;
use nlb_common::nat::Piece;
use nlb_common::packet::fragment::Fragment;
use nlb_common::packet::link::Link;
use nlb_common::packet::network::Network;
use nlb_common::packet::{NotOurs, Stop};
use nlb_common::slot::TargetIndex;
use nlb_common::tables::Target;
use nlb_common::way::WayOutcome;
use nlb_ebpf::door::PacketDoor;

use super::super::super::constants::hash_keys;
use super::super::super::flows::seconds;
use super::super::super::maps::FRAGMENTS;
use super::super::super::target;
use super::super::fragment;
use super::super::route::Route;
use super::cross::Crosses;
use super::{Work, back, headers, sessions, to_target};

/// It is of no flow that is translated.
pub(super) const OTHER: Stop = Stop::Pass(NotOurs::Fragment);

/// Puts what is said of the packet's datagram into the working memory.
#[inline(always)]
pub(super) fn learn(read: &Fragment, work: &mut Work) -> Option<()> {
    work.piece = Piece::WHOLE;
    if !read.is_fragment {
        return Some(());
    }
    let Network { source, destination, .. } = read.network;
    work.piece = Piece::of(read, hash_keys().hash_flow(&Flow { source, destination, ..Flow::default() }));
    let noted = fragment::work()?;
    noted.key = read.key();
    noted.datagram = Datagram::ended(Datagram::DROPPED, seconds());
    Some(())
}

/// Has it noted, if the packet is a first fragment, that those that follow go with it.
#[inline(always)]
pub(super) fn go_with_it(work: &Work, claim: Claim, index: TargetIndex, target: &Target) {
    if !work.piece.is_cut() {
        return;
    }
    if let Some(noted) = fragment::work() {
        noted.datagram = Datagram::translated(&work.flow, claim, index, target, seconds());
    }
}

/// Notes what became of a first fragment.
#[inline(always)]
pub(super) fn note(read: &Fragment, verdict: Result<u32, Stop>) -> Result<u32, Stop> {
    match verdict {
        Err(Stop::Pass(_)) => return Err(OTHER),
        Err(Stop::Drop(_)) => {}
        Ok(_) => super::super::outcome(WayOutcome::Fragment),
    }
    if let Some(noted) = fragment::work().filter(|_| !read.is_whole()) {
        FRAGMENTS.insert(&noted.key, &noted.datagram, 0).ok();
    }
    verdict
}

/// A fragment that isn't the first.
#[inline(always)]
pub(super) fn later<F: Crosses>(
    ctx: &XdpContext,
    door: PacketDoor<'_>,
    link: &Link,
    network: &Network,
    work: &mut Work,
) -> Result<u32, Stop> {
    let noted = fragment::work().ok_or(OTHER)?;
    let held = FRAGMENTS.get_ptr(&noted.key).ok_or(OTHER)?;
    // SAFETY: as in `fragment`: a value of the table stays mapped while the program runs.
    noted.datagram = unsafe { held.read_volatile() };
    let datagram = &noted.datagram;
    match datagram.fate {
        _ if !datagram.is_fresh(seconds()) => return Err(OTHER),
        Datagram::TRANSLATED => {}
        Datagram::DROPPED => return Err(Stop::Drop(DropReason::FirstDropped)),
        _ => return Err(OTHER),
    }
    work.flow = datagram.flow(network.source, network.destination);
    let is_answer = sessions::find().ok_or(Stop::Drop(DropReason::TranslatedFragment))?;
    let sent = if is_answer {
        back::<F>(ctx, door, link, network, work)?
    } else {
        if !headers::has_hops::<F>(&door, link) {
            return Err(Stop::Drop(DropReason::HopLimit));
        }
        let (claim, index) = (datagram.claim, datagram.target);
        let target = target::find(index)?;
        if !datagram.is_of(target) {
            return Err(Stop::Drop(DropReason::NoTarget));
        }
        target::fits(target.mtu_from(network.source.is_v4(), true), network)?;
        let route = Route { claim, hash: datagram.hash, index, target, second: target::NOBODY };
        to_target::<F>(ctx, link, network, work, &route, false)?
    };
    super::super::outcome(WayOutcome::Fragment);
    Ok(sent)
}
