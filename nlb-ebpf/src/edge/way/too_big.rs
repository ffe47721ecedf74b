//! A packet that doesn't fit the way to its target: its sender is told what does (RFC 1191, RFC 8201).

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use nlb_common::drop_reason::DropReason;
use nlb_common::icmp::Control;
use nlb_common::icmp::error::Refusal;
use nlb_common::packet::link::{self, Link};
use nlb_common::packet::network::{V4, V6};
use nlb_common::packet::{NotOurs, Stop, transport};
use nlb_common::way::WayOutcome;
use nlb_common::wire::EtherType;
use nlb_ebpf::door::PacketDoor;

use super::{refuse, route};

#[xdp]
#[inline(always)]
fn nlb_way_too_big(ctx: XdpContext) -> u32 {
    super::action(receive(&ctx))
}

#[inline(always)]
fn receive(ctx: &XdpContext) -> Result<u32, Stop> {
    let link = link::read(&PacketDoor::new(ctx))?;
    match link.ether_type {
        EtherType::IPV4 => family::<V4>(ctx, &link),
        EtherType::IPV6 => family::<V6>(ctx, &link),
        _ => Err(Stop::Pass(NotOurs::EtherType)),
    }
}

#[inline(always)]
fn family<F: Control>(ctx: &XdpContext, link: &Link) -> Result<u32, Stop> {
    let door = PacketDoor::new(ctx);
    let network = super::read::<F>(&door, link)?;
    let transport = transport::read(&door, &network)?;
    let route = route::of(&transport::flow(&network, &transport))?;
    let refusal = Refusal::TooBig { mtu: route.target.mtu };
    refuse::answer::<F>(ctx, link, &network, refusal).ok_or(Stop::Drop(DropReason::TooBig))?;
    super::outcome(WayOutcome::TooBig);
    Ok(xdp_action::XDP_TX)
}
