//! The tunnels by UDP: GUE and GENEVE.

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;
use nlb_common::drop_reason::DropReason;
use nlb_common::packet::Stop;
use nlb_common::packet::link::Link;
use nlb_common::packet::network::{Family, Network, V4};
use nlb_common::slot::TargetIndex;
use nlb_common::tables::Target;
use nlb_common::tunnel::geneve::{self, Geneve, Said};
use nlb_common::tunnel::gue::{self, Gue, Second};
use nlb_common::tunnel::{Carried, Outer};
use nlb_common::wire::{EtherType, Ipv4, Ipv6, VlanTag};
use nlb_ebpf::door::PacketDoor;

use super::super::maps::TARGETS;
use super::super::transmit;
use super::{Between, carried, wrap_in};

/// Puts the packet into a tunnel to the target `index`, by GUE, which names `second` as the other target that may have its
/// flow (0: none).
#[inline(always)]
pub(in super::super) fn wrap_gue<F: Family>(
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
    outcome_of(wrapped)
}

/// Puts the packet into a tunnel to the target `index`, by GENEVE, which says that it came to the gateway `endpoint`. `hash` is that
/// of its flow's both directions.
#[inline(always)]
pub(in super::super) fn wrap_geneve<F: Family>(
    ctx: &XdpContext,
    link: &Link,
    network: &Network,
    index: TargetIndex,
    target: &Target,
    endpoint: u64,
    hash: u64,
) -> Result<(), Stop> {
    let parts = Parts { tags: link.tags(), inner: carried::<F>(network) }.packed();
    outcome_of(if target.destination.is_v4() {
        nlb_geneve_in_v4(ctx.ctx, parts, index.into(), endpoint, hash)
    } else {
        nlb_geneve_in_v6(ctx.ctx, parts, index.into(), endpoint, hash)
    })
}

/// What a function here answers.
#[inline(always)]
fn outcome_of(wrapped: u32) -> Result<(), Stop> {
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

    /// The link header, as far as its length goes.
    #[inline(always)]
    fn link(&self) -> Link {
        Link { length: Link::UNTAGGED + self.tags * size_of::<VlanTag>(), ether_type: EtherType::IPV4 }
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
    ($outer:ty, $alone:ident, $naming:ident, $geneve:ident) => {
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

        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $geneve(ctx: *mut xdp_md, parts: u64, index: u64, endpoint: u64, hash: u64) -> u32 {
            geneve_in::<$outer>(&XdpContext::new(ctx), Parts::unpacked(parts), index, endpoint, hash)
        }
    };
}

functions!(Ipv4, nlb_gue_in_v4, nlb_gue_naming_in_v4, nlb_geneve_in_v4);
functions!(Ipv6, nlb_gue_in_v6, nlb_gue_naming_in_v6, nlb_geneve_in_v6);

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
    let (link, inner) = (&parts.link(), parts.inner);
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
    answer_of(wrapped)
}

#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "an index was widened to fill its register, and an interface's is a word"
)]
fn geneve_in<O: Outer>(ctx: &XdpContext, parts: Parts, index: u64, endpoint: u64, hash: u64) -> u32 {
    let Some(target) = TARGETS.get(index as TargetIndex) else { return NO_TARGET };
    let (link, inner) = (&parts.link(), parts.inner);
    let interface = ctx.ingress_ifindex() as u32;
    let said = Said { endpoint, interface, target: index as TargetIndex, cookie: geneve::cookie(hash) };
    let carried = geneve::carried(inner);
    let way_out = transmit::way_out(ctx, target);
    let between = ToAppliance { carried, protocol: inner.protocol, said, hash };
    answer_of(wrap_in::<O, _>(PacketDoor::new(ctx), link, carried, target, hash, way_out, between))
}

/// What [`outcome_of`] reads.
#[inline(always)]
fn answer_of(wrapped: Result<(), Stop>) -> u32 {
    match wrapped {
        Ok(()) => WRAPPED,
        Err(Stop::Drop(DropReason::TooLong)) => TOO_LONG,
        Err(Stop::Drop(DropReason::NoHeadroom)) => NO_HEADROOM,
        Err(_) => TRUNCATED,
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

/// GENEVE with what an appliance is to know.
struct ToAppliance {
    carried: Carried,
    protocol: u8,
    said: Said,
    hash: u64,
}

impl<O: Outer> Between<O> for ToAppliance {
    #[inline(always)]
    fn length(&self) -> usize {
        Geneve::LENGTH
    }

    #[inline(always)]
    fn write(self, mut door: PacketDoor<'_>, at: usize) -> Option<()> {
        let inner = if self.protocol == V4::PROTOCOL { EtherType::IPV4 } else { EtherType::IPV6 };
        door.write(at, Geneve::new(self.carried, inner, self.said, self.hash))
    }
}
