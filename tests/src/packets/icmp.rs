//! ICMP and ICMPv6 messages, built by the packet library, and what a VIP should answer.

use std::net::IpAddr;

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::icmpv6::DestUnreachableCode;
use etherparse::{
    EtherType, IcmpEchoHeader, Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, IpDscp, IpNumber, Ipv4Header,
    Ipv6FlowLabel, Ipv6Header,
};

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

    /// One of any type and code, with these four bytes behind the checksum.
    pub fn of((kind, code): (u8, u8), rest: [u8; 4], payload: Vec<u8>) -> Self {
        Self {
            v4: Icmpv4Type::Unknown { type_u8: kind, code_u8: code, bytes5to8: rest },
            v6: Icmpv6Type::Unknown { type_u8: kind, code_u8: code, bytes5to8: rest },
            payload,
        }
    }

    /// That a packet is longer than `mtu`. `quoted`: what of it is said again.
    pub fn too_big(mtu: u16, quoted: &[u8]) -> Self {
        let fragmentation_needed = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: mtu };
        Self {
            v4: Icmpv4Type::DestinationUnreachable(fragmentation_needed),
            v6: Icmpv6Type::PacketTooBig { mtu: mtu.into() },
            payload: quoted.to_vec(),
        }
    }

    /// That nobody serves a port.
    pub fn port_unreachable(quoted: &[u8]) -> Self {
        Self {
            v4: Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Port),
            v6: Icmpv6Type::DestinationUnreachable(DestUnreachableCode::Port),
            payload: quoted.to_vec(),
        }
    }

    /// Header and payload, from and to these addresses.
    fn bytes(&self, source: IpAddr, destination: IpAddr) -> (IpNumber, Vec<u8>) {
        let payload = &self.payload;
        let (number, header) = match (source, destination) {
            (IpAddr::V4(_), IpAddr::V4(_)) => {
                let header = Icmpv4Header::with_checksum(self.v4.clone(), payload);
                (IpNumber::ICMP, header.to_bytes().to_vec())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let header = Icmpv6Header::with_checksum(self.v6, source.octets(), destination.octets(), payload);
                (IpNumber::IPV6_ICMP, header.expect("test packets are short").to_bytes().to_vec())
            }
            mixed => panic!("{mixed:?} mixes the families"),
        };
        (number, [&header, &payload[..]].concat())
    }

    /// The IP packet that takes the message where `carrier` goes.
    pub fn ip(&self, carrier: &Described) -> Vec<u8> {
        let (number, bytes) = self.bytes(carrier.source.0, carrier.destination.0);
        carrier.ip_carrying(number, &bytes)
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

/// The frame in which a VIP tells the sender of `refused` what is wrong with it.
pub fn told(refused: &Described, message: &Message) -> Vec<u8> {
    let (source, destination) = (refused.destination.0, refused.source.0);
    let (number, bytes) = message.bytes(source, destination);
    let length = u16::try_from(bytes.len()).expect("test packets are short");
    let header = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = Ipv4Header::new(length, 64, number, source.octets(), destination.octets())
                .expect("test packets are short");
            header.dont_fragment = true;
            header.dscp = IpDscp::try_new(refused.traffic_class >> 2).expect("six bits");
            header.header_checksum = header.calc_header_checksum();
            header.to_bytes().to_vec()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => Ipv6Header {
            traffic_class: refused.traffic_class & 0xfc,
            flow_label: Ipv6FlowLabel::ZERO,
            payload_length: length,
            next_header: number,
            hop_limit: 64,
            source: source.octets(),
            destination: destination.octets(),
        }
        .to_bytes()
        .to_vec(),
        mixed => panic!("{mixed:?} mixes the families"),
    };
    returned(&Described { padding: 0, ..refused.clone() }, &[header, bytes].concat())
}
