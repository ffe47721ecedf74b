//! ICMP and ICMPv6 messages, built by the packet library, and what a VIP should answer.

use std::net::IpAddr;

use etherparse::{EtherType, IcmpEchoHeader, Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, IpNumber};

use super::described::{Described, EDGE_MAC, Network, ROUTER_MAC, link};

/// A message of the family of the packet that carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// ICMP's type.
    pub v4: Icmpv4Type,
    /// ICMPv6's.
    pub v6: Icmpv6Type,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Message {
    /// An echo request, or the answer to one.
    pub fn echo(reply: bool, payload: Vec<u8>) -> Self {
        let echo = IcmpEchoHeader { id: 0x1234, seq: 0xfedc };
        if reply {
            Self { v4: Icmpv4Type::EchoReply(echo), v6: Icmpv6Type::EchoReply(echo), payload }
        } else {
            Self { v4: Icmpv4Type::EchoRequest(echo), v6: Icmpv6Type::EchoRequest(echo), payload }
        }
    }

    /// The IP packet that takes the message where `carrier` goes.
    pub fn ip(&self, carrier: &Described) -> Vec<u8> {
        let payload = &self.payload;
        let (number, header) = match (carrier.source.0, carrier.destination.0) {
            (IpAddr::V4(_), IpAddr::V4(_)) => {
                let header = Icmpv4Header::with_checksum(self.v4.clone(), payload);
                (IpNumber::ICMP, header.to_bytes().to_vec())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let (source, destination) = (source.octets(), destination.octets());
                let header = Icmpv6Header::with_checksum(self.v6, source, destination, payload);
                (IpNumber::IPV6_ICMP, header.expect("test packets are short").to_bytes().to_vec())
            }
            mixed => panic!("{mixed:?} mixes the families"),
        };
        carrier.ip_carrying(number, &[&header, &payload[..]].concat())
    }

    /// The frame that takes the message where `carrier` goes.
    pub fn frame(&self, carrier: &Described) -> Vec<u8> {
        carrier.frame_around(&self.ip(carrier))
    }
}

/// The carrier of an answer to what `asked` carried: the other way, as from a host.
pub fn way_back(asked: &Described) -> Described {
    Described { source: asked.destination, destination: asked.source, hop_limit: 64, ..asked.clone() }
}

/// The frame of `ip` from the edge to the clients' router, in the VLAN of `carrier` and padded like it.
pub fn returned(carrier: &Described, ip: &[u8]) -> Vec<u8> {
    let ether_type = match carrier.network {
        Network::V4 { .. } => EtherType::IPV4,
        Network::V6(_) => EtherType::IPV6,
    };
    [link(ROUTER_MAC, EDGE_MAC, &carrier.tags, ether_type), ip.to_vec(), carrier.pad()].concat()
}
