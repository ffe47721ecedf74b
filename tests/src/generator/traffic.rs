//! What is to be sent.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result, ensure};

/// Which flow each packet is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One after the other, and again from the first.
    Cyclic,
    /// Any.
    Random,
}

/// How long packets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// As short as can be: 60 bytes by IPv4, 80 by IPv6, and 4 more on the wire; errors and fragments have 72 and 66.
    Shortest,
    /// Of twelve, seven of the shortest, four of 566 bytes and one of 1,514, in random order.
    Mixed,
}

/// What packets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TCP segments that open a connection.
    Syn,
    /// TCP segments of an open connection.
    Segment,
    /// UDP datagrams.
    Udp,
    /// Echo requests by ICMP or ICMPv6. A flow's port is their identifier; the destination's means nothing.
    Echo,
    /// ICMP errors, each about a TCP packet from the destination to the flow's address and port. IPv4 alone.
    Error,
    /// Fragments of TCP segments, each of a datagram of its own: the first, which has the ports, or a later one. IPv4 alone.
    Fragment {
        /// Whether it is the first.
        first: bool,
    },
}

impl Kind {
    /// What the program calls it.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Syn | Self::Segment | Self::Fragment { .. } => 0,
            Self::Udp => 1,
            Self::Echo => 2,
            Self::Error => 3,
        }
    }
}

/// Packets to send.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Destination and source of the frames.
    pub macs: [[u8; 6]; 2],
    /// The source address of flow 0. Flow `n` has the low 24 bits of `n` added to it.
    pub source: IpAddr,
    /// The source port of flow 0. Flow `n` has `n / 2^24` added to it.
    pub source_port: u16,
    /// The first destination.
    pub destination: SocketAddr,
    /// How many destination addresses there are, from the first one on. Which one a flow has follows from its number.
    pub destinations: u32,
    /// How many flows: a power of two up to 2^32.
    pub flows: u64,
    /// Which flow each packet is of.
    pub order: Order,
    /// What packets are.
    pub kind: Kind,
    /// How long packets are.
    pub sizes: Sizes,
}

impl Traffic {
    /// Short TCP segments of one open connection, from 100.0.0.0 or 2001:db8:c::.
    #[must_use]
    pub fn to(destination: SocketAddr) -> Self {
        let source = match destination {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(100, 0, 0, 0)),
            SocketAddr::V6(_) => IpAddr::from([0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0]),
        };
        Self {
            macs: [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]],
            source,
            source_port: 1_024,
            destination,
            destinations: 1,
            flows: 1,
            order: Order::Random,
            kind: Kind::Segment,
            sizes: Sizes::Shortest,
        }
    }

    pub(super) fn flow_mask(&self) -> Result<u32> {
        ensure!(self.flows.is_power_of_two(), "{} flows: not a power of two", self.flows);
        u32::try_from(self.flows - 1).with_context(|| format!("{} flows: more than 2^32", self.flows))
    }
}
