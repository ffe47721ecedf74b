//! Datagrams in fragments, of flows that are translated: what their pieces say as they leave.
//!
//! A piece keeps its place in its datagram. Whoever translates gives what several hosts send one source, and identifications that
//! differed by sender would meet: so one that leaves by IPv4, of 16 bits, is moved by a hash of both ends. Those of one sender stay as
//! far apart as they were, and every piece of a datagram has the same, without anything that is remembered. Within IPv6
//! 32 bits stay as they are.
//!
//! Between the families a fragment header comes or goes (RFC 7915, sections 4.1 and 5.1.1). IPv6 counts extension headers behind
//! it as part of what was cut, IPv4 has none: a datagram with such is not translated.

use crate::packet::fragment::Fragment;
use crate::wire::{FragmentHeader, Ipv4};

/// What a packet that is translated says of the datagram that it is a piece of.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Identification, as it leaves by the other family or by IPv4: host byte order.
    identification: u32,
    /// Where it begins and whether others follow, as a fragment header of IPv6 has it: host byte order.
    place: u16,
    /// One of the constants.
    kind: u16,
}

impl Piece {
    /// A packet that is no fragment.
    pub const WHOLE: Self = Self { identification: 0, place: 0, kind: Self::IS_WHOLE };

    const IS_WHOLE: u16 = 0;
    const IS_PIECE: u16 = 1;
    /// The first piece, with extension headers before its ports.
    const IS_EXTENDED: u16 = 2;

    /// Of a packet whose addresses have that hash.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "13 bits, and any 32 or 16")]
    pub const fn of(fragment: &Fragment, hash: u64) -> Self {
        if fragment.is_whole() {
            return Self::WHOLE;
        }
        let identification = if fragment.network.destination.is_v4() {
            u16::from_be(fragment.identification as u16) as u32
        } else {
            u32::from_be(fragment.identification)
        };
        let extended = fragment.is_first() && fragment.length != fragment.network.payload_length;
        Self {
            identification: identification.wrapping_add(hash as u32),
            place: fragment.offset as u16 | fragment.more as u16,
            kind: if extended { Self::IS_EXTENDED } else { Self::IS_PIECE },
        }
    }

    /// A first piece of which only its length matters.
    #[must_use]
    pub const fn first() -> Self {
        Self { identification: 0, place: 1, kind: Self::IS_PIECE }
    }

    /// Whether the packet is a fragment.
    #[inline(always)]
    pub const fn is_cut(&self) -> bool {
        self.kind != Self::IS_WHOLE
    }

    /// Whether the packet has ports: it is no fragment, or the first one.
    #[inline(always)]
    pub const fn has_ports(&self) -> bool {
        self.place < 8
    }

    /// Whether no packet of the other family can say the same.
    #[inline(always)]
    pub const fn is_of_one_family(&self) -> bool {
        self.kind == Self::IS_EXTENDED
    }

    /// Identification and fragment field of an IPv4 header, network byte order.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits")]
    pub const fn v4(&self) -> (u16, u16) {
        let more = if self.place & 1 != 0 { Ipv4::MORE_FRAGMENTS } else { 0 };
        ((self.identification as u16).to_be(), (self.place >> 3).to_be() | more)
    }

    /// The fragment header of IPv6, before a piece of that protocol.
    #[inline(always)]
    pub const fn v6(&self, protocol: u8) -> FragmentHeader {
        FragmentHeader {
            next_header: protocol,
            reserved: 0,
            offset: self.place.to_be(),
            identification: self.identification.to_be(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::packet::network::Network;
    use crate::wire::protocol;

    fn fragment(v4: bool, identification: u32, offset: usize, more: bool) -> Fragment {
        let address = if v4 { Address::v4(7) } else { Address([7; 4]) };
        let network = Network {
            source: address,
            destination: address,
            protocol: protocol::UDP,
            traffic_class: 0,
            payload: 34,
            payload_length: 800,
            length: 820,
        };
        Fragment { network, identification, offset, more, is_fragment: true, length: 800, before: 20 }
    }

    #[test]
    fn a_piece_keeps_its_place_in_either_family() {
        for (offset, more) in [(0, true), (8, true), (8, false), (65_528, false), (32_768, true)] {
            let piece = Piece::of(&fragment(true, u32::from(0x1234_u16.to_be()), offset, more), 0);
            let (identification, field) = piece.v4();
            assert_eq!(identification, 0x1234_u16.to_be());
            let header = piece.v6(protocol::UDP);
            assert_eq!(u16::from_be(field), u16::try_from(offset / 8).unwrap() | if more { 0x2000 } else { 0 });
            assert_eq!((header.offset(), header.more()), (offset, more));
            assert_eq!({ header.identification }, 0x1234_u32.to_be());
            assert_eq!((piece.is_cut(), piece.has_ports()), (true, offset == 0));
        }
    }

    #[test]
    fn identifications_are_moved_by_the_hash_and_those_of_one_sender_stay_apart() {
        let leaving =
            |identification: u32, hash| Piece::of(&fragment(false, identification.to_be(), 8, true), hash).v4().0;
        assert_eq!(leaving(1, 0x9_0000_0002), 3_u16.to_be());
        assert_eq!(leaving(2, 0x9_0000_0002), 4_u16.to_be());
        assert_eq!(leaving(0xffff_ffff, 2), 1_u16.to_be());
        assert_ne!(leaving(1, 1), leaving(1, 2));
    }

    #[test]
    fn what_is_whole_is_no_piece() {
        let piece = Piece::of(&fragment(false, 9, 0, false), 1);
        assert_eq!(piece, Piece::WHOLE);
        assert!(!piece.is_cut() && piece.has_ports());
    }

    #[test]
    fn extension_headers_behind_the_fragment_header_are_of_one_family() {
        let mut first = fragment(false, 9, 0, true);
        assert!(!Piece::of(&first, 1).is_of_one_family());
        first.network.payload_length -= 8;
        assert!(Piece::of(&first, 1).is_of_one_family());
    }
}
