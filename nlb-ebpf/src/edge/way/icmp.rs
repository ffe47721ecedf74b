//! ICMP and ICMPv6 to a VIP.
//!
//! An echo request is answered here: a VIP is on no interface of the edge, so nobody else would. Everything else passes, neighbour
//! discovery above all.

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use nlb_common::icmp::{Control, echo, is_answerable};
use nlb_common::packet::link::{self, Link};
use nlb_common::packet::network::{Network, V4, V6};
use nlb_common::packet::{Door as _, NotOurs, Stop};
use nlb_common::way::WayOutcome;
use nlb_common::wire::{EtherType, Ethernet, Icmp, Macs};
use nlb_ebpf::door::PacketDoor;

use super::super::maps::VIPS;

const OTHER: Stop = Stop::Pass(NotOurs::Protocol);

#[xdp]
#[inline(always)]
fn nlb_way_icmp(ctx: XdpContext) -> u32 {
    super::action(receive(PacketDoor::new(&ctx)))
}

#[inline(always)]
fn receive(door: PacketDoor<'_>) -> Result<u32, Stop> {
    let link = link::read(&door)?;
    match link.ether_type {
        EtherType::IPV4 => family::<V4>(door, &link),
        EtherType::IPV6 => family::<V6>(door, &link),
        _ => Err(OTHER),
    }
}

#[inline(always)]
fn family<F: Control>(door: PacketDoor<'_>, link: &Link) -> Result<u32, Stop> {
    let network = F::read(&door, link.length)?;
    if network.protocol != F::CONTROL || network.payload_length < Icmp::LENGTH {
        return Err(OTHER);
    }
    VIPS.get_ptr(&network.destination).ok_or(OTHER)?;
    echo::<F>(door, link, &network).ok_or(OTHER)
}

/// Answers an echo request; `None`, and an untouched packet, if it is none.
#[inline(always)]
fn echo<F: Control>(mut door: PacketDoor<'_>, link: &Link, network: &Network) -> Option<u32> {
    if !is_answerable(&network.source) {
        return None;
    }
    let message = echo::answer::<F>(door.header(network.payload)?)?;
    let header = F::returned(door.header(link.length)?);
    let &Ethernet { source, destination, .. } = door.header(0)?;
    door.write(network.payload, message)?;
    door.write(link.length, header)?;
    door.write(0, Macs::new(source, destination))?;
    super::outcome(WayOutcome::Echo);
    Some(xdp_action::XDP_TX)
}
