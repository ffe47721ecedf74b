//! The outer header, and a new link header before it.
//!
//! ```text
//! before:                  [Ethernet][tags][IP packet][padding]
//! after: [Ethernet]([tags])[outer IP]      [IP packet][padding]
//! ```
//!
//! - VLAN tags are kept only if the frame goes back out of the interface that it came in by: there they name the VLAN that
//!   the packet is in, and the target's next hop was found in that VLAN. Any other interface is in a network of its own (a
//!   VLAN device adds its tag by itself), so a frame for it is untagged.
//! - What pads the frame behind the IP packet stays: the outer length describes exactly the packet, so every receiver
//!   ignores the rest as it did before, and cutting it off would cost a helper call for every small packet.

use nlb_common::drop_reason::DropReason;
use nlb_common::packet::link::Link;
use nlb_common::packet::network::Family;
use nlb_common::packet::{Door as _, Packet, Stop};
use nlb_common::tables::Target;
use nlb_common::tunnel::{Carried, Outer};
use nlb_common::wire::{Framed, Ipv4, Ipv6, TagBytes};
use nlb_ebpf::door::PacketDoor;

use super::transmit::WayOut;

/// Puts the packet into a tunnel to `target`.
#[inline(always)]
pub(super) fn wrap<F: Family>(
    door: PacketDoor<'_>,
    packet: &Packet,
    target: &Target,
    hash: u64,
    way_out: WayOut,
) -> Result<(), Stop> {
    let network = &packet.network;
    let carried = Carried { protocol: F::PROTOCOL, length: network.length, traffic_class: network.traffic_class };
    if target.destination.is_v4() {
        wrap_in::<Ipv4>(door, &packet.link, carried, target, hash, way_out)
    } else {
        wrap_in::<Ipv6>(door, &packet.link, carried, target, hash, way_out)
    }
}

#[inline(always)]
fn wrap_in<O: Outer>(
    door: PacketDoor<'_>,
    link: &Link,
    carried: Carried,
    target: &Target,
    hash: u64,
    way_out: WayOut,
) -> Result<(), Stop> {
    let outer = O::new(carried, target, hash).ok_or(Stop::Drop(DropReason::TooLong))?;
    match (link.tags(), way_out) {
        (0, _) => write::<O, 0>(door, outer, target, size_of::<O>()),
        (1, WayOut::Same) => write::<O, 1>(door, outer, target, size_of::<O>()),
        (_, WayOut::Same) => write::<O, 2>(door, outer, target, size_of::<O>()),
        (_, WayOut::Other(_)) => write::<O, 0>(door, outer, target, size_of::<O>() + Link::UNTAGGED - link.length),
    }
}

/// Makes `room` before the packet and writes both headers, with the `TAGS` tags that the frame has.
#[inline(always)]
fn write<O: Outer, const TAGS: usize>(
    door: PacketDoor<'_>,
    outer: O,
    target: &Target,
    room: usize,
) -> Result<(), Stop> {
    // Neither can happen: the tags were read before, and the room is more than what is written. The verifier asks.
    const TRUNCATED: Stop = Stop::Drop(DropReason::TruncatedLink);
    let tags = if TAGS == 0 {
        [TagBytes::default(); TAGS]
    } else {
        *door.header::<[TagBytes; TAGS]>(Framed::<O, TAGS>::TAGS_AT).ok_or(TRUNCATED)?
    };
    let mut door = door.grow(room).map_err(|_| Stop::Drop(DropReason::NoHeadroom))?;
    let headers = Framed {
        destination: target.next_hop_mac,
        source: target.source_mac,
        tags,
        ether_type: O::ETHER_TYPE,
        header: outer,
    };
    door.write(0, headers).ok_or(TRUNCATED)
}
