//! The outer headers, and a new link header before them.
//!
//! ```text
//! before:                            [Ethernet][tags][IP packet][padding]
//! IP in IP: [Ethernet]([tags])[outer IP]             [IP packet][padding]
//! GUE: [Ethernet]([tags])[outer IP][UDP][GUE(second)][IP packet][padding]
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
use nlb_common::tunnel::gue::{self, Gue, Second};
use nlb_common::tunnel::{Carried, Outer};
use nlb_common::wire::{Framed, Ipv4, Ipv6, TagBytes};
use nlb_ebpf::door::PacketDoor;

use super::transmit::WayOut;

/// Puts the packet into a tunnel to `target`, which names `second` as the other target that may have its flow.
#[inline(always)]
pub(super) fn wrap<F: Family>(
    door: PacketDoor<'_>,
    packet: &Packet,
    target: &Target,
    second: Option<&Target>,
    hash: u64,
    way_out: WayOut,
) -> Result<(), Stop> {
    let network = &packet.network;
    let carried = Carried { protocol: F::PROTOCOL, length: network.length, traffic_class: network.traffic_class };
    if target.destination.is_v4() {
        wrap_in::<Ipv4>(door, &packet.link, carried, target, second, hash, way_out)
    } else {
        wrap_in::<Ipv6>(door, &packet.link, carried, target, second, hash, way_out)
    }
}

#[inline(always)]
fn wrap_in<O: Outer>(
    door: PacketDoor<'_>,
    link: &Link,
    inner: Carried,
    target: &Target,
    second: Option<&Target>,
    hash: u64,
    way_out: WayOut,
) -> Result<(), Stop> {
    let is_gue = target.is_gue();
    let private = if second.is_some() { size_of::<Second<O::Wire>>() } else { 0 };
    let (carried, between) = if is_gue { (gue::carried(inner, private), Gue::LENGTH + private) } else { (inner, 0) };
    let outer = O::new(carried, target, hash).ok_or(Stop::Drop(DropReason::TooLong))?;
    let room = size_of::<O>() + between;
    // Not after the match: an open door in a result is something that the verifier can't follow.
    let then = |door: &mut PacketDoor<'_>, at: usize| {
        if is_gue {
            door.write(at, Gue::new(carried, private, inner.protocol, hash))?;
            if let Some(second) = second {
                door.write(at + Gue::LENGTH, Second::new(O::wire(second.destination)))?;
            }
        }
        Some(())
    };
    match (link.tags(), way_out) {
        (0, _) => write::<O, 0>(door, outer, target, room, then),
        (1, WayOut::Same) => write::<O, 1>(door, outer, target, room, then),
        (_, WayOut::Same) => write::<O, 2>(door, outer, target, room, then),
        (_, WayOut::Other(_)) => write::<O, 0>(door, outer, target, room + Link::UNTAGGED - link.length, then),
    }
}

/// Makes `room` before the packet and writes the link header, with the `TAGS` tags that the frame has, and the outer one.
/// `then` writes what follows those.
#[inline(always)]
fn write<O: Outer, const TAGS: usize>(
    door: PacketDoor<'_>,
    outer: O,
    target: &Target,
    room: usize,
    then: impl FnOnce(&mut PacketDoor<'_>, usize) -> Option<()>,
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
    door.write(0, headers).ok_or(TRUNCATED)?;
    then(&mut door, size_of::<Framed<O, TAGS>>()).ok_or(TRUNCATED)
}
