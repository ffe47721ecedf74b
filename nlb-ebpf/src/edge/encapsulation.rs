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

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;
use nlb_common::drop_reason::DropReason;
use nlb_common::packet::link::Link;
use nlb_common::packet::network::{Family, Network};
use nlb_common::packet::{Door as _, Stop};
use nlb_common::slot::TargetIndex;
use nlb_common::tables::Target;
use nlb_common::tunnel::gue::{self, Gue, Second};
use nlb_common::tunnel::{Carried, Outer};
use nlb_common::wire::{EtherType, Framed, Ipv4, Ipv6, Macs, TagBytes, VlanTag};
use nlb_ebpf::door::PacketDoor;

use super::maps::TARGETS;
use super::transmit::{self, WayOut};

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

/// Puts the packet into a tunnel to the target `index`, by GUE, which names `second` as the other target that may have its
/// flow (0: none).
#[inline(always)]
pub(super) fn wrap_gue<F: Family>(
    ctx: &XdpContext,
    link: &Link,
    network: &Network,
    index: TargetIndex,
    target: &Target,
    second: TargetIndex,
    hash: u64,
) -> Result<(), Stop> {
    let parts = Parts { tags: link.tags(), inner: carried::<F>(network) };
    let (parts, index, other) = (parts.packed(), index.into(), second.into());
    let wrapped = match (target.destination.is_v4(), other) {
        (true, 0) => nlb_gue_in_v4(ctx.ctx, parts, index, hash),
        (true, _) => nlb_gue_naming_in_v4(ctx.ctx, parts, index, other, hash),
        (false, 0) => nlb_gue_in_v6(ctx.ctx, parts, index, hash),
        (false, _) => nlb_gue_naming_in_v6(ctx.ctx, parts, index, other, hash),
    };
    match wrapped {
        WRAPPED => Ok(()),
        TOO_LONG => Err(Stop::Drop(DropReason::TooLong)),
        NO_HEADROOM => Err(Stop::Drop(DropReason::NoHeadroom)),
        NO_TARGET => Err(Stop::Drop(DropReason::NoTarget)),
        _ => Err(Stop::Drop(DropReason::TruncatedLink)),
    }
}

/// What of a packet decides its outer headers.
struct Parts {
    tags: usize,
    inner: Carried,
}

impl Parts {
    const PROTOCOL: u32 = 32;
    const TRAFFIC_CLASS: u32 = 40;
    const TAGS: u32 = 48;

    /// All of it in one register.
    #[inline(always)]
    fn packed(self) -> u64 {
        self.inner.length as u64 & 0xffff_ffff
            | u64::from(self.inner.protocol) << Self::PROTOCOL
            | u64::from(self.inner.traffic_class) << Self::TRAFFIC_CLASS
            | (self.tags as u64) << Self::TAGS
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "each field is its own bits")]
    fn unpacked(word: u64) -> Self {
        let inner = Carried {
            length: word as u32 as usize,
            protocol: (word >> Self::PROTOCOL) as u8,
            traffic_class: (word >> Self::TRAFFIC_CLASS) as u8,
        };
        // Two bits: no packet has three tags, but the verifier wants a bound.
        Self { tags: (word >> Self::TAGS) as usize & 3, inner }
    }
}

const WRAPPED: u32 = 0;
const TOO_LONG: u32 = 1;
const NO_HEADROOM: u32 = 2;
const TRUNCATED: u32 = 3;
const NO_TARGET: u32 = 4;

/// Global functions, as those of `functions`: they have stacks of their own, which IP in IP does not need to have room for.
/// They are given numbers and no memory: lent a part of its caller's stack, kernel 6.1 takes what stood there for one packet
/// as given for all, and cuts away the branches that others need.
macro_rules! functions {
    ($outer:ty, $alone:ident, $naming:ident) => {
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $alone(ctx: *mut xdp_md, parts: u64, index: u64, hash: u64) -> u32 {
            gue_in::<$outer, false>(&XdpContext::new(ctx), Parts::unpacked(parts), index, 0, hash)
        }

        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $naming(ctx: *mut xdp_md, parts: u64, index: u64, second: u64, hash: u64) -> u32 {
            gue_in::<$outer, true>(&XdpContext::new(ctx), Parts::unpacked(parts), index, second, hash)
        }
    };
}

functions!(Ipv4, nlb_gue_in_v4, nlb_gue_naming_in_v4);
functions!(Ipv6, nlb_gue_in_v6, nlb_gue_naming_in_v6);

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "indexes were widened to fill their registers")]
fn gue_in<O: Outer, const NAMES_SECOND: bool>(
    ctx: &XdpContext,
    parts: Parts,
    index: u64,
    second: u64,
    hash: u64,
) -> u32 {
    let Some(target) = TARGETS.get(index as TargetIndex) else { return NO_TARGET };
    let Parts { tags, inner } = parts;
    let link = &Link { length: Link::UNTAGGED + tags * size_of::<VlanTag>(), ether_type: EtherType::IPV4 };
    let way_out = transmit::way_out(ctx, target);
    let door = PacketDoor::new(ctx);
    let protocol = inner.protocol;
    let wrapped = if NAMES_SECOND {
        let Some(second) = TARGETS.get(second as TargetIndex) else { return NO_TARGET };
        let carried = gue::carried(inner, size_of::<Second<O::Wire>>());
        wrap_in::<O, _>(door, link, carried, target, hash, way_out, Naming { carried, protocol, hash, second })
    } else {
        let carried = gue::carried(inner, 0);
        wrap_in::<O, _>(door, link, carried, target, hash, way_out, Alone { carried, protocol, hash })
    };
    match wrapped {
        Ok(()) => WRAPPED,
        Err(Stop::Drop(DropReason::TooLong)) => TOO_LONG,
        Err(Stop::Drop(DropReason::NoHeadroom)) => NO_HEADROOM,
        Err(_) => TRUNCATED,
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

/// GUE alone. The header is made when it is written: until then it would take room on the stack.
struct Alone {
    carried: Carried,
    protocol: u8,
    hash: u64,
}

impl<O: Outer> Between<O> for Alone {
    #[inline(always)]
    fn length(&self) -> usize {
        Gue::LENGTH
    }

    #[inline(always)]
    fn write(self, mut door: PacketDoor<'_>, at: usize) -> Option<()> {
        door.write(at, Gue::new(self.carried, 0, self.protocol, self.hash))
    }
}

/// GUE with another target's name.
struct Naming<'a> {
    carried: Carried,
    protocol: u8,
    hash: u64,
    second: &'a Target,
}

impl<O: Outer> Between<O> for Naming<'_> {
    #[inline(always)]
    fn length(&self) -> usize {
        Gue::LENGTH + size_of::<Second<O::Wire>>()
    }

    #[inline(always)]
    fn write(self, mut door: PacketDoor<'_>, at: usize) -> Option<()> {
        let private = size_of::<Second<O::Wire>>();
        door.write(at, Gue::new(self.carried, private, self.protocol, self.hash))?;
        door.write(at + Gue::LENGTH, Second::new(O::wire(self.second.destination)))
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
