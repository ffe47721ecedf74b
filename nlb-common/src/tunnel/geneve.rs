//! GENEVE (RFC 8926), with the options by which an appliance behind a gateway knows whose packet it has.
//!
//! What stands between the link header and the client's packet, with the offsets of IPv4 and of IPv6:
//!
//! ```text
//! IPv4 IPv6 bytes
//!   0    0  20/40  outer IP header, protocol 17
//!  20   40      2  UDP source port: 49152 to 65535, varied by flow, the same for both directions
//!  22   42      2  UDP destination port: 6081
//!  24   44      2  UDP length: from this header to the end of the client's packet
//!  26   46      2  UDP checksum: 0, none
//!  28   48      1  version (2 bits): 0 | length of the options (6 bits): 8 words of 4 bytes
//!  29   49      1  O (1 bit): 0, data | C (1 bit): 0, no critical option | reserved (6 bits): 0
//!  30   50      2  protocol: 0x0800, IPv4; 0x86dd, IPv6
//!  32   52      3  virtual network identifier: 0
//!  35   55      1  reserved: 0
//!  36   56      4  option: class 0x0108, type 1, length 2 words
//!  40   60      8  endpoint id: which gateway the packet came to
//!  48   68      4  option: class 0x0108, type 2, length 2 words
//!  52   72      8  attachment id: the interface that it came in by (4 bytes), the number of the target that it is for (4)
//!  60   80      4  option: class 0x0108, type 3, length 1 word
//!  64   84      4  flow cookie: the same for both directions of a flow, and a secret of the edges
//! ```
//!
//! A packet is 68 (88) bytes longer than the client's. An appliance sends it back with addresses swapped and the rest of these
//! headers as it was, but for what becomes of the packet inside and the lengths that say so.

use super::udp::{self, Malformed, Received};
use super::{Carried, Outer};
use crate::packet::Door;
use crate::packet::network::Network;
use crate::slot::TargetIndex;
use crate::wire::{EtherType, Header, Udp, protocol};

/// The UDP port that GENEVE packets go to (IANA).
pub const PORT: u16 = 6081;

/// The class of all three options: that of AWS, whose gateways have appliances look for them.
const CLASS: u16 = 0x0108;

/// What the options say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// Which gateway: a hash of its name, the same on all edges.
    pub endpoint: u64,
    /// The edge's interface that the packet came in by.
    pub interface: u32,
    /// The target that it is for.
    pub target: TargetIndex,
    /// [`cookie`] of its flow.
    pub cookie: u32,
}

/// What of the hash of a flow's both directions stands in its packets. The slot is made of other bits.
#[inline(always)]
pub const fn cookie(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The fixed part of a GENEVE header. Multi-byte fields are in network byte order.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Base {
    version_and_words: u8,
    flags: u8,
    protocol: EtherType,
    network: [u8; 3],
    reserved: u8,
}

/// One option, whose value has `WORDS` words of four bytes.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Opt<const WORDS: usize> {
    class: u16,
    kind: u8,
    words: u8,
    /// In network byte order.
    value: [u32; WORDS],
}

impl<const WORDS: usize> Opt<WORDS> {
    #[expect(clippy::cast_possible_truncation, reason = "a word or two")]
    const WORDS: u8 = WORDS as u8;

    const fn new(kind: u8, value: [u32; WORDS]) -> Self {
        Self { class: CLASS.to_be(), kind, words: Self::WORDS, value }
    }

    /// The value, if this is the option of that kind.
    #[inline(always)]
    fn value_of(&self, kind: u8) -> Option<[u32; WORDS]> {
        (self.class == CLASS.to_be() && self.kind == kind && self.words == Self::WORDS).then_some(self.value)
    }
}

/// What stands between the outer header and the client's packet.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geneve {
    udp: Udp,
    base: Base,
    endpoint: Opt<2>,
    attachment: Opt<2>,
    cookie: Opt<1>,
}

// SAFETY: `repr(C, packed)` over integers, arrays of them and such structs: alignment 1, no padding, any pattern is valid.
unsafe impl Header for Geneve {}

impl Geneve {
    /// Its length.
    pub const LENGTH: usize = size_of::<Self>();
    const WORDS: u8 = 8;
    const ENDPOINT: u8 = 1;
    const ATTACHMENT: u8 = 2;
    const COOKIE: u8 = 3;

    /// The headers of what the outer header carries; `inner` is the client's packet, `hash` that of its flow's both directions.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a word each")]
    pub const fn new(carried: Carried, inner: EtherType, said: Said, hash: u64) -> Self {
        let endpoint = [((said.endpoint >> 32) as u32).to_be(), (said.endpoint as u32).to_be()];
        Self {
            udp: udp::header(PORT, hash, carried.length),
            base: Base { version_and_words: Self::WORDS, flags: 0, protocol: inner, network: [0; 3], reserved: 0 },
            endpoint: Opt::new(Self::ENDPOINT, endpoint),
            attachment: Opt::new(Self::ATTACHMENT, [said.interface.to_be(), said.target.to_be()]),
            cookie: Opt::new(Self::COOKIE, [said.cookie.to_be()]),
        }
    }

    /// What the options say, if they are those of a gateway's packet.
    #[inline(always)]
    fn said(&self) -> Option<Said> {
        let [high, low] = { self.endpoint }.value_of(Self::ENDPOINT)?.map(u32::from_be);
        let [interface, target] = { self.attachment }.value_of(Self::ATTACHMENT)?.map(u32::from_be);
        let [cookie] = { self.cookie }.value_of(Self::COOKIE)?.map(u32::from_be);
        Some(Said { endpoint: u64::from(high) << 32 | u64::from(low), interface, target, cookie })
    }
}

/// What the outer header carries when `inner` travels so.
#[inline(always)]
pub const fn carried(inner: Carried) -> Carried {
    udp::carried(inner, Geneve::LENGTH)
}

/// Whether a packet goes to GENEVE's port. One that ends before it can say does not.
#[inline(always)]
pub fn is_geneve<D: Door + ?Sized>(door: &D, outer: &Network) -> bool {
    udp::is_to(door, outer, PORT)
}

/// Reads what an appliance sent back: where the client's packet is, and what the options say.
///
/// # Errors
/// Another version, a control message, other options than an edge's, or in another order, a protocol that isn't IP, or a length
/// that can't be.
#[inline(always)]
pub fn read<D: Door + ?Sized>(door: &D, outer: &Network) -> Result<(Received, Said), Malformed> {
    if outer.payload_length < Geneve::LENGTH {
        return Err(Malformed);
    }
    let header = door.header::<Geneve>(outer.payload).ok_or(Malformed)?;
    let Base { version_and_words, flags, protocol, .. } = header.base;
    let carried = match protocol {
        EtherType::IPV4 => protocol::IPV4,
        EtherType::IPV6 => protocol::IPV6,
        _ => return Err(Malformed),
    };
    // The highest bit of the flags is O: a control message is for the tunnel's end and has no packet.
    if version_and_words != Geneve::WORDS || flags & 0x80 != 0 {
        return Err(Malformed);
    }
    let said = header.said().ok_or(Malformed)?;
    Ok((udp::payload(door, outer, Geneve::LENGTH, carried)?, said))
}

/// How much longer packets get with the outer header `O`.
pub const fn overhead<O: Outer>() -> usize {
    size_of::<O>() + Geneve::LENGTH
}

const _: () = assert!(overhead::<crate::wire::Ipv4>() == 68 && overhead::<crate::wire::Ipv6>() == 88, "as documented");

#[cfg(test)]
mod tests;
