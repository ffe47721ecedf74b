//! Headers with other addresses and ports, and checksums that agree.
//!
//! A checksum is updated by what has changed, not computed anew (RFC 1624): only the headers are looked at, and an error that
//! was in the packet before is still in it for the receiver to find.

use crate::address::Address;
use crate::checksum::Checksum;
use crate::hash::Flow;
use crate::nat::Piece;
use crate::wire::{Header, Ipv4, Ipv6, protocol};

/// What the checksum of a TCP segment or UDP datagram changes by when the packets of `from` become those of `to`: both cover
/// the addresses too (the pseudo-header).
#[inline(always)]
pub const fn difference(from: &Flow, to: &Flow) -> Checksum {
    let sum = replace(Checksum::new(), &from.source, &to.source);
    replace(sum, &from.destination, &to.destination)
        .remove_u16(from.source_port)
        .add_u16(to.source_port)
        .remove_u16(from.destination_port)
        .add_u16(to.destination_port)
}

/// Adds what a checksum changes by when one address becomes another.
#[inline(always)]
const fn replace(sum: Checksum, from: &Address, to: &Address) -> Checksum {
    let [a, b, c, d] = from.0;
    let [e, f, g, h] = to.0;
    let sum = sum.remove_u32(a).remove_u32(b).remove_u32(c).remove_u32(d);
    sum.add_u32(e).add_u32(f).add_u32(g).add_u32(h)
}

/// The checksum of a segment or datagram after a change. One of UDP that is 0 is none at all and stays none; one that comes
/// to 0 is written as its other form (RFC 768).
#[inline(always)]
pub const fn checksum(before: u16, protocol: u8, difference: Checksum) -> u16 {
    let is_udp = protocol == protocol::UDP;
    if is_udp && before == 0 {
        return 0;
    }
    match Checksum::from_header(before).add(difference).finish() {
        0 if is_udp => 0xffff,
        checksum => checksum,
    }
}

/// An IP header that can be sent on from and to other addresses.
pub trait Translated: Header {
    /// Whether the packet may be sent on: it has a hop left.
    fn has_hops(&self) -> bool;

    /// The header with other addresses, of its family, and one hop less: whoever translates is a router, and two that sent a
    /// packet to each other would never end.
    #[must_use]
    fn translated(self, source: Address, destination: Address) -> Self;

    /// The header of a fragment with the identification that it leaves with, where the header has one.
    #[must_use]
    fn identified(self, piece: &Piece) -> Self;

    /// The header of a packet that an error message quotes, with other addresses, and what the message's checksum changes by.
    fn requoted(self, source: Address, destination: Address) -> (Self, Checksum);

    /// What the checksum of an error message changes by when its own packet, which had this header, has other addresses.
    fn message_change(&self, source: Address, destination: Address) -> Checksum;
}

impl Translated for Ipv4 {
    #[inline(always)]
    fn has_hops(&self) -> bool {
        self.ttl > 1
    }

    #[inline(always)]
    fn translated(self, source: Address, destination: Address) -> Self {
        let (source, destination) = (source.0[3], destination.0[3]);
        let ttl = self.ttl.saturating_sub(1);
        let hops = |ttl| u16::from_ne_bytes([ttl, self.protocol]);
        let checksum = Checksum::from_header(self.checksum)
            .remove_u32(self.source)
            .add_u32(source)
            .remove_u32(self.destination)
            .add_u32(destination)
            .remove_u16(hops(self.ttl))
            .add_u16(hops(ttl))
            .finish();
        Self { ttl, checksum, source, destination, ..self }
    }

    #[inline(always)]
    fn identified(self, piece: &Piece) -> Self {
        let (identification, _) = piece.v4();
        let checksum = Checksum::from_header(self.checksum).remove_u16(self.identification).add_u16(identification);
        Self { identification, checksum: checksum.finish(), ..self }
    }

    /// The header's own checksum changes as its addresses do, so the sum of all its words stays.
    #[inline(always)]
    fn requoted(self, source: Address, destination: Address) -> (Self, Checksum) {
        let (source, destination) = (source.0[3], destination.0[3]);
        let checksum = Checksum::from_header(self.checksum)
            .remove_u32(self.source)
            .add_u32(source)
            .remove_u32(self.destination)
            .add_u32(destination)
            .finish();
        (Self { checksum, source, destination, ..self }, Checksum::new())
    }

    /// ICMP's covers the message alone (RFC 792).
    #[inline(always)]
    fn message_change(&self, _: Address, _: Address) -> Checksum {
        Checksum::new()
    }
}

impl Translated for Ipv6 {
    #[inline(always)]
    fn has_hops(&self) -> bool {
        self.hop_limit > 1
    }

    #[inline(always)]
    fn translated(self, source: Address, destination: Address) -> Self {
        let hop_limit = self.hop_limit.saturating_sub(1);
        Self { hop_limit, source: source.by_words(), destination: destination.by_words(), ..self }
    }

    #[inline(always)]
    fn identified(self, _: &Piece) -> Self {
        self
    }

    #[inline(always)]
    fn requoted(self, source: Address, destination: Address) -> (Self, Checksum) {
        let change = self.message_change(source, destination);
        (Self { source: source.by_words(), destination: destination.by_words(), ..self }, change)
    }

    /// ICMPv6's covers the addresses too (RFC 4443, section 2.3).
    #[inline(always)]
    fn message_change(&self, source: Address, destination: Address) -> Checksum {
        let (from, to) = (self.source.by_words(), self.destination.by_words());
        replace(replace(Checksum::new(), &from, &source), &to, &destination)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::Tcp;

    /// The one's complement of the one's-complement sum of all 16-bit words, computed plainly (RFC 1071).
    fn from_scratch(bytes: &[u8]) -> u16 {
        let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from));
        let mut sum: u64 = words.map(u64::from).sum();
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !u16::try_from(sum).unwrap()
    }

    fn bytes_of(address: Address) -> Vec<u8> {
        let octets = address.octets();
        if address.is_v4() { octets[12..].to_vec() } else { octets.to_vec() }
    }

    /// A segment or datagram of `flow` with its right checksum: where that stands, and all bytes.
    fn segment(flow: &Flow, payload: &[u8]) -> (usize, Vec<u8>) {
        let (length, at) = if flow.protocol == protocol::UDP { (8, 6) } else { (Tcp::LENGTH, 16) };
        let mut bytes = std::vec![0; length];
        bytes[..2].copy_from_slice(&flow.source_port.to_ne_bytes());
        bytes[2..4].copy_from_slice(&flow.destination_port.to_ne_bytes());
        bytes.extend_from_slice(payload);
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        let pseudo = [&bytes_of(flow.source)[..], &bytes_of(flow.destination), &length, &[0, 0, 0, flow.protocol]];
        let checksum = match from_scratch(&[&pseudo.concat()[..], &bytes].concat()) {
            0 if flow.protocol == protocol::UDP => 0xffff,
            checksum => checksum,
        };
        bytes[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
        (at, bytes)
    }

    prop_compose! {
        fn address(v4: bool)(words in any::<[u32; 4]>()) -> Address {
            if v4 { Address::v4(words[0]) } else { Address([words[0] | 1, words[1], words[2], words[3]]) }
        }
    }

    prop_compose! {
        fn flow(v4: bool, protocol: u8)(
            source in address(v4), destination in address(v4), source_port: u16, destination_port: u16,
        ) -> Flow {
            Flow { source, destination, source_port, destination_port, protocol, padding: [0; 3] }
        }
    }

    /// Within a family, and into the other.
    fn change() -> impl Strategy<Value = (Flow, Flow)> {
        (any::<[bool; 2]>(), prop_oneof![Just(protocol::TCP), Just(protocol::UDP)])
            .prop_flat_map(|([from, to], protocol)| (flow(from, protocol), flow(to, protocol)))
    }

    proptest! {
        #[test]
        fn a_translated_segments_checksum_is_the_one_computed_from_scratch(
            (from, to) in change(), payload in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let (at, before) = segment(&from, &payload);
            let (_, after) = segment(&to, &payload);
            let of = |bytes: &[u8]| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
            prop_assert_eq!(checksum(of(&before), from.protocol, difference(&from, &to)), of(&after));
        }

        #[test]
        fn a_translated_ipv4_headers_checksum_is_the_one_computed_from_scratch(
            fields in any::<[u8; 10]>(), source: u32, destination: u32, to in address(true), from in address(true),
        ) {
            let [class, a, b, c, d, e, f, ttl, protocol, _] = fields;
            let plain = |ttl, source, destination| {
                let header = Ipv4 {
                    version_and_words: Ipv4::PLAIN,
                    traffic_class: class,
                    total_length: u16::from_ne_bytes([a, b]),
                    identification: u16::from_ne_bytes([c, d]),
                    fragment: u16::from_ne_bytes([e, f]),
                    ttl,
                    protocol,
                    checksum: 0,
                    source,
                    destination,
                };
                let bytes = [
                    &[Ipv4::PLAIN, class, a, b, c, d, e, f, ttl, protocol, 0, 0][..],
                    &source.to_ne_bytes(),
                    &destination.to_ne_bytes(),
                ];
                Ipv4 { checksum: from_scratch(&bytes.concat()).to_be(), ..header }
            };
            let header = plain(ttl, source, destination);
            let expected = plain(ttl.saturating_sub(1), from.0[3], to.0[3]);
            prop_assert_eq!(header.translated(from, to), expected);
            prop_assert_eq!(header.has_hops(), ttl > 1);
        }
    }

    #[test]
    fn udp_without_checksum_stays_without_and_a_checksum_of_zero_is_written_as_ones() {
        let sum = |word: u16| Checksum::new().add_u16(word);
        assert_eq!(checksum(0, protocol::UDP, sum(1)), 0);
        // From 1 to 0: by one more in the sum.
        assert_eq!(checksum(1_u16.to_be(), protocol::UDP, sum(1_u16.to_be())), 0xffff);
        assert_eq!(checksum(1_u16.to_be(), protocol::TCP, sum(1_u16.to_be())), 0);
    }
}
