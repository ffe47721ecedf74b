//! What the edge should send: the link and outer headers, built by the packet library.

use etherparse::{EtherType, IpDscp, IpEcn, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, TcpHeader, UdpHeader};
use nlb_common::tables::Target;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::described::{EDGE_MAC, ROUTER_MAC, Tag, link};

/// A tunnel to a target, or another way there, for one flow.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel<'a> {
    /// Its entry in the target table.
    pub target: &'a Target,
    /// The flow's hash.
    pub hash: u64,
    /// The interface that the packet came in by.
    pub ingress: u32,
    /// The other target that the tunnel names, if it is one by GUE.
    pub second: Option<IpAddr>,
}

impl Tunnel<'_> {
    /// The frame that carries `ip`, when the packet came in with `tags` and `padding` behind it.
    pub fn frame(&self, tags: &[Tag], ip: &[u8], padding: &[u8]) -> Vec<u8> {
        let tags = if self.target.interface == self.ingress { tags } else { &[] };
        let by = self.target.flags & Target::FORWARDING;
        if by == Target::L2 {
            let ether_type = if ip[0] >> 4 == 4 { EtherType::IPV4 } else { EtherType::IPV6 };
            let link = link(self.target.next_hop_mac, self.target.source_mac, tags, ether_type);
            return [&link[..], ip, padding].concat();
        }
        let gue = if by == Target::GUE { self.gue(ip) } else { Vec::new() };
        self.frame_with(tags, &gue, ip, padding)
    }

    /// The same with these bytes between the outer header and `ip`.
    pub fn frame_with(&self, tags: &[Tag], between: &[u8], ip: &[u8], padding: &[u8]) -> Vec<u8> {
        let tags = if self.target.interface == self.ingress { tags } else { &[] };
        let (ether_type, outer) = self.outer(ip, between.len());
        let link = link(self.target.next_hop_mac, self.target.source_mac, tags, ether_type);
        [&link[..], &outer, between, ip, padding].concat()
    }

    /// UDP and GUE.
    fn gue(&self, ip: &[u8]) -> Vec<u8> {
        let source_port = 49_152 + u16::try_from(self.hash.rotate_left(32) % 16_384).expect("14 bits");
        gue(source_port, self.second.map(|second| (second, 1)), ip)
    }

    /// The outer header, with `between` bytes between it and `ip`, and what announces it.
    fn outer(&self, ip: &[u8], between: usize) -> (EtherType, Vec<u8>) {
        let (protocol, traffic_class) = match ip[0] >> 4 {
            4 => (IpNumber::IPV4, ip[1]),
            6 => (IpNumber::IPV6, ip[0] << 4 | ip[1] >> 4),
            version => panic!("no such IP version: {version}"),
        };
        let (protocol, payload) = if between > 0 { (IpNumber::UDP, between + ip.len()) } else { (protocol, ip.len()) };
        // The slot took the hash's low bits; whoever spreads flows once more begins with the high ones.
        let spread = self.hash.rotate_left(32);
        match (IpAddr::from(self.target.source), IpAddr::from(self.target.destination)) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let source =
                    varied(source.to_bits().into(), self.target.source_bits.into(), u128::from(spread & 0xffff_ffff));
                let source = Ipv4Addr::from_bits(u32::try_from(source).expect("an IPv4 address"));
                let length = u16::try_from(payload).expect("test packets are short");
                let mut header = Ipv4Header::new(length, 64, protocol, source.octets(), destination.octets())
                    .expect("test packets are short");
                header.dont_fragment = true;
                header.dscp = IpDscp::try_new(traffic_class >> 2).expect("six bits");
                header.ecn = IpEcn::try_new(traffic_class & 3).expect("two bits");
                header.header_checksum = header.calc_header_checksum();
                (EtherType::IPV4, header.to_bytes().to_vec())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let source = varied(source.to_bits(), self.target.source_bits.into(), spread.into());
                let header = Ipv6Header {
                    traffic_class,
                    flow_label: Ipv6FlowLabel::try_new((spread & 0xf_ffff) as u32).expect("twenty bits"),
                    payload_length: u16::try_from(payload).expect("test packets are short"),
                    next_header: protocol,
                    hop_limit: 64,
                    source: Ipv6Addr::from_bits(source).octets(),
                    destination: destination.octets(),
                };
                (EtherType::IPV6, header.to_bytes().to_vec())
            }
            mixed => panic!("{mixed:?} mixes the families"),
        }
    }
}

/// The headers before `ip` behind the outer one: UDP without checksum, GUE, and the second target with the hops left.
pub fn gue(source_port: u16, second: Option<(IpAddr, u8)>, ip: &[u8]) -> Vec<u8> {
    let private = match second {
        None => Vec::new(),
        Some((IpAddr::V4(address), hops)) => [&[0x6e, 0x6c, 1, hops][..], &address.octets()].concat(),
        Some((IpAddr::V6(address), hops)) => [&[0x6e, 0x6c, 1, hops][..], &address.octets()].concat(),
    };
    let words = u8::try_from(private.len() / 4).expect("one address");
    let protocol = if ip.first().is_some_and(|byte| byte >> 4 == 6) { 41 } else { 4 };
    let length = u16::try_from(12 + private.len() + ip.len()).expect("test packets are short");
    let udp = UdpHeader { source_port, destination_port: 6080, length, checksum: 0 };
    [&udp.to_bytes()[..], &[words, protocol, 0, 0], &private].concat()
}

/// What the options of a GENEVE packet say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// Endpoint id.
    pub endpoint: u64,
    /// Attachment id: interface and target.
    pub attachment: [u32; 2],
    /// The hash of the flow, both directions: its high half is the cookie, and the source port is made of it.
    pub hash: u64,
}

/// The headers before `ip` behind the outer one: UDP without checksum, GENEVE and its options.
pub fn geneve(said: Said, ip: &[u8]) -> Vec<u8> {
    let source_port = 49_152 + u16::try_from((said.hash >> 32) % 16_384).expect("14 bits");
    let length = u16::try_from(48 + ip.len()).expect("test packets are short");
    let udp = UdpHeader { source_port, destination_port: 6081, length, checksum: 0 };
    let inner = if ip.first().is_some_and(|byte| byte >> 4 == 6) { EtherType::IPV6 } else { EtherType::IPV4 };
    let cookie = u32::try_from(said.hash >> 32).expect("32 bits");
    let parts: [&[u8]; 9] = [
        &udp.to_bytes(),
        &[8, 0],
        &inner.0.to_be_bytes(),
        &[0, 0, 0, 0, 1, 8, 1, 2],
        &said.endpoint.to_be_bytes(),
        &[1, 8, 2, 2],
        &said.attachment.map(u32::to_be_bytes).concat(),
        &[1, 8, 3, 1],
        &cookie.to_be_bytes(),
    ];
    parts.concat()
}

/// A frame to a host, of an outer header and what it carries, which is said to be of `protocol`.
pub fn frame(tags: &[Tag], source: &str, destination: &str, class: u8, protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let length = u16::try_from(payload.len()).expect("test packets are sound");
    let (ether_type, header) = match (address(source), address(destination)) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = Ipv4Header::new(length, 64, protocol, source.octets(), destination.octets())
                .expect("test packets are sound");
            header.dscp = IpDscp::try_new(class >> 2).expect("test packets are sound");
            header.ecn = IpEcn::try_new(class & 3).expect("test packets are sound");
            header.header_checksum = header.calc_header_checksum();
            (EtherType::IPV4, header.to_bytes().to_vec())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = Ipv6Header {
                traffic_class: class,
                flow_label: Ipv6FlowLabel::ZERO,
                payload_length: length,
                next_header: protocol,
                hop_limit: 64,
                source: source.octets(),
                destination: destination.octets(),
            };
            (EtherType::IPV6, header.to_bytes().to_vec())
        }
        mixed => panic!("{mixed:?} mixes the families"),
    };
    [link(EDGE_MAC, ROUTER_MAC, tags, ether_type), header, payload.to_vec()].concat()
}

/// The IP packet that tells `to` that its connection is over, and what announces it: in answer to one of that traffic class,
/// with the TCP header `asked` and so much data.
pub fn reset(
    from: (IpAddr, u16),
    to: (IpAddr, u16),
    class: u8,
    asked: &TcpHeader,
    data: usize,
) -> (EtherType, Vec<u8>) {
    let sequence = if asked.ack { asked.acknowledgment_number } else { 0 };
    let mut tcp = TcpHeader::new(from.1, to.1, sequence, 0);
    tcp.rst = true;
    if !asked.ack {
        tcp.ack = true;
        let length = u32::try_from(data).expect("test packets are short") + u32::from(asked.syn) + u32::from(asked.fin);
        tcp.acknowledgment_number = asked.sequence_number.wrapping_add(length);
    }
    match (from.0, to.0) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut ip = Ipv4Header::new(20, 64, IpNumber::TCP, source.octets(), destination.octets())
                .expect("test packets are short");
            ip.dscp = IpDscp::try_new(class >> 2).expect("six bits");
            ip.dont_fragment = true;
            ip.header_checksum = ip.calc_header_checksum();
            tcp.checksum = tcp.calc_checksum_ipv4(&ip, &[]).expect("no payload");
            (EtherType::IPV4, [&ip.to_bytes()[..], &tcp.to_bytes()].concat())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let ip = Ipv6Header {
                traffic_class: class & 0xfc,
                flow_label: Ipv6FlowLabel::ZERO,
                payload_length: 20,
                next_header: IpNumber::TCP,
                hop_limit: 64,
                source: source.octets(),
                destination: destination.octets(),
            };
            tcp.checksum = tcp.calc_checksum_ipv6(&ip, &[]).expect("no payload");
            (EtherType::IPV6, [&ip.to_bytes()[..], &tcp.to_bytes()].concat())
        }
        mixed => panic!("{mixed:?} mixes the families"),
    }
}

/// `address` with its low `bits` taken from `spread`.
fn varied(address: u128, bits: u32, spread: u128) -> u128 {
    let host = (1_u128 << bits) - 1;
    address - (address & host) + (spread & host)
}
