//! The outer headers off, and the link header before what was inside.
//!
//! ```text
//! before: [Ethernet][tags][outer IP, options]([UDP][GUE or GENEVE])[IP packet][padding]
//! after:                                           [Ethernet][tags][IP packet][padding]
//! ```
//!
//! The link header keeps its MAC addresses (the frame was sent to this host) and its tags (the packet came by that VLAN). Only
//! the type of what follows may change.

use nlb_common::packet::Door as _;
use nlb_common::packet::link::Link;
use nlb_common::tunnel::{Inner, InnerError, Received};
use nlb_common::wire::{EtherType, Ipv4, Ipv6, protocol};

use crate::door::PacketDoor;

/// Takes the packet out of its tunnel, whose outer header has this traffic class.
#[inline(always)]
pub fn unwrap(door: PacketDoor<'_>, link: &Link, tunnel: &Received, traffic_class: u8) -> Result<(), InnerError> {
    if tunnel.protocol == protocol::IPV4 {
        unwrap_inner::<Ipv4>(door, link, tunnel, traffic_class)
    } else {
        unwrap_inner::<Ipv6>(door, link, tunnel, traffic_class)
    }
}

#[inline(always)]
fn unwrap_inner<I: Inner>(
    mut door: PacketDoor<'_>,
    link: &Link,
    tunnel: &Received,
    traffic_class: u8,
) -> Result<(), InnerError> {
    if let Some(header) = I::leave_tunnel(&door, tunnel.payload, tunnel.payload_length, traffic_class)? {
        door.write(tunnel.payload, header).ok_or(InnerError::Malformed)?;
    }
    match link.tags() {
        0 => unframe::<I, { Link::UNTAGGED }>(door, tunnel.payload),
        1 => unframe::<I, { Link::TAGGED }>(door, tunnel.payload),
        _ => unframe::<I, { Link::TAGGED_TWICE }>(door, tunnel.payload),
    }
}

/// Moves the link header of `LENGTH` bytes up to the inner packet that begins at `inner`, and cuts off what stood between.
/// The kernel refuses neither: it only asks for an Ethernet header's worth of bytes, and there is an IP header as well.
#[inline(always)]
fn unframe<I: Inner, const LENGTH: usize>(door: PacketDoor<'_>, inner: usize) -> Result<(), InnerError> {
    let header = *door.header::<[u8; LENGTH]>(0).ok_or(InnerError::Malformed)?;
    let mut door = door.shrink(inner - LENGTH).map_err(|_| InnerError::Malformed)?;
    door.write(0, header).ok_or(InnerError::Malformed)?;
    door.write(LENGTH - size_of::<EtherType>(), I::ETHER_TYPE).ok_or(InnerError::Malformed)
}
