//! Headers of answers: what a VIP itself sends to whoever sent it a packet.
//!
//! Pure: from headers to headers. The families differ in their headers and in nothing else.

use crate::address::Address;
use crate::checksum::Checksum;
use crate::packet::network::{Family, V4, V6};
use crate::tunnel::{HOP_LIMIT, Outer};
use crate::wire::{Ipv4, Ipv6};

/// What an answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its protocol.
    pub protocol: u8,
    /// Its length.
    pub length: u16,
}

/// A family that can answer.
pub trait Answering: Family {
    /// Its header, without options or extensions.
    type Ip: Outer;

    /// The sum of both addresses, for the pseudo-header.
    fn sum(asked: &Self::Ip) -> Checksum;

    /// The header of the answer to a packet with the header `asked`. It has that one's DSCP.
    fn answer_to(asked: &Self::Ip, content: Content) -> Self::Ip;

    /// `header` with source and destination exchanged, and a hop limit as from a host. What else it says stays.
    fn returned(header: &Self::Ip) -> Self::Ip;
}

impl Answering for V4 {
    type Ip = Ipv4;

    #[inline(always)]
    fn sum(asked: &Ipv4) -> Checksum {
        Checksum::default().add_u32(asked.source).add_u32(asked.destination)
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "20 bytes")]
    fn answer_to(asked: &Ipv4, content: Content) -> Ipv4 {
        let mut header = Ipv4 {
            version_and_words: Ipv4::PLAIN,
            traffic_class: without_ecn(asked.traffic_class),
            total_length: content.length.wrapping_add(Ipv4::LENGTH as u16).to_be(),
            // RFC 6864: a datagram that is never fragmented needs none.
            identification: 0,
            fragment: Ipv4::DONT_FRAGMENT,
            ttl: HOP_LIMIT,
            protocol: content.protocol,
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

    #[inline(always)]
    fn returned(header: &Ipv4) -> Ipv4 {
        // Exchanging two words leaves their sum as it is.
        let checksum = Checksum::from_header(header.checksum)
            .remove_u16(u16::from_ne_bytes([header.ttl, header.protocol]))
            .add_u16(u16::from_ne_bytes([HOP_LIMIT, header.protocol]))
            .finish();
        Ipv4 { ttl: HOP_LIMIT, checksum, source: header.destination, destination: header.source, ..*header }
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
    fn answer_to(asked: &Ipv6, content: Content) -> Ipv6 {
        Ipv6 {
            version_class_label: Ipv6::first_word(without_ecn(asked.traffic_class()), 0),
            payload_length: content.length.to_be(),
            next_header: content.protocol,
            hop_limit: HOP_LIMIT,
            source: { asked.destination }.by_words(),
            destination: { asked.source }.by_words(),
        }
    }

    #[inline(always)]
    fn returned(header: &Ipv6) -> Ipv6 {
        Ipv6 {
            hop_limit: HOP_LIMIT,
            source: { header.destination }.by_words(),
            destination: { header.source }.by_words(),
            ..*header
        }
    }
}

/// Neither a reset nor an error message is of an ECN-capable transport (RFC 3168, sections 6.1.4 and 6.1.5).
#[inline(always)]
const fn without_ecn(traffic_class: u8) -> u8 {
    traffic_class & 0xfc
}

/// Whether `source` is one host that may be answered: neither unspecified nor a group, nor what never leaves a host (RFC 1122,
/// section 3.2.2; RFC 4443, section 2.4).
#[inline(always)]
pub const fn is_answerable(source: &Address) -> bool {
    let [first, second, third, fourth] = source.0;
    if source.is_v4() {
        // 0/8, 127/8, and from 224 on: multicast, reserved and broadcast.
        let network = fourth.to_ne_bytes()[0];
        network != 0 && network != 127 && network < 224
    } else {
        let is_multicast = first.to_ne_bytes()[0] == 0xff;
        // ::/96 holds the unspecified address, the loopback and what nobody uses.
        !is_multicast && (first != 0 || second != 0 || third != 0)
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;

    #[test]
    fn only_a_single_host_is_answered() {
        let table = [
            ("198.51.100.7", true),
            ("10.0.0.1", true),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("127.0.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2001:db8::1", true),
            ("fe80::1", true),
            ("::", false),
            ("::1", false),
            ("ff02::1", false),
        ];
        for (address, answerable) in table {
            let source = Address::from(address.parse::<IpAddr>().unwrap());
            assert_eq!(is_answerable(&source), answerable, "{address}");
        }
    }
}
