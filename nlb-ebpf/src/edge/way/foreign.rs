//! Tunnels from outside, to where the edges' own tunnels lead.
//!
//! A target host takes a packet out of its tunnel because the outer source is an edge's, and anybody can write that there. Edges
//! send straight to targets, and not by each other: so what comes to one in such a tunnel, for a target or a VIP, was sent by
//! somebody else. An edge that is also a router would hand it on.

use nlb_common::drop_reason::DropReason;
use nlb_common::packet::Stop;
use nlb_common::packet::network::Network;
use nlb_common::tunnel::gue;
use nlb_common::wire::protocol;
use nlb_ebpf::door::PacketDoor;

use super::super::maps::SHIELDED;

/// Stops IP in IP and GUE to an address that is shielded.
#[inline(always)]
pub(super) fn stop(door: &PacketDoor<'_>, network: &Network) -> Result<(), Stop> {
    let is_tunnel = matches!(network.protocol, protocol::IPV4 | protocol::IPV6) || gue::is_gue(door, network);
    if is_tunnel { stop_any(network) } else { Ok(()) }
}

/// Stops a tunnel of whatever kind to an address that is shielded.
#[inline(always)]
pub(super) fn stop_any(network: &Network) -> Result<(), Stop> {
    match SHIELDED.get_ptr(&network.destination) {
        Some(_) => Err(Stop::Drop(DropReason::ForeignTunnel)),
        None => Ok(()),
    }
}
