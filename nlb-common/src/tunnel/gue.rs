//! GUE, generic UDP encapsulation (draft-ietf-intarea-gue-09, variant 0), and the second chance that it carries.
//!
//! What stands between the link header and the client's packet, with the offsets of IPv4 and of IPv6:
//!
//! ```text
//! IPv4 IPv6 bytes
//!   0    0  20/40  outer IP header, protocol 17
//!  20   40      2  UDP source port: 49152 to 65535, varied by flow
//!  22   42      2  UDP destination port: 6080
//!  24   44      2  UDP length: from this header to the end of the client's packet
//!  26   46      2  UDP checksum: 0, none
//!  28   48      1  variant (2 bits): 0 | C (1 bit): 0, data | Hlen (5 bits): words of 4 bytes that follow byte 31 (51)
//!  29   49      1  protocol of the client's packet: 4, IPv4; 41, IPv6
//!  30   50      2  flags: 0, no extension fields
//!                  Private data, if Hlen is not 0:
//!  32   52      2  0x6e6c: the private data is ours
//!  34   54      1  version: 1
//!  35   55      1  hops left: how often the packet may still be sent on
//!  36   56   4/16  address of the second target, of the outer header's family
//! ```
//!
//! A packet without a second target is 32 (52) bytes longer than the client's, one with it 40 (72).

use super::udp::{self, Malformed, Received};
use super::{Carried, Outer};
use crate::checksum::Checksum;
use crate::packet::Door;
use crate::packet::network::Network;
use crate::wire::{Header, Ipv4, Ipv6, Udp, protocol};

/// The UDP port that GUE packets go to (IANA).
pub const PORT: u16 = 6080;

/// How often a packet may be sent on: once, for there is one other target.
pub const HOPS: u8 = 1;

/// A GUE header without extension fields. Multi-byte fields are in network byte order.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// Variant, C bit, and Hlen.
    pub variant_and_words: u8,
    /// Protocol of what is carried.
    pub protocol: u8,
    /// Which extension fields there are.
    pub flags: u16,
}

/// The private data: where a packet goes if its flow isn't known where it arrives.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Second<A: Copy> {
    magic: [u8; 2],
    version: u8,
    hops_left: u8,
    address: A,
}

/// What stands between the outer header and the private data, or the client's packet.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gue {
    udp: Udp,
    base: Base,
}

impl Gue {
    /// Length without private data.
    pub const LENGTH: usize = size_of::<Self>();

    /// The headers of what the outer header carries; `private` is the length of the private data, `protocol` what follows it.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "Hlen is short")]
    pub const fn new(carried: Carried, private: usize, protocol: u8, hash: u64) -> Self {
        let udp = udp::header(PORT, hash, carried.length);
        Self { udp, base: Base { variant_and_words: (private / 4) as u8, protocol, flags: 0 } }
    }
}

/// What the outer header carries when `inner` travels behind `private` bytes of private data.
#[inline(always)]
pub const fn carried(inner: Carried, private: usize) -> Carried {
    udp::carried(inner, Gue::LENGTH + private)
}

// SAFETY: `repr(C, packed)` over bytes and a 16-bit integer: alignment 1, no padding, any pattern is valid.
unsafe impl Header for Base {}

// SAFETY: `repr(C, packed)` over bytes and another header: alignment 1, no padding, any pattern is valid.
unsafe impl<A: Header> Header for Second<A> {}

// SAFETY: `repr(C, packed)` over headers: alignment 1, no padding, any pattern is valid.
unsafe impl Header for Gue {}

impl<A: Header> Second<A> {
    const MAGIC: [u8; 2] = *b"nl";
    const VERSION: u8 = 1;

    /// Names the target at `address`.
    #[inline(always)]
    pub const fn new(address: A) -> Self {
        Self { magic: Self::MAGIC, version: Self::VERSION, hops_left: HOPS, address }
    }

    /// The target's address, if the packet may still go there.
    #[inline(always)]
    pub fn address(&self) -> Option<A> {
        (self.magic == Self::MAGIC && self.version == Self::VERSION && self.hops_left > 0).then_some(self.address)
    }

    /// The same for the packet that is sent on.
    #[inline(always)]
    #[must_use]
    pub const fn after_hop(self) -> Self {
        Self { hops_left: self.hops_left.saturating_sub(1), ..self }
    }
}

/// Whether a packet goes to GUE's port. One that ends before it can say does not.
#[inline(always)]
pub fn is_gue<D: Door + ?Sized>(door: &D, outer: &Network) -> bool {
    udp::is_to(door, outer, PORT)
}

/// Reads the GUE header behind `outer`. Private data that isn't ours is skipped.
///
/// # Errors
/// Another variant, a control message, extension fields, a protocol that isn't IP, or a length that can't be.
#[inline(always)]
pub fn read<D: Door + ?Sized>(door: &D, outer: &Network) -> Result<Received, Malformed> {
    let base = door.header::<Base>(outer.payload + Udp::LENGTH).ok_or(Malformed)?;
    // The highest three bits are the variant and C, and none of them is set in what an edge sends.
    let private = usize::from(base.variant_and_words) * 4;
    let headers = const { Udp::LENGTH + size_of::<Base>() } + private;
    let plain = base.variant_and_words < 1 << 5 && base.flags == 0;
    let ip = base.protocol == protocol::IPV4 || base.protocol == protocol::IPV6;
    if !plain || !ip {
        return Err(Malformed);
    }
    udp::payload(door, outer, headers, base.protocol)
}

/// The second target that a packet names, if it may still be sent on: where this stands in the packet, and what it says.
///
/// Outer options and extension headers, which no edge sends, would be in the way of a new outer header: such a packet isn't
/// sent on.
#[inline(always)]
pub fn second<O: Outer, D: Door + ?Sized>(
    door: &D,
    outer_at: usize,
    gue: &Received,
) -> Option<(usize, Second<O::Wire>)> {
    let at = outer_at + const { size_of::<O>() + Gue::LENGTH };
    if gue.payload != at + size_of::<Second<O::Wire>>() {
        return None;
    }
    let second = *door.header::<Second<O::Wire>>(at)?;
    second.address().map(|_| (at, second))
}

/// Where the UDP checksum stands in a packet without outer options. Whatever it was, it must be 0 in a packet that is sent on:
/// none says nothing wrong about the new destination.
pub const fn checksum_at<O: Outer>(outer_at: usize) -> usize {
    outer_at + size_of::<O>() + core::mem::offset_of!(Udp, checksum)
}

/// An outer header of a packet that is sent on.
pub trait SendOn: Outer {
    /// The header with another destination, and a checksum that agrees.
    ///
    /// The source stays the edge's: the second target knows it, and knows no other hosts. Networks that check sources
    /// would drop this, but they drop the targets' answers too, whose source is the VIP.
    #[must_use]
    fn redirected(self, destination: Self::Wire) -> Self;
}

impl SendOn for Ipv4 {
    #[inline(always)]
    fn redirected(self, destination: Self::Wire) -> Self {
        let destination = u32::from_ne_bytes(destination);
        let checksum = Checksum::from_header(self.checksum).remove_u32(self.destination).add_u32(destination).finish();
        Self { destination, checksum, ..self }
    }
}

impl SendOn for Ipv6 {
    #[inline(always)]
    fn redirected(self, destination: Self::Wire) -> Self {
        Self { destination: Self::address(destination), ..self }
    }
}

#[cfg(test)]
mod tests;
