//! Headers as they stand on the wire.
//!
//! Every type here is packed, made of integers in network byte order, and reads its fields through getters that give
//! host values. What may not live here: decisions. What a field means for a packet's way is in [`packet`](crate::packet)
//! and [`tunnel`](crate::tunnel).

mod ethernet;
mod icmp;
mod ipv4;
mod ipv6;
mod quic;
mod transport;

pub use ethernet::{EtherType, Ethernet, Framed, Macs, TagBytes, VlanTag};
pub use icmp::Icmp;
pub use ipv4::Ipv4;
pub use ipv6::{Extension, FragmentHeader, Ipv6};
pub use quic::{ConnectionId, QuicLong};
pub use transport::{Ports, Sctp, Tcp, Udp};

/// IP protocol numbers (IANA) that the programs know.
pub mod protocol {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP (RFC 2003, RFC 2473).
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IP (RFC 4213, RFC 2473).
    pub const IPV6: u8 = 41;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// IPv6 authentication header (RFC 4302).
    pub const AUTHENTICATION: u8 = 51;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// IPv6 destination options.
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// What may be read from and written to a packet at any offset.
///
/// # Safety
/// The type has alignment 1 and no padding, and every bit pattern is a value of it.
pub unsafe trait Header: Copy {}

// SAFETY: a byte has alignment 1, no padding, and every pattern is a value.
unsafe impl Header for u8 {}

// SAFETY: an array has its element's alignment, and nothing between or behind the elements.
unsafe impl<T: Header, const N: usize> Header for [T; N] {}

macro_rules! headers {
    ($($type:ty),* $(,)?) => {
        $(
            // SAFETY: `repr(C, packed)` over integers and arrays of them: alignment 1, no padding, any pattern is valid.
            unsafe impl Header for $type {}
        )*
    };
}

// SAFETY: `repr(C, packed)` over bytes, a 16-bit integer and another header: alignment 1, no padding, any pattern is valid.
unsafe impl<H: Header, const TAGS: usize> Header for Framed<H, TAGS> {}

headers!(
    EtherType,
    Ethernet,
    Macs,
    VlanTag,
    Icmp,
    Ipv4,
    Ipv6,
    Extension,
    FragmentHeader,
    Ports,
    Sctp,
    Tcp,
    Udp,
    QuicLong,
    ConnectionId
);
