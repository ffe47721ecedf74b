//! UDP between the outer IP header and the tunnel's own, as GUE and GENEVE have it.
//!
//! The UDP checksum is 0. For IPv4 that is the sender's choice (RFC 768). For IPv6 it is what RFC 6935 and RFC 6936 allow
//! to a tunnel whose far end expects it: the client's packet keeps a checksum of its own, and a packet whose outer addresses
//! were damaged on its way is of no tunnel that the far end knows. Computing one would mean to read the whole packet.

use super::{Carried, entropy};
use crate::packet::Door;
use crate::packet::network::Network;
use crate::wire::{Udp, protocol};

/// Where the source ports begin: those that IANA gives to nobody (RFC 6335).
const FIRST_SOURCE_PORT: u16 = 49_152;

/// A packet as it arrived in a tunnel. Offsets count from the frame's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Protocol of what is carried: 4 or 41.
    pub protocol: u8,
    /// Where the client's packet begins.
    pub payload: usize,
    /// Room for it.
    pub payload_length: usize,
}

/// Nothing that an edge, or whoever answers to it, sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The header of a datagram of `length` bytes, this header included, to `port`. Its source port varies by flow.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "14 bits of it are used; `Outer::new` saw to the length")]
pub(super) const fn header(port: u16, hash: u64, length: usize) -> Udp {
    Udp::new(FIRST_SOURCE_PORT | entropy(hash) as u16, port, length as u16)
}

/// What the outer header carries when `inner` travels behind so many bytes of UDP and tunnel headers.
#[inline(always)]
pub(super) const fn carried(inner: Carried, headers: usize) -> Carried {
    Carried { protocol: protocol::UDP, length: headers + inner.length, ..inner }
}

/// Whether a packet goes to that UDP port. One that ends before it can say does not.
#[inline(always)]
pub(super) fn is_to<D: Door + ?Sized>(door: &D, outer: &Network, port: u16) -> bool {
    outer.protocol == protocol::UDP
        && outer.payload_length >= Udp::LENGTH
        && door.header::<Udp>(outer.payload).is_some_and(|udp| udp.ports.destination == port.to_be())
}

/// Where the client's packet is behind `headers` bytes of UDP and tunnel headers.
#[inline(always)]
pub(super) fn payload<D: Door + ?Sized>(
    door: &D,
    outer: &Network,
    headers: usize,
    protocol: u8,
) -> Result<Received, Malformed> {
    let length = usize::from(door.header::<Udp>(outer.payload).ok_or(Malformed)?.length());
    if length > outer.payload_length || length < headers {
        return Err(Malformed);
    }
    Ok(Received { protocol, payload: outer.payload + headers, payload_length: length - headers })
}
