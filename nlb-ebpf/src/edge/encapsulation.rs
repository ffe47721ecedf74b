//! The outer headers, and a new link header before them.
//!
//! ```text
//! before:                            [Ethernet][tags][IP packet][padding]
//! IP in IP: [Ethernet]([tags])[outer IP]             [IP packet][padding]
//! GUE: [Ethernet]([tags])[outer IP][UDP][GUE(second)][IP packet][padding]
//! GENEVE:    [Ethernet]([tags])[outer IP][UDP][GENEVE][IP packet][padding]
//! ```
//!
//! - VLAN tags are kept only if the frame goes back out of the interface that it came in by: there they name the VLAN that
//!   the packet is in, and the target's next hop was found in that VLAN. Any other interface is in a network of its own (a
//!   VLAN device adds its tag by itself), so a frame for it is untagged.
//! - What pads the frame behind the IP packet stays: the outer length describes exactly the packet, so every receiver
//!   ignores the rest as it did before, and cutting it off would cost a helper call for every small packet.

mod udp;

use nlb_common::drop_reason::DropReason;
use nlb_common::packet::link::Link;
use nlb_common::packet::network::{Family, Network};
use nlb_common::packet::{Door as _, Stop};
use nlb_common::tables::Target;
use nlb_common::tunnel::{Carried, Outer};
use nlb_common::wire::{Framed, Ipv4, Ipv6, Macs, TagBytes};
use nlb_ebpf::door::PacketDoor;

use super::transmit::WayOut;
pub(super) use udp::{wrap_geneve, wrap_gue};

/// Puts the packet into a tunnel to `target`, by IP in IP.
#[inline(always)]
pub(super) fn wrap<F: Family>(
    door: PacketDoor<'_>,
    link: &Link,
    network: &Network,
    target: &Target,
    hash: u64,
    way_out: WayOut,
) -> Result<(), Stop> {
    let carried = carried::<F>(network);
    if target.destination.is_v4() {
        wrap_in::<Ipv4, _>(door, link, carried, target, hash, way_out, Nothing)
    } else {
        wrap_in::<Ipv6, _>(door, link, carried, target, hash, way_out, Nothing)
    }
}

#[inline(always)]
fn carried<F: Family>(network: &Network) -> Carried {
    Carried { protocol: F::PROTOCOL, length: network.length, traffic_class: network.traffic_class }
}

#[inline(always)]
fn wrap_in<O: Outer, B: Between<O>>(
    door: PacketDoor<'_>,
    link: &Link,
    carried: Carried,
    target: &Target,
    hash: u64,
    way_out: WayOut,
    between: B,
) -> Result<(), Stop> {
    let outer = O::new(carried, target, hash).ok_or(Stop::Drop(DropReason::TooLong))?;
    put_before(door, link, || Macs::new(target.next_hop_mac, target.source_mac), outer, way_out, between)
}

/// Puts `outer` and what is `between` before the packet, and a link header with these addresses before both. They are asked for
/// when they are written: until then the fast path would keep them on its stack.
#[inline(always)]
pub(super) fn put_before<O: Outer, B: Between<O>>(
    door: PacketDoor<'_>,
    link: &Link,
    macs: impl FnOnce() -> Macs,
    outer: O,
    way_out: WayOut,
    between: B,
) -> Result<(), Stop> {
    let room = size_of::<O>() + between.length();
    match (link.tags(), way_out) {
        (0, _) => write::<O, B, 0>(door, outer, macs, room, between),
        (1, WayOut::Same) => write::<O, B, 1>(door, outer, macs, room, between),
        (_, WayOut::Same) => write::<O, B, 2>(door, outer, macs, room, between),
        (_, WayOut::Other(_)) => write::<O, B, 0>(door, outer, macs, room + Link::UNTAGGED - link.length, between),
    }
}

/// What stands between the outer header and the packet. A type for each forwarding, so that one pays nothing for the other:
/// with a length that is known only at run time IP in IP took some 3 ns more.
pub(super) trait Between<O: Outer> {
    fn length(&self) -> usize;

    /// Writes it; `None` if the frame ends before it does.
    fn write(self, door: PacketDoor<'_>, at: usize) -> Option<()>;
}

/// IP in IP.
struct Nothing;

impl<O: Outer> Between<O> for Nothing {
    #[inline(always)]
    fn length(&self) -> usize {
        0
    }

    #[inline(always)]
    fn write(self, _: PacketDoor<'_>, _: usize) -> Option<()> {
        Some(())
    }
}

/// Makes `room` before the packet and writes the link header, with the `TAGS` tags that the frame has, and the outer one.
/// `between` writes what follows those.
#[inline(always)]
fn write<O: Outer, B: Between<O>, const TAGS: usize>(
    door: PacketDoor<'_>,
    outer: O,
    macs: impl FnOnce() -> Macs,
    room: usize,
    between: B,
) -> Result<(), Stop> {
    // Neither can happen: the tags were read before, and the room is more than what is written. The verifier asks.
    const TRUNCATED: Stop = Stop::Drop(DropReason::TruncatedLink);
    let tags = if TAGS == 0 {
        [TagBytes::default(); TAGS]
    } else {
        *door.header::<[TagBytes; TAGS]>(Framed::<O, TAGS>::TAGS_AT).ok_or(TRUNCATED)?
    };
    let mut door = door.grow(room).map_err(|_| Stop::Drop(DropReason::NoHeadroom))?;
    let headers = Framed { macs: macs(), tags, ether_type: O::ETHER_TYPE, header: outer };
    door.write(0, headers).ok_or(TRUNCATED)?;
    between.write(door, size_of::<Framed<O, TAGS>>()).ok_or(TRUNCATED)
}
