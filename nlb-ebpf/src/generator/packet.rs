//! Writes one packet.

use aya_ebpf::programs::XdpContext;
use nlb_common::checksum::Checksum;
use nlb_common::wire::{Ethernet, Ipv4, Ipv6};
use nlb_ebpf::door::PacketDoor;

use super::settings::{self, HEADERS, Kind};

/// Offsets within an IP header.
const V4_LENGTH: usize = 2;
const V4_IDENTIFICATION: usize = 4;
const V4_CHECKSUM: usize = 10;
const V4_ADDRESSES: usize = 12;
const V6_LENGTH: usize = 4;
const V6_SOURCE_END: usize = 20;
const V6_DESTINATION_END: usize = 36;

/// Offsets within a TCP or UDP header.
const UDP_LENGTH: usize = 4;
const UDP_CHECKSUM: usize = 6;
const TCP_CHECKSUM: usize = 16;

/// Offsets within an ICMP header, and of the IPv4 packet that an error quotes.
const ICMP_CHECKSUM: usize = 2;
const ICMP_IDENTIFIER: usize = 4;
const QUOTED: usize = 8;

/// Of twelve packets of mixed sizes, seven are as short as can be, four of this length and one of the longest: the simple
/// Internet mix. The frame that the program is run on has the longest.
const MIDDLE: usize = 566;
const SHORTEST_V4: usize = 60;
const SHORTEST_V6: usize = 80;

/// What differs from packet to packet.
struct Varying {
    source: u32,
    destination: u32,
    source_port: u16,
    identification: u16,
}

/// Makes `ctx`'s frame packet number `number`. `None` if the frame is too short for one.
#[inline(always)]
pub(super) fn write(ctx: &XdpContext, number: u64) -> Option<()> {
    let random = mixed(number);
    let flow = low(if settings::IS_RANDOM.load() != 0 { random } else { number }) & settings::FLOW_MASK.load();
    let varying = Varying {
        source: settings::SOURCE.load().wrapping_add(flow & 0xff_ffff),
        destination: settings::DESTINATION.load().wrapping_add(destination(flow)),
        source_port: settings::SOURCE_PORT.load().wrapping_add((flow >> 24) as u16),
        identification: if settings::IS_FRAGMENT.load() != 0 { (number & 0xffff) as u16 } else { 0 },
    };
    let v6 = settings::IS_V6.load() != 0;
    let mut length = ctx.data_end() - ctx.data();
    let mut door = PacketDoor::new(ctx);
    if settings::IS_MIXED.load() != 0 {
        let wanted = mixed_length(random, length, if v6 { SHORTEST_V6 } else { SHORTEST_V4 });
        door = door.trim(length.checked_sub(wanted)?).ok()?;
        length = wanted;
    }
    // SAFETY: an array's entry stays mapped, and the loader wrote it before the first run.
    let words = unsafe { &*HEADERS.get_ptr(0)? };
    let whole = if v6 || settings::KIND.load() == Kind::ERROR { 9 } else { 7 };
    for (index, word) in words.iter().enumerate().take(whole) {
        door.write(8 * index, word.to_ne_bytes())?;
    }
    if v6 {
        let [first, second, ..] = words[9].to_ne_bytes();
        door.write(8 * 9, [first, second])?;
        v6_header(&mut door, &varying, length)?;
        payload(&mut door, &varying, size_of::<Ethernet>() + Ipv6::LENGTH, length)
    } else {
        v4_header(&mut door, &varying, length)?;
        payload(&mut door, &varying, size_of::<Ethernet>() + Ipv4::LENGTH, length)
    }
}

/// What the IP header carries, from `at` on.
#[inline(always)]
fn payload(door: &mut PacketDoor<'_>, varying: &Varying, at: usize, length: usize) -> Option<()> {
    match settings::KIND.load() {
        Kind::ECHO => echo(door, varying, at, length),
        Kind::ERROR => error(door, varying, at),
        _ => transport(door, varying, at, length),
    }
}

#[inline(always)]
fn v4_header(door: &mut PacketDoor<'_>, varying: &Varying, length: usize) -> Option<()> {
    const IP: usize = size_of::<Ethernet>();
    let length = short(length.checked_sub(IP)?);
    let addresses = u64::from(varying.source) << 32 | u64::from(varying.destination);
    let checksum = Checksum::default()
        .add_u32(settings::IP_SUM.load())
        .add_u16(length.to_be())
        .add_u16(varying.identification.to_be())
        .add_u32(varying.source.to_be())
        .add_u32(varying.destination.to_be());
    door.write(IP + V4_LENGTH, length.to_be_bytes())?;
    door.write(IP + V4_IDENTIFICATION, varying.identification.to_be_bytes())?;
    door.write(IP + V4_CHECKSUM, checksum.finish().to_ne_bytes())?;
    door.write(IP + V4_ADDRESSES, addresses.to_be_bytes())
}

#[inline(always)]
fn v6_header(door: &mut PacketDoor<'_>, varying: &Varying, length: usize) -> Option<()> {
    const IP: usize = size_of::<Ethernet>();
    door.write(IP + V6_LENGTH, short(length.checked_sub(IP + Ipv6::LENGTH)?).to_be_bytes())?;
    door.write(IP + V6_SOURCE_END, varying.source.to_be_bytes())?;
    door.write(IP + V6_DESTINATION_END, varying.destination.to_be_bytes())
}

/// The TCP or UDP header at `at`. The checksum's sum has what is behind the header too: zeros.
#[inline(always)]
fn transport(door: &mut PacketDoor<'_>, varying: &Varying, at: usize, length: usize) -> Option<()> {
    let udp = settings::KIND.load() == Kind::UDP;
    let length = short(length.checked_sub(at)?);
    let mut checksum = Checksum::default()
        .add_u32(settings::TRANSPORT_SUM.load())
        .add_u16(length.to_be())
        .add_u32(varying.source.to_be())
        .add_u32(varying.destination.to_be())
        .add_u16(varying.source_port.to_be());
    if udp {
        checksum = checksum.add_u16(length.to_be());
        door.write(at + UDP_LENGTH, length.to_be_bytes())?;
    }
    // Zero would say that a datagram has none (RFC 768), and is the same number.
    let checksum = match checksum.finish() {
        0 => u16::MAX,
        sum => sum,
    };
    door.write(at, varying.source_port.to_be_bytes())?;
    door.write(at + if udp { UDP_CHECKSUM } else { TCP_CHECKSUM }, checksum.to_ne_bytes())
}

/// The header of an echo request, whose identifier is the flow's port. By ICMPv6 the checksum covers a pseudo-header.
#[inline(always)]
fn echo(door: &mut PacketDoor<'_>, varying: &Varying, at: usize, length: usize) -> Option<()> {
    let mut checksum = Checksum::default().add_u32(settings::TRANSPORT_SUM.load()).add_u16(varying.source_port.to_be());
    if settings::IS_V6.load() != 0 {
        checksum = checksum
            .add_u16(short(length.checked_sub(at)?).to_be())
            .add_u32(varying.source.to_be())
            .add_u32(varying.destination.to_be());
    }
    door.write(at + ICMP_CHECKSUM, checksum.finish().to_ne_bytes())?;
    door.write(at + ICMP_IDENTIFIER, varying.source_port.to_be_bytes())
}

/// An error about a packet of the flow's other direction. The quoted IPv4 header sums up to nothing, as every whole one does.
#[inline(always)]
fn error(door: &mut PacketDoor<'_>, varying: &Varying, at: usize) -> Option<()> {
    let quoted = at + QUOTED;
    let header = Checksum::default()
        .add_u32(settings::QUOTED_SUM.load())
        .add_u32(varying.destination.to_be())
        .add_u32(varying.source.to_be());
    let addresses = u64::from(varying.destination) << 32 | u64::from(varying.source);
    door.write(quoted + V4_CHECKSUM, header.finish().to_ne_bytes())?;
    door.write(quoted + V4_ADDRESSES, addresses.to_be_bytes())?;
    door.write(quoted + Ipv4::LENGTH + size_of::<u16>(), varying.source_port.to_be_bytes())?;
    let checksum = Checksum::default().add_u32(settings::TRANSPORT_SUM.load()).add_u16(varying.source_port.to_be());
    door.write(at + ICMP_CHECKSUM, checksum.finish().to_ne_bytes())
}

/// Which destination a flow has, of as many as there are.
#[inline(always)]
fn destination(flow: u32) -> u32 {
    share(flow.wrapping_mul(0x9e37_79b1), settings::DESTINATIONS.load())
}

#[inline(always)]
fn mixed_length(random: u64, longest: usize, shortest: usize) -> usize {
    match share((random >> 32) as u32, 12) {
        0..7 => shortest,
        7..11 => MIDDLE,
        _ => longest,
    }
}

/// A number below `limit`, as `of` is large among all 32-bit numbers.
#[inline(always)]
const fn share(of: u32, limit: u32) -> u32 {
    ((of as u64 * limit as u64) >> 32) as u32
}

/// A number without relation to its neighbours': the finalizer of murmur3, which is a bijection.
#[inline(always)]
const fn mixed(mut number: u64) -> u64 {
    number = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number = (number ^ number >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    number ^ number >> 33
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn low(number: u64) -> u32 {
    number as u32
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a frame is shorter than a page")]
const fn short(length: usize) -> u16 {
    length as u16
}
