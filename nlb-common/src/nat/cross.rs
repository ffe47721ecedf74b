//! Packets of the other IP family (RFC 7915).
//!
//! Only the IP header changes. What it carries keeps its bytes but for ports and checksum, and that changes by
//! [`difference`](super::rewrite::difference) as within a family: an IPv4 address stands in a flow behind the word 0xffff, which
//! adds nothing to a one's-complement sum, and length and protocol add the same to both pseudo-headers.
//!
//! - Traffic class and hops go over (sections 4.1 and 5.1). The flow label is 0.
//! - IPv4 options, and the IPv6 extension headers that were followed to the payload, stay behind. A packet whose source route has
//!   addresses left goes nowhere (sections 4.1 and 5.1.1); one by IPv6 is no flow's packet here to begin with.
//! - An IPv4 packet of up to 1,260 bytes may be fragmented, a longer one may not: its sender hears of what fits.
//! - A fragment stays one, and keeps its place in its datagram ([`Piece`]).
//! - A packet by IPv6 that doesn't fit is never fragmented here, whatever the IPv4 header allowed: its sender hears of that too.
//!   [`fitting`] says what it hears.

pub mod message;
mod source_route;

use super::piece::Piece;
use super::rewrite::Translated;
use crate::address::Address;
use crate::checksum::Checksum;
use crate::icmp::Control;
use crate::packet::Door;
use crate::packet::network::{V4, V6};
use crate::wire::{FragmentHeader, Icmp, Ipv4, Ipv6, protocol};

/// The longest IPv4 packet made of an IPv6 one that may be fragmented: one of IPv6's least MTU less the difference of the headers.
const FRAGMENTABLE: u16 = 1_260;

/// What a header hands over to one of the other family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Essence {
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// TTL or hop limit.
    pub hops: u8,
    /// Length of the packet, header and payload, as the header says.
    pub length: usize,
    /// Whether the header says that it is a fragment: for IPv6, whether a fragment header follows at once.
    pub cut: bool,
}

/// What a header of the other family says besides.
#[derive(Clone, Copy, Debug)]
pub struct Crossed<'a> {
    /// Source, of the other family.
    pub source: &'a Address,
    /// Destination, of the other family.
    pub destination: &'a Address,
    /// Protocol of what follows.
    pub protocol: u8,
    /// Its length.
    pub length: usize,
    /// Identification of an IPv4 packet that may be fragmented, network byte order.
    pub identification: u16,
    /// The place of a fragment; `None`: the packet is none.
    pub piece: Option<&'a Piece>,
}

/// A family whose packets can become the other's.
pub trait Crossing: Control<Ip: Translated> {
    /// The other family.
    type Other: Crossing;

    /// What stands between this family's header and a piece of a datagram: its length.
    const PIECE: usize;

    /// What `header` hands over.
    fn essence(header: &Self::Ip) -> Essence;

    /// Whether the packet whose header stands at `at` has addresses of a source route left to visit.
    fn is_underway<D: Door + ?Sized>(door: &D, at: usize) -> bool;

    /// A header of this family for a packet that came in the other. `None` if its length field can't say how long it is.
    fn header(essence: Essence, crossed: Crossed<'_>) -> Option<Self::Ip>;

    /// What stands between that header and a piece of that protocol.
    fn fragment_header(piece: &Piece, protocol: u8) -> Option<FragmentHeader>;

    /// The message of the other family that says the same as this one of this family about a packet with that header; without
    /// checksum. `None` if none does.
    fn message(message: &Icmp, quoted: Essence) -> Option<Icmp>;
}

impl Crossing for V4 {
    type Other = V6;

    const PIECE: usize = 0;

    #[inline(always)]
    fn essence(header: &Ipv4) -> Essence {
        let Ipv4 { traffic_class, ttl, .. } = *header;
        Essence { traffic_class, hops: ttl, length: header.total_length().into(), cut: header.is_fragment() }
    }

    #[inline(always)]
    fn is_underway<D: Door + ?Sized>(door: &D, at: usize) -> bool {
        let Some(length) = door.header::<Ipv4>(at).and_then(Ipv4::header_length) else { return false };
        length > Ipv4::LENGTH && source_route::is_left(door, at + Ipv4::LENGTH, at + length)
    }

    #[inline(always)]
    fn header(essence: Essence, crossed: Crossed<'_>) -> Option<Ipv4> {
        let length = u16::try_from(Ipv4::LENGTH + crossed.length).ok()?;
        let (identification, fragment) = match crossed.piece {
            Some(piece) => piece.v4(),
            None if length > FRAGMENTABLE => (0, Ipv4::DONT_FRAGMENT),
            None => (crossed.identification, 0),
        };
        let header = Ipv4 {
            version_and_words: Ipv4::PLAIN,
            traffic_class: essence.traffic_class,
            total_length: length.to_be(),
            identification,
            fragment,
            ttl: essence.hops,
            protocol: crossed.protocol,
            checksum: 0,
            source: crossed.source.0[3],
            destination: crossed.destination.0[3],
        };
        Some(header.with_checksum())
    }

    #[inline(always)]
    fn fragment_header(_: &Piece, _: u8) -> Option<FragmentHeader> {
        None
    }

    #[inline(always)]
    fn message(message: &Icmp, quoted: Essence) -> Option<Icmp> {
        message::into_v6(message, quoted.length)
    }
}

impl Crossing for V6 {
    type Other = V4;

    const PIECE: usize = FragmentHeader::LENGTH;

    #[inline(always)]
    fn essence(header: &Ipv6) -> Essence {
        let length = Ipv6::LENGTH + usize::from(header.payload_length());
        let cut = header.next_header == protocol::FRAGMENT;
        Essence { traffic_class: header.traffic_class(), hops: header.hop_limit, length, cut }
    }

    /// It was read up to its payload: what has further nodes to visit is never.
    #[inline(always)]
    fn is_underway<D: Door + ?Sized>(_: &D, _: usize) -> bool {
        false
    }

    #[inline(always)]
    fn header(essence: Essence, crossed: Crossed<'_>) -> Option<Ipv6> {
        let (before, next_header) =
            if crossed.piece.is_some() { (Self::PIECE, protocol::FRAGMENT) } else { (0, crossed.protocol) };
        Some(Ipv6 {
            version_class_label: Ipv6::first_word(essence.traffic_class, 0),
            payload_length: u16::try_from(before + crossed.length).ok()?.to_be(),
            next_header,
            hop_limit: essence.hops,
            source: crossed.source.by_words(),
            destination: crossed.destination.by_words(),
        })
    }

    #[inline(always)]
    fn fragment_header(piece: &Piece, protocol: u8) -> Option<FragmentHeader> {
        Some(piece.v6(protocol))
    }

    #[inline(always)]
    fn message(message: &Icmp, quoted: Essence) -> Option<Icmp> {
        message::into_v4(message, quoted.cut)
    }
}

impl Essence {
    /// The same with one hop less.
    #[inline(always)]
    #[must_use]
    pub const fn after_a_hop(self) -> Self {
        Self { hops: self.hops.saturating_sub(1), ..self }
    }
}

/// The bytes by which an IPv6 header is longer than an IPv4 header.
#[expect(clippy::cast_possible_truncation, reason = "20 bytes")]
pub const GROWTH: u16 = (Ipv6::LENGTH - Ipv4::LENGTH) as u16;

/// The same of fragments, which have a header of their own by IPv6.
#[expect(clippy::cast_possible_truncation, reason = "28 bytes")]
const GROWTH_OF_PIECES: u16 = GROWTH + FragmentHeader::LENGTH as u16;

/// The bytes by which a packet is longer by IPv6 than by IPv4.
#[inline(always)]
const fn growth(cut: bool) -> u16 {
    if cut { GROWTH_OF_PIECES } else { GROWTH }
}

/// The longest packet of a family that fits into `mtu` as one of the other. `v4`: it is an IPv4 packet; `cut`: it is a fragment.
#[inline(always)]
pub const fn fitting(mtu: u16, v4: bool, cut: bool) -> u16 {
    if v4 { mtu.saturating_sub(growth(cut)) } else { mtu.saturating_add(growth(cut)) }
}

/// The sum of a pseudo-header (RFC 8200, section 8.1), and of IPv4's, whose addresses have a word more that adds nothing.
#[inline(always)]
pub const fn pseudo_header(source: &Address, destination: &Address, protocol: u8, length: u16) -> Checksum {
    let [a, b, c, d] = source.0;
    let [e, f, g, h] = destination.0;
    let sum = Checksum::new().add_u32(a).add_u32(b).add_u32(c).add_u32(d);
    let sum = sum.add_u32(e).add_u32(f).add_u32(g).add_u32(h);
    sum.add_u16(length.to_be()).add_u16((protocol as u16).to_be())
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4_ENDS: [Address; 2] = [Address::v4(1), Address::v4(2)];
    const V6_ENDS: [Address; 2] = [Address([1; 4]), Address([2; 4])];

    fn crossed([source, destination]: &[Address; 2], length: usize) -> Crossed<'_> {
        Crossed { source, destination, protocol: protocol::UDP, length, identification: 0x1234, piece: None }
    }

    #[test]
    fn class_and_hops_go_over() {
        let essence = Essence { traffic_class: 0xb9, hops: 17, length: 120, cut: false };
        let v4 = V4::header(essence, crossed(&V4_ENDS, 100)).unwrap();
        assert_eq!(V4::essence(&v4), essence);
        let v6 = V6::header(essence, crossed(&V6_ENDS, 100)).unwrap();
        assert_eq!(V6::essence(&v6), Essence { length: 140, ..essence });
        assert_eq!({ v6.version_class_label }, 0x6b90_0000_u32.to_be(), "no flow label");
        assert_eq!(essence.after_a_hop().hops, 16);
    }

    #[test]
    fn a_fragment_by_ipv6_has_a_header_more() {
        let (essence, piece) = (Essence { traffic_class: 0, hops: 64, length: 0, cut: false }, Piece::first());
        let v6 = V6::header(essence, Crossed { piece: Some(&piece), ..crossed(&V6_ENDS, 100) }).unwrap();
        assert_eq!(({ v6.payload_length }, v6.next_header), (108_u16.to_be(), protocol::FRAGMENT));
        assert!(V6::essence(&v6).cut && !V6::essence(&Ipv6 { next_header: protocol::UDP, ..v6 }).cut);
        let header = V6::fragment_header(&piece, protocol::UDP).unwrap();
        assert_eq!((header.next_header, header.offset(), header.more()), (protocol::UDP, 0, true));
        assert_eq!(V4::fragment_header(&piece, protocol::UDP), None);
    }

    #[test]
    fn what_fits_is_shorter_before_it_grows_and_longer_before_it_shrinks() {
        for (mtu, cut, from_v4, from_v6) in [
            (1_500, false, 1_480, 1_520),
            (1_500, true, 1_472, 1_528),
            (10, false, 0, 30),
            (0xfff0, false, 0xffdc, 0xffff),
        ] {
            assert_eq!((fitting(mtu, true, cut), fitting(mtu, false, cut)), (from_v4, from_v6));
        }
    }

    #[test]
    fn what_may_be_fragmented_has_an_identification_and_what_may_not_has_none() {
        let essence = Essence { traffic_class: 0, hops: 64, length: 0, cut: false };
        for (length, identification, fragment) in
            [(1_240, 0x1234, 0), (1_241, 0, Ipv4::DONT_FRAGMENT), (65_515, 0, Ipv4::DONT_FRAGMENT)]
        {
            let v4 = V4::header(essence, crossed(&V4_ENDS, length)).unwrap();
            assert_eq!(({ v4.identification }, { v4.fragment }), (identification, fragment), "{length}");
        }
        let piece = Piece::first();
        let first = V4::header(essence, Crossed { piece: Some(&piece), ..crossed(&V4_ENDS, 1_400) }).unwrap();
        assert_eq!(({ first.identification }, { first.fragment }), (0, Ipv4::MORE_FRAGMENTS), "a fragment");
        assert!(V4::header(essence, crossed(&V4_ENDS, 65_516)).is_none());
        assert!(V6::header(essence, crossed(&V6_ENDS, 65_536)).is_none());
    }
}
