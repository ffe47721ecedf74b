//! The outer header.

use crate::address::Address;
use crate::tables::Target;
use crate::wire::{EtherType, Header, Ipv4, Ipv6};

/// TTL or hop limit of every outer header.
///
/// The inner one is left as it is, against RFC 2003's rule for routers (decrement once on the way into the tunnel): an
/// edge isn't a hop between two networks but the VIP's own host, spread over several machines, so the target must see what
/// a single host would have seen (GTSM, RFC 5082, counts on it), and a traceroute to the VIP ends at the VIP. Loops are cut
/// by the outer limit: what comes back to an edge in a tunnel is no TCP or UDP, and is never put into another.
pub const HOP_LIMIT: u8 = 64;

/// What an outer header carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// [`Family::PROTOCOL`](crate::packet::network::Family::PROTOCOL) of the inner packet.
    pub protocol: u8,
    /// Length of the inner packet in bytes, without what pads the frame.
    pub length: usize,
    /// DSCP and ECN of the inner packet: copied whole (RFC 6040, section 4.1, normal mode).
    pub traffic_class: u8,
}

/// An outer header of either family.
pub trait Outer: Header {
    /// What the Ethernet header before it says.
    const ETHER_TYPE: EtherType;

    /// An address of this family as bytes of a packet.
    type Wire: Header;

    /// `address`, which is of this family, as bytes.
    fn wire(address: Address) -> Self::Wire;

    /// The address that these bytes are.
    fn address(wire: Self::Wire) -> Address;

    /// The header that takes what is carried to `target`. `hash` is the flow's: it varies the source within
    /// `Target::source_bits`, and is the flow label of IPv6 (RFC 6438), so that routers and NICs keep a flow together and
    /// spread different ones.
    ///
    /// `None` if the packet would be longer than its length field can say.
    fn new(carried: Carried, target: &Target, hash: u64) -> Option<Self>;
}

impl Outer for Ipv4 {
    const ETHER_TYPE: EtherType = EtherType::IPV4;
    type Wire = [u8; 4];

    #[inline(always)]
    fn wire(address: Address) -> Self::Wire {
        address.0[3].to_ne_bytes()
    }

    #[inline(always)]
    fn address(wire: Self::Wire) -> Address {
        Address::v4(u32::from_ne_bytes(wire))
    }

    #[inline(always)]
    fn new(carried: Carried, target: &Target, hash: u64) -> Option<Self> {
        let total_length = u16::try_from(Self::LENGTH + carried.length).ok()?.to_be();
        let header = Self {
            version_and_words: Self::PLAIN,
            traffic_class: carried.traffic_class,
            total_length,
            // RFC 6864: a datagram that is never fragmented needs none.
            identification: 0,
            fragment: Self::DONT_FRAGMENT,
            ttl: HOP_LIMIT,
            protocol: carried.protocol,
            checksum: 0,
            source: varied_v4(target.source.0[3], target.source_bits, hash),
            destination: target.destination.0[3],
        };
        Some(header.with_checksum())
    }
}

impl Outer for Ipv6 {
    const ETHER_TYPE: EtherType = EtherType::IPV6;
    type Wire = [[u8; 4]; 4];

    #[inline(always)]
    fn wire(address: Address) -> Self::Wire {
        address.0.map(u32::to_ne_bytes)
    }

    #[inline(always)]
    fn address(wire: Self::Wire) -> Address {
        Address(wire.map(u32::from_ne_bytes))
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the flow label is the low bits")]
    fn new(carried: Carried, target: &Target, hash: u64) -> Option<Self> {
        Some(Self {
            version_class_label: Self::first_word(carried.traffic_class, entropy(hash) as u32),
            payload_length: u16::try_from(carried.length).ok()?.to_be(),
            next_header: carried.protocol,
            hop_limit: HOP_LIMIT,
            source: varied_v6(target.source.by_words(), target.source_bits, hash),
            destination: target.destination.by_words(),
        })
    }
}

/// Bits for whoever spreads flows once more. The slot takes the hash's low bits, so all flows of a slot share those; these
/// begin with the high ones.
#[inline(always)]
pub(super) const fn entropy(hash: u64) -> u64 {
    hash.rotate_left(32)
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the host part is the low bits")]
const fn varied_v4(source: u32, bits: u8, hash: u64) -> u32 {
    if bits == 0 {
        return source;
    }
    let host = if bits >= 32 { u32::MAX } else { (1 << bits) - 1 };
    source & !host.to_be() | (entropy(hash) as u32 & host).to_be()
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a 64-bit word is stored as its two halves")]
const fn varied_v6(source: Address, bits: u8, hash: u64) -> Address {
    if bits == 0 {
        return source;
    }
    let host = if bits >= 64 { u64::MAX } else { (1 << bits) - 1 };
    let varied = entropy(hash) & host;
    let [first, second, third, fourth] = source.0;
    let third = third & !((host >> 32) as u32).to_be() | ((varied >> 32) as u32).to_be();
    let fourth = fourth & !(host as u32).to_be() | (varied as u32).to_be();
    Address([first, second, third, fourth])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_too_long_for_its_outer_length_field_gets_no_header() {
        let carried = |length| Carried { protocol: 4, length, traffic_class: 0 };
        let target = Target::default();
        assert!(<Ipv4 as Outer>::new(carried(65_515), &target, 0).is_some());
        assert!(<Ipv4 as Outer>::new(carried(65_516), &target, 0).is_none());
        assert!(<Ipv6 as Outer>::new(carried(65_535), &target, 0).is_some());
        assert!(<Ipv6 as Outer>::new(carried(65_536), &target, 0).is_none());
    }
}
