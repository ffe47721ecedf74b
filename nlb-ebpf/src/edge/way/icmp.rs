//! ICMP and ICMPv6 to a VIP, and what else no listener can have.
//!
//! - An echo request is answered here: a VIP is on no interface of the edge, so nobody else would.
//! - An error message about a flow (what a target sent didn't arrive, or was too big) goes to the flow's target, whole, in a
//!   tunnel like the client's packets, or by translation. Any edge can do that: slots are the same everywhere, and by GUE the
//!   slot's other target is named, where a flow may be that only another edge remembers.
//! - A tunnel to a VIP or a target is dropped ([`foreign`]).
//! - Everything else passes, neighbour discovery above all.

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use nlb_common::answer::is_answerable;
use nlb_common::icmp::{Control, echo, quote};
use nlb_common::packet::link::Link;
use nlb_common::packet::network::Network;
use nlb_common::packet::{Door as _, NotOurs, Stop};
use nlb_common::way::{Way, WayOutcome};
use nlb_common::wire::{Ethernet, Icmp, Macs};
use nlb_ebpf::door::PacketDoor;

use super::super::functions::Functions;
use super::super::maps::VIPS;
use super::forward::forward;
use super::{Program, foreign, route};

const OTHER: Stop = Stop::Pass(NotOurs::Protocol);

#[xdp]
#[inline(always)]
fn nlb_way_icmp(ctx: XdpContext) -> u32 {
    let verdict = super::run::<ToVip>(&ctx);
    if let Err(Stop::Pass(_)) = verdict {
        // It may be about a translated flow, and then to anybody.
        super::go_on(&ctx, Way::Nat);
    }
    super::action(verdict)
}

/// The program.
enum ToVip {}

impl Program for ToVip {
    #[inline(always)]
    fn family<F: Control + Functions>(ctx: &XdpContext, link: Link) -> Result<u32, Stop> {
        let mut door = PacketDoor::new(ctx);
        let network = super::read::<F>(&door, &link)?;
        foreign::stop(&door, &network)?;
        if network.protocol != F::CONTROL || network.payload_length < Icmp::LENGTH {
            return Err(OTHER);
        }
        VIPS.get_ptr(&network.destination).ok_or(OTHER)?;
        match echo::<F>(&mut door, &link, &network) {
            Some(action) => Ok(action),
            None => error::<F>(ctx, door, &link, &network),
        }
    }
}

/// Answers an echo request; `None`, and an untouched packet, if it is none.
#[inline(always)]
fn echo<F: Control>(door: &mut PacketDoor<'_>, link: &Link, network: &Network) -> Option<u32> {
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

/// Takes an error message to the target of the flow that it is about.
#[inline(always)]
fn error<F: Control>(ctx: &XdpContext, door: PacketDoor<'_>, link: &Link, network: &Network) -> Result<u32, Stop> {
    let flow = quote::flow::<F, _>(&door, network).ok_or(OTHER)?;
    let route = route::of(&flow)?;
    let sent = forward::<F>(ctx, door, link, network, &route, false)?;
    super::outcome(WayOutcome::Error);
    Ok(sent)
}
