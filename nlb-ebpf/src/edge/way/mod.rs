//! Ways off the fast path: programs of their own for rare packets, reached by a tail call.
//!
//! ```text
//! nlb_edge: … stop ─▶ hand_over ─▶ WAYS[way]: nlb_way_icmp, nlb_way_too_big, nlb_way_nat ─▶ nlb_way_unclaimed ─▶ nlb_way_gateway
//!                        │                    nlb_way_fragment ───────────────────────────────────────┼──────────────┤
//!                        └─▶ no such way or program: to the stack, or dropped                         └─▶ nlb_way_geneve
//! ```
//!
//! What lives here: one file for each way, with its program. They share the maps and stages of the fast path, which pays a
//! jump for them that it doesn't take. Only the main program calls tail-ward: kernel 6.1 gives a function that does so only
//! half of the stack. A way parses the packet again, for nothing but the packet is handed over.

mod foreign;
mod forward;
pub(super) mod fragment;
pub(super) mod gateway;
mod geneve;
mod icmp;
pub(super) mod nat;
mod refuse;
mod route;
mod sum;
mod too_big;
mod unclaimed;

use core::hint::cold_path;

use aya_ebpf::{bindings::xdp_action, programs::XdpContext};
use nlb_common::packet::fragment::{Fragment, Fragmented};
use nlb_common::packet::link::{self, Link};
use nlb_common::packet::network::{Family, Network, V4, V6};
use nlb_common::packet::{Door as _, NotOurs, Stop};
use nlb_common::way::{Way, WayOutcome};
use nlb_common::wire::EtherType;
use nlb_ebpf::count;
use nlb_ebpf::door::PacketDoor;
use nlb_ebpf::opaque::forgotten;

use super::maps::{DROPS, WAY_OUTCOMES, WAYS};
use gateway::PassingThrough;

/// What a way does with a packet, of either family.
trait Program {
    /// The packet's fate.
    fn family<F: PassingThrough>(ctx: &XdpContext, link: Link) -> Result<u32, Stop>;
}

/// Runs a way's program.
#[inline(always)]
fn run<P: Program>(ctx: &XdpContext) -> Result<u32, Stop> {
    let link = read_link(&PacketDoor::new(ctx))?;
    match link.ether_type {
        EtherType::IPV4 => P::family::<V4>(ctx, link),
        EtherType::IPV6 => P::family::<V6>(ctx, link),
        _ => Err(Stop::Pass(NotOurs::EtherType)),
    }
}

/// Hands the packet to the way that `stop` leads to. It returns only if there is none.
#[inline(always)]
pub(super) fn hand_over(ctx: &XdpContext, stop: Stop) {
    cold_path();
    if let Some(way) = Way::of(stop) {
        go_on(ctx, way);
    }
}

/// Hands the packet to a way. It returns only if that has no program.
#[inline(always)]
fn go_on(ctx: &XdpContext, way: Way) {
    // SAFETY: nothing of this program needs to be dropped, and the program that goes on is one of the same kind.
    unsafe { WAYS.tail_call(ctx, way as u32) };
}

/// The XDP action of a verdict; counts a drop.
#[inline(always)]
pub(super) fn action(verdict: Result<u32, Stop>) -> u32 {
    match verdict {
        Ok(action) => action,
        Err(Stop::Pass(_)) => xdp_action::XDP_PASS,
        Err(Stop::Drop(reason)) => {
            count::one(&DROPS, reason as u32);
            xdp_action::XDP_DROP
        }
    }
}

/// Reads the IP header; what follows extension headers is [settled](PacketDoor::settled).
#[inline(always)]
fn read<F: Family>(door: &PacketDoor<'_>, link: &Link) -> Result<Network, Stop> {
    Ok(settled(door, F::read(door, link.length)?))
}

/// Reads the IP header of a packet that may be a fragment; what follows extension headers is settled.
#[inline(always)]
fn read_fragment<F: Fragmented>(door: &PacketDoor<'_>, link: &Link) -> Result<Fragment, Stop> {
    let network = settled(door, F::read_part(door, link.length)?);
    let fragment = F::read_fragment(door, link.length, network)?;
    Ok(Fragment { network: settled(door, fragment.network), ..fragment })
}

/// The same, whatever way through extension headers led there.
#[inline(always)]
fn settled(door: &PacketDoor<'_>, network: Network) -> Network {
    let (payload, payload_length) = (door.settled(network.payload), forgotten(network.payload_length));
    Network { payload, payload_length, ..network }
}

/// Reads the link header; the verifier forgets how many tags there are, and goes once through what follows.
#[inline(always)]
fn read_link(door: &PacketDoor<'_>) -> Result<Link, Stop> {
    let link = link::read(door)?;
    Ok(Link { length: forgotten(link.length) & 0x1f, ..link })
}

/// Counts what a way did with a packet.
#[inline(always)]
fn outcome(outcome: WayOutcome) {
    count::one(&WAY_OUTCOMES, outcome as u32);
}
