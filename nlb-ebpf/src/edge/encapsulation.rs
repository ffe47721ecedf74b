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

use aya_ebpf::programs::XdpContext;
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

/// Puts the packet into a tunnel to `target`, by IP in IP.
#[inline(always)]
pub(super) fn wrap<F: Family>(
    door: PacketDoor<'_>,
    packet: &Packet,
    target: &Target,
    hash: u64,
    way_out: WayOut,
) -> Result<(), Stop> {
    let carried = carried::<F>(packet);
    if target.destination.is_v4() {
        wrap_in::<Ipv4, _>(door, &packet.link, carried, target, hash, way_out, Nothing)
    } else {
        wrap_in::<Ipv6, _>(door, &packet.link, carried, target, hash, way_out, Nothing)
    }
}

/// Puts the packet into a tunnel to `target`, by GUE, which names `second` as the other target that may have its flow.
#[inline(always)]
pub(super) fn wrap_gue<F: Family>(
    ctx: &XdpContext,
    packet: &Packet,
    target: &Target,
    second: Option<&Target>,
    hash: u64,
    way_out: WayOut,
) -> Result<(), Stop> {
    // A copy: what the function below is lent lies in memory, and the packet's own parts are to stay in registers.
    let parts = Parts { link: packet.link, inner: carried::<F>(packet), way_out };
    match gue_of_parts(ctx, &parts, target, second, hash) {
        WRAPPED => Ok(()),
        TOO_LONG => Err(Stop::Drop(DropReason::TooLong)),
        NO_HEADROOM => Err(Stop::Drop(DropReason::NoHeadroom)),
        _ => Err(Stop::Drop(DropReason::TruncatedLink)),
    }
}

struct Parts {
    link: Link,
    inner: Carried,
    way_out: WayOut,
}

const WRAPPED: u32 = 0;
const TOO_LONG: u32 = 1;
const NO_HEADROOM: u32 = 2;
const TRUNCATED: u32 = 3;

/// A function of its own: it has a stack of its own then, which IP in IP does not need to have room for.
#[inline(never)]
fn gue_of_parts(ctx: &XdpContext, parts: &Parts, target: &Target, second: Option<&Target>, hash: u64) -> u32 {
    let door = PacketDoor::new(ctx);
    let wrapped = if target.destination.is_v4() {
        wrap_gue_in::<Ipv4>(door, &parts.link, parts.inner, target, second, hash, parts.way_out)
    } else {
        wrap_gue_in::<Ipv6>(door, &parts.link, parts.inner, target, second, hash, parts.way_out)
    };
    match wrapped {
        Ok(()) => WRAPPED,
        Err(Stop::Drop(DropReason::TooLong)) => TOO_LONG,
        Err(Stop::Drop(DropReason::NoHeadroom)) => NO_HEADROOM,
        Err(_) => TRUNCATED,
    }
}

#[inline(always)]
fn carried<F: Family>(packet: &Packet) -> Carried {
    let network = &packet.network;
    Carried { protocol: F::PROTOCOL, length: network.length, traffic_class: network.traffic_class }
}

#[inline(always)]
fn wrap_gue_in<O: Outer>(
    door: PacketDoor<'_>,
    link: &Link,
    inner: Carried,
    target: &Target,
    second: Option<&Target>,
    hash: u64,
    way_out: WayOut,
) -> Result<(), Stop> {
    let private = if second.is_some() { size_of::<Second<O::Wire>>() } else { 0 };
    let carried = gue::carried(inner, private);
    let then = Headers { gue: Gue::new(carried, private, inner.protocol, hash), private, second };
    wrap_in::<O, _>(door, link, carried, target, hash, way_out, then)
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
    let room = size_of::<O>() + between.length();
    match (link.tags(), way_out) {
        (0, _) => write::<O, B, 0>(door, outer, target, room, between),
        (1, WayOut::Same) => write::<O, B, 1>(door, outer, target, room, between),
        (_, WayOut::Same) => write::<O, B, 2>(door, outer, target, room, between),
        (_, WayOut::Other(_)) => write::<O, B, 0>(door, outer, target, room + Link::UNTAGGED - link.length, between),
    }
}

/// What stands between the outer header and the packet. A type for each forwarding, so that one pays nothing for the other:
/// with a length that is known only at run time IP in IP took some 3 ns more.
trait Between<O: Outer> {
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

/// GUE.
struct Headers<'a> {
    gue: Gue,
    private: usize,
    second: Option<&'a Target>,
}

impl<O: Outer> Between<O> for Headers<'_> {
    #[inline(always)]
    fn length(&self) -> usize {
        Gue::LENGTH + self.private
    }

    #[inline(always)]
    fn write(self, mut door: PacketDoor<'_>, at: usize) -> Option<()> {
        door.write(at, self.gue)?;
        let Some(second) = self.second else { return Some(()) };
        door.write(at + Gue::LENGTH, Second::new(O::wire(second.destination)))
    }
}

/// Makes `room` before the packet and writes the link header, with the `TAGS` tags that the frame has, and the outer one.
/// `between` writes what follows those.
#[inline(always)]
fn write<O: Outer, B: Between<O>, const TAGS: usize>(
    door: PacketDoor<'_>,
    outer: O,
    target: &Target,
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
    let headers = Framed {
        destination: target.next_hop_mac,
        source: target.source_mac,
        tags,
        ether_type: O::ETHER_TYPE,
        header: outer,
    };
    door.write(0, headers).ok_or(TRUNCATED)?;
    between.write(door, size_of::<Framed<O, TAGS>>()).ok_or(TRUNCATED)
}
