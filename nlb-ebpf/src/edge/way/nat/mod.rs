//! Translated flows, both ways.
//!
//! ```text
//! client's packet: listener → slot → session → target → active → new headers → l2 → transmit
//! target's answer:                   session → MTU →    new headers → the client's link → transmit
//! ```
//!
//! New headers are of the same family ([`headers`]), or of the other ([`cross`]). Error messages about either are translated too
//! ([`errors`]), and so are fragments ([`pieces`]).
//!
//! The target's answers come by this edge because it is the router of the targets, or because they answer to an address of its
//! own (source NAT). Whichever way they come, they leave as the client's packets came.

mod cross;
mod errors;
mod fit;
mod headers;
mod pieces;
mod sessions;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use nlb_common::drop_reason::DropReason;
use nlb_common::hash::Flow;
use nlb_common::listener::Claim;
use nlb_common::packet::link::Link;
use nlb_common::packet::network::{Network, V4, V6};
use nlb_common::packet::{Door as _, NotOurs, Packet, Stop, transport};
use nlb_common::slot::TargetIndex;
use nlb_common::tables::Target;
use nlb_common::way::Way;
use nlb_common::wire::{EtherType, Tcp, protocol};
use nlb_ebpf::count;
use nlb_ebpf::door::PacketDoor;

use cross::Crosses;
pub(super) use fit::answer_mtu;
pub(in super::super) use sessions::Work;

use super::super::addressed::Offsets;
use super::super::functions::Functions;
use super::super::transmit::{self, WayOut};
use super::super::{active, flows, l2, listener, maps, slot, target};
use super::route::Route;

/// All was read before: it can't happen.
const TRUNCATED: Stop = Stop::Drop(DropReason::TruncatedTransport);

#[xdp]
#[inline(always)]
fn nlb_way_nat(ctx: XdpContext) -> u32 {
    let verdict = receive(&ctx);
    match verdict {
        Err(Stop::Pass(NotOurs::NoListener)) => super::go_on(&ctx, Way::Unclaimed),
        // Of other protocols than listeners have, or a fragment of another's: it may be routed through.
        Err(Stop::Pass(NotOurs::Protocol | NotOurs::Fragment)) => super::go_on(&ctx, Way::Gateway),
        Err(stop @ Stop::Drop(DropReason::TooBig)) => super::hand_over(&ctx, stop),
        _ => {}
    }
    super::action(verdict)
}

#[inline(always)]
fn receive(ctx: &XdpContext) -> Result<u32, Stop> {
    let door = PacketDoor::new(ctx);
    let link = super::read_link(&door)?;
    match link.ether_type {
        EtherType::IPV4 => family::<V4>(ctx, door, link),
        EtherType::IPV6 => family::<V6>(ctx, door, link),
        _ => Err(Stop::Pass(NotOurs::EtherType)),
    }
}

#[inline(always)]
fn family<F: Functions + Crosses>(ctx: &XdpContext, door: PacketDoor<'_>, link: Link) -> Result<u32, Stop> {
    // What is no fragment was read before.
    let fragment = super::read_fragment::<F>(&door, &link).map_err(|_| pieces::OTHER)?;
    if fragment.is_fragment && fragment.check().is_err() {
        return Err(pieces::OTHER);
    }
    let network = fragment.network;
    if !fragment.is_fragment && network.protocol == F::CONTROL {
        return errors::translate::<F>(ctx, door, &link, &network);
    }
    let work = sessions::work().ok_or(TRUNCATED)?;
    pieces::learn(&fragment, work).ok_or(TRUNCATED)?;
    if !fragment.is_first() {
        return pieces::later::<F>(ctx, door, &link, &network, work);
    }
    let other = |stop| if fragment.is_fragment { pieces::OTHER } else { stop };
    let transport = transport::read_first(&door, &fragment).map_err(other)?;
    let verdict = translate::<F>(ctx, door, &Packet { link, network, transport }, work);
    if fragment.is_fragment { pieces::note(&fragment, verdict) } else { verdict }
}

/// The target of a client's flow that is translated, if the flow is remembered.
#[inline(always)]
pub(super) fn owner(flow: &Flow) -> Option<TargetIndex> {
    let work = sessions::work()?;
    work.flow = *flow;
    sessions::find()?;
    Some(work.session.pin.target)
}

/// Translates the packet, if it is of a flow that is translated.
#[inline(always)]
fn translate<F: Functions + Crosses>(
    ctx: &XdpContext,
    door: PacketDoor<'_>,
    packet: &Packet,
    work: &mut Work,
) -> Result<u32, Stop> {
    work.flow = packet.flow();
    let tcp = packet.network.protocol == protocol::TCP;
    let tcp_flags = if tcp { door.header::<Tcp>(packet.network.payload).map_or(0, |tcp| tcp.flags) } else { 0 };
    if sessions::find() == Some(true) {
        packet.transport.segment.opens().map_err(Stop::Drop)?;
        sessions::answered(tcp_flags);
        back::<F>(ctx, door, &packet.link, &packet.network, work)
    } else {
        there::<F>(ctx, door, packet, work, tcp_flags)
    }
}

/// A client's packet.
#[inline(always)]
fn there<F: Functions + Crosses>(
    ctx: &XdpContext,
    door: PacketDoor<'_>,
    packet: &Packet,
    work: &mut Work,
    tcp_flags: u8,
) -> Result<u32, Stop> {
    let listener = listener::find(&work.flow)?;
    let opens = packet.transport.segment.opens().map_err(Stop::Drop)?;
    if !headers::has_hops::<F>(&door, &packet.link) {
        return Err(Stop::Drop(DropReason::HopLimit));
    }
    let found = slot::of(&work.flow, listener.claim)?;
    headers::learn_link(ctx, packet.link.tags()).ok_or(TRUNCATED)?;
    let index = match sessions::target_of(found.slot, found.hash, opens, tcp_flags) {
        flows::RESET if F::reset(ctx.ctx, Offsets::of(packet), packet.network.payload_length) => {
            return Ok(xdp_action::XDP_TX);
        }
        flows::RESET | flows::OVER => return Err(Stop::Drop(DropReason::TargetDrained)),
        sessions::NO_PORT => return Err(Stop::Drop(DropReason::NoPort)),
        sessions::OTHER_FAMILY => return Err(Stop::Drop(DropReason::OtherFamily)),
        index => index,
    };
    let target = target::find(index)?;
    target::fits(target.mtu_from(work.flow.source.is_v4(), work.piece.is_cut()), &packet.network)?;
    active::note::<F>(ctx, packet, &found, listener, index, opens);
    let route = Route { claim: listener.claim, hash: found.hash, index, target, second: target::NOBODY };
    to_target::<F>(ctx, &packet.link, &packet.network, work, &route, opens)
}

/// Sends a client's packet, translated, to the route's target, and counts it. `opens`: it begins a flow.
#[inline(always)]
fn to_target<F: Crosses>(
    ctx: &XdpContext,
    link: &Link,
    network: &Network,
    work: &Work,
    route: &Route,
    opens: bool,
) -> Result<u32, Stop> {
    let link = rewrite::<F>(ctx, link, network, work)?;
    l2::readdress(ctx, &link, route.index)?;
    pieces::go_with_it(work, route.claim, route.index, route.target);
    count::add(&maps::LISTENER_COUNTERS, route.claim.counters(), network.length, opens);
    count::add(&maps::TARGET_COUNTERS, route.index, network.length, opens);
    Ok(transmit::send(transmit::way_out(ctx, route.target)))
}

/// A target's answer.
#[inline(always)]
fn back<F: Crosses>(
    ctx: &XdpContext,
    door: PacketDoor<'_>,
    link: &Link,
    network: &Network,
    work: &Work,
) -> Result<u32, Stop> {
    if !headers::has_hops::<F>(&door, link) {
        return Err(Stop::Drop(DropReason::HopLimit));
    }
    fit::back(ctx, network, work)?;
    let link = rewrite::<F>(ctx, link, network, work)?;
    pieces::go_with_it(work, Claim(0), work.session.pin.target, &Target::default());
    to_client(ctx, &link, work.session.interface)
}

/// Turns the packet into what its session says, of the other family where that is. Its link header afterwards.
#[inline(always)]
fn rewrite<F: Crosses>(ctx: &XdpContext, link: &Link, network: &Network, work: &Work) -> Result<Link, Stop> {
    if work.session.crosses(&work.flow) {
        return cross::translate::<F>(ctx, link, network);
    }
    match F::translate_packet(ctx.ctx, Offsets { link: link.length, payload: network.payload }) {
        0 => Err(TRUNCATED),
        _ => Ok(*link),
    }
}

/// Sends the packet, which had that link header, the way that the client's packets come: by that interface.
#[inline(always)]
fn to_client(ctx: &XdpContext, link: &Link, interface: u32) -> Result<u32, Stop> {
    headers::frame_to_client(ctx, link).ok_or(Stop::Drop(DropReason::NoHeadroom))?;
    let same = interface as usize == ctx.ingress_ifindex();
    Ok(transmit::send(if same { WayOut::Same } else { WayOut::Other(interface) }))
}
