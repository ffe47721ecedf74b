//! Reading a packet: pure code over a small [`Door`] to its bytes.
//!
//! The kernel programs, the host's tests, the fuzzer and whoever explains a packet to a user run this very code; only
//! the door differs. Stages, in the order of the packet's way: [`link`], [`network`], [`transport`]; what is a piece of a
//! datagram is read by [`fragment`] instead of the second. None of them knows a table; none of them writes. What is for nobody
//! here, but routed through, is read by [`routed`] instead.
//!
//! A stage either goes on or says [`Stop`]. What stops with [`Stop::Pass`] is not for the balancer and belongs to the
//! host's stack. What stops with [`Stop::Drop`] can't be a packet of any protocol that the headers claim: no host would
//! take it, so the host's other traffic isn't hurt. These are dropped before a listener is known:
//!
//! - a frame that ends within its Ethernet header or VLAN tags;
//! - an IPv4 or IPv6 header that is cut off, has the wrong version, a header length below 20, or a length that is shorter
//!   than the header or longer than the frame;
//! - an IPv6 extension header that is cut off, or more than [`network::MAX_EXTENSIONS`] of them;
//! - TCP, UDP or SCTP without room for two ports.
//!
//! Whatever else is wrong with them counts only once a listener claims the packet: see [`transport::Segment`].

mod door;
pub mod fragment;
pub mod link;
pub mod network;
pub mod routed;
pub mod transport;

pub use door::Door;

use crate::drop_reason::DropReason;
use crate::hash::Flow;
use link::Link;
use network::{Family, Network, V4, V6};
use transport::Transport;

use crate::wire::EtherType;

/// Why a packet goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It belongs to the host's stack.
    Pass(NotOurs),
    /// It is thrown away and counted.
    Drop(DropReason),
}

/// Why a packet belongs to the host's stack.
///
/// The number is what a trace calls it.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotOurs {
    /// A frame to a multicast or broadcast MAC address.
    Group,
    /// Neither IPv4 nor IPv6, or more VLAN tags than are followed.
    EtherType,
    /// A fragment of an IPv4 or IPv6 datagram: not the fast path's, and the stack's unless it is for a VIP.
    Fragment,
    /// A protocol that is not balanced.
    Protocol,
    /// An IPv6 packet that has further nodes to visit: this one isn't its last.
    Underway,
    /// An IPv6 packet without payload, or with one of more than 65,535 bytes (a jumbogram, RFC 2675).
    NoPayload,
    /// An IPv6 packet to an IPv4-mapped address, which stands for IPv4 in our tables and never on the wire.
    Mapped,
    /// No listener has this address, protocol and port.
    NoListener,
    /// Neither of its addresses is a listener's, or one of a target that flows are translated for.
    Elsewhere,
    /// Its flow is translated, and that is not the fast path's.
    Translated,
    /// Nobody here has a use for it, and it is for no VIP: it may be routed through.
    NoVip,
    /// A GENEVE packet to such an address: it may be one that an appliance sends back.
    Geneve,
}

impl NotOurs {
    /// Every reason, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::Group,
        Self::EtherType,
        Self::Fragment,
        Self::Protocol,
        Self::Underway,
        Self::NoPayload,
        Self::Mapped,
        Self::NoListener,
        Self::Elsewhere,
        Self::Translated,
        Self::NoVip,
        Self::Geneve,
    ];

    /// What it is, in a few words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Group => "a frame to a multicast or broadcast address",
            Self::EtherType => "neither IPv4 nor IPv6, or more than two VLAN tags",
            Self::Fragment => "a fragment",
            Self::Protocol => "a protocol that is not balanced",
            Self::Underway => "an IPv6 packet with further nodes to visit",
            Self::NoPayload => "an IPv6 packet without payload, or a jumbogram",
            Self::Mapped => "an IPv6 packet to an IPv4-mapped address",
            Self::NoListener => "no listener has this address, protocol and port",
            Self::Elsewhere => "nobody here has either of its addresses",
            Self::Translated => "a packet of a flow that is translated",
            Self::NoVip => "nobody here has a use for it, and it is for no VIP",
            Self::Geneve => "a GENEVE packet to an address that no listener has",
        }
    }
}

/// A packet that a listener may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The frame's Ethernet header and VLAN tags.
    pub link: Link,
    /// The IP header.
    pub network: Network,
    /// The TCP, UDP or SCTP header.
    pub transport: Transport,
}

impl Packet {
    /// All stages at once, for whoever is not the fast path.
    ///
    /// # Errors
    /// Where and why the packet's way ends.
    pub fn parse<D: Door + ?Sized>(door: &D) -> Result<Self, Stop> {
        let link = link::read(door)?;
        match link.ether_type {
            EtherType::IPV4 => Self::of_family::<V4, D>(door, link),
            EtherType::IPV6 => Self::of_family::<V6, D>(door, link),
            _ => Err(Stop::Pass(NotOurs::EtherType)),
        }
    }

    fn of_family<F: Family, D: Door + ?Sized>(door: &D, link: Link) -> Result<Self, Stop> {
        let network = F::read(door, link.length)?;
        let transport = transport::read(door, &network)?;
        Ok(Self { link, network, transport })
    }

    /// The packet's flow.
    pub fn flow(&self) -> Flow {
        transport::flow(&self.network, &self.transport)
    }
}

#[cfg(test)]
mod tests;
