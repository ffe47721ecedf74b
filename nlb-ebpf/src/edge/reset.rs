//! The end of a connection, told to its client: the packet becomes a TCP reset (RFC 9293, section 3.10.7.1) and goes back.
//!
//! ```text
//! before: [edge's MAC ← client's][tags][IP, options][TCP: client → VIP, options][data][padding]
//! after:  [client's MAC ← edge's][tags][IP         ][TCP: VIP → client         ]
//! ```
//!
//! It looks as if the VIP had sent it: the client's acknowledgement number is the sequence number that it waits for, so it
//! takes the reset for genuine (RFC 5961, section 3.2).

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;
use nlb_common::checksum::Checksum;
use nlb_common::packet::Door as _;
use nlb_common::packet::network::{V4, V6};
use nlb_common::tunnel::HOP_LIMIT;
use nlb_common::wire::{Ethernet, Header, Ipv4, Ipv6, Ports, Tcp, protocol};
use nlb_ebpf::door::PacketDoor;

use super::addressed::{Addressed, Offsets};

/// Length of the answer's TCP header.
#[expect(clippy::cast_possible_truncation, reason = "20 bytes")]
const TCP: u16 = Tcp::LENGTH as u16;

/// Length of the answer's IPv4 packet.
#[expect(clippy::cast_possible_truncation, reason = "40 bytes")]
const V4_PACKET: u16 = (Ipv4::LENGTH + Tcp::LENGTH) as u16;

/// A family that can answer.
pub(super) trait Answering: Addressed {
    /// Its header.
    type Ip: Header;

    /// The sum of both addresses, for the pseudo-header.
    fn sum(asked: &Self::Ip) -> Checksum;

    /// The header of the answer to a packet with the header `asked`, around a TCP header alone.
    fn answer_to(asked: &Self::Ip) -> Self::Ip;
}

impl Answering for V4 {
    type Ip = Ipv4;

    #[inline(always)]
    fn sum(asked: &Ipv4) -> Checksum {
        Checksum::default().add_u32(asked.source).add_u32(asked.destination)
    }

    #[inline(always)]
    fn answer_to(asked: &Ipv4) -> Ipv4 {
        let mut header = Ipv4 {
            version_and_words: Ipv4::PLAIN,
            traffic_class: without_ecn(asked.traffic_class),
            total_length: V4_PACKET.to_be(),
            identification: 0,
            fragment: Ipv4::DONT_FRAGMENT,
            ttl: HOP_LIMIT,
            protocol: protocol::TCP,
            checksum: 0,
            source: asked.destination,
            destination: asked.source,
        };
        header.checksum = Self::sum(asked)
            .add_u16(u16::from_ne_bytes([header.version_and_words, header.traffic_class]))
            .add_u16(header.total_length)
            .add_u16(header.fragment)
            .add_u16(u16::from_ne_bytes([header.ttl, header.protocol]))
            .finish();
        header
    }
}

impl Answering for V6 {
    type Ip = Ipv6;

    #[inline(always)]
    fn sum(asked: &Ipv6) -> Checksum {
        let [a, b, c, d] = { asked.source }.0;
        let [e, f, g, h] = { asked.destination }.0;
        let source = Checksum::default().add_u32(a).add_u32(b).add_u32(c).add_u32(d);
        source.add_u32(e).add_u32(f).add_u32(g).add_u32(h)
    }

    #[inline(always)]
    fn answer_to(asked: &Ipv6) -> Ipv6 {
        Ipv6 {
            version_class_label: Ipv6::first_word(without_ecn(asked.traffic_class()), 0),
            payload_length: TCP.to_be(),
            next_header: protocol::TCP,
            hop_limit: HOP_LIMIT,
            source: asked.destination,
            destination: asked.source,
        }
    }
}

/// A reset is no ECN-capable transport (RFC 3168, section 6.1.4).
#[inline(always)]
const fn without_ecn(traffic_class: u8) -> u8 {
    traffic_class & 0xfc
}

/// Turns the packet of `ctx` into a reset for whoever sent it. Whether it was done. `length`: that of TCP header and data.
#[inline(always)]
pub(super) fn answer<F: Answering>(ctx: *mut xdp_md, at: Offsets, length: usize) -> bool {
    let ctx = XdpContext::new(ctx);
    write::<F>(PacketDoor::new(&ctx), at.bounded(), length).is_some()
}

/// Inner headers first: each overwrites what stands behind it in the packet, which has been read by then.
#[inline(always)]
fn write<F: Answering>(mut door: PacketDoor<'_>, at: Offsets, length: usize) -> Option<()> {
    let reset = reset_to(door.header(at.payload)?, length, F::sum(door.header(at.link)?));
    door.write(at.link + size_of::<F::Ip>(), reset)?;
    let header = F::answer_to(door.header(at.link)?);
    door.write(at.link, header)?;
    let &Ethernet { source, destination, .. } = door.header(0)?;
    door.write(0, [source, destination])?;
    let surplus = door.length().checked_sub(at.link + size_of::<F::Ip>() + Tcp::LENGTH)?;
    door.trim(surplus).ok().map(drop)
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a segment's length is less than its packet's")]
fn reset_to(segment: &Tcp, length: usize, addresses: Checksum) -> Tcp {
    let one_if = |flag| u32::from(segment.flags & flag != 0);
    let (sequence, acknowledgement, flags) = if segment.flags & Tcp::ACK != 0 {
        (segment.acknowledgement, 0, Tcp::RST)
    } else {
        let data = length.wrapping_sub(segment.header_length()) as u32;
        let length = data.wrapping_add(one_if(Tcp::SYN)).wrapping_add(one_if(Tcp::FIN));
        (0, u32::from_be(segment.sequence).wrapping_add(length).to_be(), Tcp::RST | Tcp::ACK)
    };
    let ports = Ports { source: segment.ports.destination, destination: segment.ports.source };
    Tcp {
        ports,
        sequence,
        acknowledgement,
        words: Tcp::PLAIN,
        flags,
        window: 0,
        // With the pseudo-header (RFC 9293, section 3.1; RFC 8200, section 8.1): addresses, protocol, length.
        checksum: addresses
            .add_u16(TCP.to_be())
            .add_u16(u16::from(protocol::TCP).to_be())
            .add_u16(ports.source)
            .add_u16(ports.destination)
            .add_u32(sequence)
            .add_u32(acknowledgement)
            .add_u16(u16::from_ne_bytes([Tcp::PLAIN, flags]))
            .finish(),
        urgent: 0,
    }
}
