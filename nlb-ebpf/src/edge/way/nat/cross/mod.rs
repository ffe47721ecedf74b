//! A translated packet that changes its IP family.
//!
//! ```text
//! before: [Ethernet][tags][IP header with what belongs to it][TCP or UDP …]
//! after:       [Ethernet][tags][the other family's IP header][TCP or UDP …]
//! ```
//!
//! The link header moves with it as it is, but for the type of what follows; where the frame goes is said afterwards, as for
//! any translated packet. Error messages are [`message`]'s.

pub(super) mod message;

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::bpf_get_prandom_u32;
use aya_ebpf::programs::XdpContext;
use nlb_common::answer::Answering;
use nlb_common::drop_reason::DropReason;
use nlb_common::hash::Flow;
use nlb_common::nat::cross::{Crossed, Crossing, pseudo_header};
use nlb_common::nat::rewrite::{checksum, difference};
use nlb_common::packet::link::Link;
use nlb_common::packet::network::{Network, V4, V6};
use nlb_common::packet::{Door as _, Stop};
use nlb_common::tunnel::Outer;
use nlb_common::wire::{EtherType, Ports, Udp, protocol};
use nlb_ebpf::door::PacketDoor;
use nlb_ebpf::opaque::opaque;

use super::super::super::addressed::Offsets;
use super::super::sum;
use super::{TRUNCATED, headers, sessions};

/// The other family's header.
type OtherIp<F> = <<F as Crossing>::Other as Answering>::Ip;

/// A family and its functions, which are global ones as those of [`functions`](super::super::super::functions).
pub(super) trait Crosses: Crossing {
    /// [`headers::translate`].
    fn translate_packet(ctx: *mut xdp_md, at: Offsets) -> u32;

    /// [`cross`].
    fn cross_packet(ctx: *mut xdp_md, at: Offsets, length: usize) -> u32;

    /// [`message::sum`].
    fn sum_of_message(ctx: *mut xdp_md, at: Offsets, length: usize, ports: usize) -> u64;

    /// [`message::cross`].
    fn cross_message(ctx: *mut xdp_md, at: Offsets, length: usize, ports: usize) -> u32;
}

macro_rules! crosses {
    ($family:ty, $same:ident, $packet:ident, $sum:ident, $message:ident) => {
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $same(ctx: *mut xdp_md, link: usize, payload: usize) -> u32 {
            let at = Offsets { link, payload };
            u32::from(headers::translate::<$family>(PacketDoor::new(&XdpContext::new(ctx)), at).is_some())
        }

        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $packet(ctx: *mut xdp_md, link: usize, payload: usize, length: usize) -> u32 {
            cross::<$family>(&XdpContext::new(ctx), Offsets { link, payload }, length).unwrap_or(BROKEN)
        }

        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $sum(ctx: *mut xdp_md, link: usize, payload: usize, length: usize, ports: usize) -> u64 {
            let at = Offsets { link, payload };
            message::sum::<$family>(&XdpContext::new(ctx), at, length, ports).unwrap_or(message::NO_SUM)
        }

        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $message(ctx: *mut xdp_md, link: usize, payload: usize, length: usize, ports: usize) -> u32 {
            message::cross::<$family>(&XdpContext::new(ctx), Offsets { link, payload }, length, ports).unwrap_or(BROKEN)
        }

        impl Crosses for $family {
            #[inline(always)]
            fn translate_packet(ctx: *mut xdp_md, at: Offsets) -> u32 {
                $same(ctx, at.link, at.payload)
            }

            #[inline(always)]
            fn cross_packet(ctx: *mut xdp_md, at: Offsets, length: usize) -> u32 {
                $packet(ctx, at.link, at.payload, length)
            }

            #[inline(always)]
            fn sum_of_message(ctx: *mut xdp_md, at: Offsets, length: usize, ports: usize) -> u64 {
                $sum(ctx, at.link, at.payload, length, ports)
            }

            #[inline(always)]
            fn cross_message(ctx: *mut xdp_md, at: Offsets, length: usize, ports: usize) -> u32 {
                $message(ctx, at.link, at.payload, length, ports)
            }
        }
    };
}

crosses!(V4, nlb_nat_within_v4, nlb_nat_into_v6, nlb_nat_sum_v4, nlb_nat_message_into_v6);
crosses!(V6, nlb_nat_within_v6, nlb_nat_into_v4, nlb_nat_sum_v6, nlb_nat_message_into_v4);

const DONE: u32 = 0;
const NO_HEADROOM: u32 = 1;
const BROKEN: u32 = 2;
const OF_ONE_FAMILY: u32 = 3;

/// The link header of a packet that such a function was asked to turn into one of the other family.
#[inline(always)]
fn outcome<F: Crosses>(answer: u32, link: &Link) -> Result<Link, Stop> {
    match answer {
        DONE => Ok(Link { ether_type: OtherIp::<F>::ETHER_TYPE, ..*link }),
        NO_HEADROOM => Err(Stop::Drop(DropReason::NoHeadroom)),
        OF_ONE_FAMILY => Err(Stop::Drop(DropReason::OtherFamily)),
        _ => Err(TRUNCATED),
    }
}

/// Turns the packet of the flow in the working memory into one of the other family. Its link header afterwards.
#[inline(always)]
pub(super) fn translate<F: Crosses>(ctx: &XdpContext, link: &Link, network: &Network) -> Result<Link, Stop> {
    let at = Offsets { link: link.length, payload: network.payload };
    outcome::<F>(F::cross_packet(ctx.ctx, at, network.payload_length), link)
}

/// `length`: what stands behind the IP header.
#[inline(always)]
fn cross<F: Crossing>(ctx: &XdpContext, at: Offsets, length: usize) -> Option<u32> {
    let work = sessions::work()?;
    // A packet leaves as the reverse of what answers come as; a sum is the same of either.
    let (from, answers) = (&work.flow, &work.session.peer);
    let Offsets { link, payload } = at.bounded();
    let mut door = PacketDoor::new(ctx);
    if F::is_underway(&door, link) || work.piece.is_of_one_family() {
        return Some(OF_ONE_FAMILY);
    }
    if work.piece.has_ports() {
        let field = payload + headers::checksum_field(from.protocol);
        let before = u16::from_ne_bytes(*door.header(field)?);
        let is_missing = from.protocol == protocol::UDP && before == 0;
        if is_missing && work.piece.is_cut() {
            // It would be the sum of all pieces.
            return Some(OF_ONE_FAMILY);
        }
        door.write(payload, Ports { source: answers.destination_port, destination: answers.source_port })?;
        let after = if is_missing {
            missing_checksum(ctx, payload, length, answers)?
        } else {
            checksum(before, from.protocol, difference(from, answers))
        };
        PacketDoor::new(ctx).write(field, after.to_ne_bytes())?;
    }
    let door = PacketDoor::new(ctx);
    let essence = F::essence(door.header(link)?).after_a_hop();
    let piece = if work.piece.is_cut() { Some(&work.piece) } else { None };
    let ip = size_of::<OtherIp<F>>();
    let Some(mut door) = make_room::<F>(door, link, payload, if piece.is_some() { ip + F::Other::PIECE } else { ip })?
    else {
        return Some(NO_HEADROOM);
    };
    let (source, destination, protocol) = (&answers.destination, &answers.source, from.protocol);
    let (length, identification) = (opaque(length) & 0xffff, identification());
    let crossed = Crossed { source, destination, protocol, length, identification, piece };
    door.write(link, F::Other::header(essence, crossed)?)?;
    if let Some(header) = piece.and_then(|piece| F::Other::fragment_header(piece, protocol)) {
        door.write(link + ip, header)?;
    }
    Some(DONE)
}

/// The identification of a packet that may be fragmented: one that packets near it are unlikely to have (RFC 7739, section 5.3).
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "any 16 bits")]
fn identification() -> u16 {
    // SAFETY: the helper has no arguments.
    unsafe { bpf_get_prandom_u32() as u16 }
}

/// The checksum of a datagram that has none: by IPv6 there must be one (RFC 7915, section 4.5). `length`: what stands behind the IP
/// header.
#[inline(always)]
fn missing_checksum(ctx: &XdpContext, at: usize, length: usize, flow: &Flow) -> Option<u16> {
    let datagram = u16::from_be(PacketDoor::new(ctx).header::<Udp>(at)?.length);
    let bytes = usize::from(datagram);
    if bytes > length || bytes > sum::MOST {
        return None;
    }
    let sum = pseudo_header(&flow.source, &flow.destination, protocol::UDP, datagram).add(sum::of(ctx, at, bytes));
    match sum.finish() {
        0 => Some(0xffff),
        checksum => Some(checksum),
    }
}

/// Makes the link header, whose length is `link`, stand `room` bytes before what is at `payload`, and say that a packet of the
/// other family follows. The door to the packet afterwards; `Some(None)`: there is no headroom.
#[inline(always)]
fn make_room<F: Crossing>(
    door: PacketDoor<'_>,
    link: usize,
    payload: usize,
    room: usize,
) -> Option<Option<PacketDoor<'_>>> {
    match link {
        Link::UNTAGGED => move_link::<F, { Link::UNTAGGED }>(door, payload, room),
        Link::TAGGED => move_link::<F, { Link::TAGGED }>(door, payload, room),
        _ => move_link::<F, { Link::TAGGED_TWICE }>(door, payload, room),
    }
}

#[inline(always)]
fn move_link<F: Crossing, const LENGTH: usize>(
    door: PacketDoor<'_>,
    payload: usize,
    room: usize,
) -> Option<Option<PacketDoor<'_>>> {
    let link = *door.header::<[u8; LENGTH]>(0)?;
    let wanted = LENGTH + room;
    let moved = if payload >= wanted { door.shrink(payload - wanted) } else { door.grow(wanted - payload) };
    let Ok(mut door) = moved else { return Some(None) };
    door.write(0, link)?;
    door.write(LENGTH - size_of::<EtherType>(), OtherIp::<F>::ETHER_TYPE)?;
    Some(Some(door))
}
