//! A packet as a test describes it, and its bytes.

use etherparse::{
    EtherType, Ethernet2Header, IpAuthHeader, IpDscp, IpEcn, IpNumber, Ipv4Header, Ipv4Options, Ipv6FlowLabel,
    Ipv6Header, Ipv6RawExtHeader, SingleVlanHeader, TcpHeader, UdpHeader, VlanId, VlanPcp,
};
use nlb_common::address::Address;
use nlb_common::hash::Flow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// 0x8100 or 0x88a8.
    pub announced_by: u16,
    /// VLAN number.
    pub vlan: u16,
    /// Priority.
    pub priority: u8,
}

/// A customer's tag.
pub const CUSTOMER: Tag = Tag { announced_by: 0x8100, vlan: 42, priority: 5 };
/// A provider's tag.
pub const PROVIDER: Tag = Tag { announced_by: 0x88a8, vlan: 4094, priority: 1 };

/// No tag, one, and two.
pub const TAGGINGS: [&[Tag]; 3] = [&[], &[CUSTOMER], &[PROVIDER, CUSTOMER]];

/// The IP header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// IPv4 with that many bytes of options.
    V4 {
        /// A multiple of four, 40 at most.
        options: usize,
    },
    /// IPv6 with extension headers.
    V6(Vec<Extension>),
}

/// The kind of an IPv6 extension header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Hop-by-hop options.
    HopByHop,
    /// Destination options.
    Destination,
    /// Routing header with no node left to visit.
    Routing,
    /// Authentication header.
    Authentication,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::HopByHop, Self::Destination, Self::Routing, Self::Authentication];

    /// Its number.
    pub fn number(self) -> IpNumber {
        match self {
            Self::HopByHop => IpNumber::IPV6_HEADER_HOP_BY_HOP,
            Self::Destination => IpNumber::IPV6_DESTINATION_OPTIONS,
            Self::Routing => IpNumber::IPV6_ROUTE_HEADER,
            Self::Authentication => IpNumber::AUTHENTICATION_HEADER,
        }
    }
}

/// An IPv6 extension header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    /// What it is.
    pub kind: Kind,
    /// Its length: of an authentication header in units of 4 bytes, without the first 12; of others in units of 8, without the first 8.
    pub units: u8,
}

impl Extension {
    /// Its bytes, before a header of protocol `next`.
    fn bytes(self, next: IpNumber) -> Vec<u8> {
        let units = usize::from(self.units);
        if self.kind == Kind::Authentication {
            // The longest has 254 words.
            let value = vec![0xa7; 4 * units.min(254)];
            return IpAuthHeader::new(next, 0x5b1, 1, &value).expect("a multiple of 4").to_bytes().to_vec();
        }
        let payload = vec![0; 6 + 8 * units];
        Ipv6RawExtHeader::new_raw(next, &payload).expect("6 and a multiple of 8").to_bytes().to_vec()
    }
}

/// What the IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// TCP that opens a connection.
    Syn,
    /// TCP that answers to one.
    SynAck,
    /// TCP amid a connection.
    Data,
    /// TCP that says that its sender has no more to say.
    Fin,
    /// TCP that ends a connection at once.
    Rst,
    /// UDP.
    Udp,
    /// SCTP that opens an association.
    Init,
    /// SCTP amid one.
    Chunk,
}

impl Segment {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Syn, Self::SynAck, Self::Data, Self::Fin, Self::Rst, Self::Udp, Self::Init, Self::Chunk];

    /// Whether it opens a connection.
    pub fn opens(self) -> bool {
        matches!(self, Self::Syn | Self::Init)
    }

    /// Length of the least that is taken for such a segment: its header, for SCTP with that of a chunk.
    pub fn header_length(self) -> usize {
        match self {
            Self::Udp => 8,
            Self::Init | Self::Chunk => 16,
            Self::Syn | Self::SynAck | Self::Data | Self::Fin | Self::Rst => 20,
        }
    }

    /// Its protocol number.
    pub fn number(self) -> IpNumber {
        match self {
            Self::Udp => IpNumber::UDP,
            Self::Init | Self::Chunk => IpNumber::SCTP,
            Self::Syn | Self::SynAck | Self::Data | Self::Fin | Self::Rst => IpNumber::TCP,
        }
    }
}

/// A client's packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// VLAN tags, outermost first.
    pub tags: Vec<Tag>,
    /// The IP header.
    pub network: Network,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Client's address and port.
    pub source: (IpAddr, u16),
    /// VIP and port.
    pub destination: (IpAddr, u16),
    /// What the IP packet carries.
    pub segment: Segment,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// Bytes behind the TCP, UDP or SCTP header.
    pub payload: usize,
    /// Bytes behind the IP packet that pad the frame.
    pub padding: usize,
}

/// The edge's MAC address on the clients' side.
pub const EDGE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// The clients' router.
pub const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

impl Described {
    /// A plain packet of the family of `vip`.
    pub fn new(vip: IpAddr, port: u16, segment: Segment) -> Self {
        let (network, client): (_, IpAddr) = match vip {
            IpAddr::V4(_) => (Network::V4 { options: 0 }, Ipv4Addr::new(198, 51, 100, 7).into()),
            IpAddr::V6(_) => (Network::V6(Vec::new()), Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 7).into()),
        };
        Self {
            tags: Vec::new(),
            network,
            traffic_class: 0,
            source: (client, 51_234),
            destination: (vip, port),
            segment,
            hop_limit: 17,
            payload: 11,
            padding: 0,
        }
    }

    /// Its flow.
    pub fn flow(&self) -> Flow {
        Flow {
            source: Address::from(self.source.0),
            destination: Address::from(self.destination.0),
            source_port: self.source.1.to_be(),
            destination_port: self.destination.1.to_be(),
            protocol: self.segment.number().0,
            padding: [0; 3],
        }
    }

    /// Length of the link header.
    pub fn link_length(&self) -> usize {
        14 + 4 * self.tags.len()
    }

    /// Length of the IP header with options, or of the IPv6 header without extensions.
    pub fn header_length(&self) -> usize {
        match &self.network {
            Network::V4 { options } => 20 + options,
            Network::V6(_) => 40,
        }
    }

    /// Length of all extension headers.
    pub fn extensions_length(&self) -> usize {
        match &self.network {
            Network::V4 { .. } => 0,
            Network::V6(extensions) => extensions.iter().map(|extension| extension.bytes(IpNumber::TCP).len()).sum(),
        }
    }

    /// The IP packet.
    pub fn ip(&self) -> Vec<u8> {
        self.ip_around(&self.transport())
    }

    /// The IP packet with only the first `length` bytes behind its header: lengths in the header agree.
    pub fn ip_cut(&self, length: usize) -> Vec<u8> {
        let whole = self.ip();
        let payload = &whole[self.header_length()..][..length];
        let mut header = whole[..self.header_length()].to_vec();
        match self.network {
            Network::V4 { .. } => {
                let total = u16::try_from(header.len() + length).expect("test packets are short");
                header[2..4].copy_from_slice(&total.to_be_bytes());
                let (parsed, _) = Ipv4Header::from_slice(&header).expect("built by the library");
                header[10..12].copy_from_slice(&parsed.calc_header_checksum().to_be_bytes());
            }
            Network::V6(_) => {
                let length = u16::try_from(length).expect("test packets are short");
                header[4..6].copy_from_slice(&length.to_be_bytes());
            }
        }
        [&header, payload].concat()
    }

    /// TCP, UDP or SCTP header and payload.
    pub fn transport(&self) -> Vec<u8> {
        let payload: Vec<u8> = (0..=u8::MAX).cycle().skip(0xa0).take(self.payload).collect();
        let (source, destination) = (self.source.1, self.destination.1);
        let header = match self.segment {
            Segment::Udp => {
                let length = u16::try_from(8 + payload.len()).expect("test packets are short");
                UdpHeader { source_port: source, destination_port: destination, length, checksum: 0xbeef }
                    .to_bytes()
                    .to_vec()
            }
            Segment::Init | Segment::Chunk => {
                // INIT has type 1, DATA type 0, whose flags say that it is a whole message.
                let (kind, flags) = if self.segment == Segment::Init { (1, 0) } else { (0, 3) };
                let length = u16::try_from(4 + payload.len()).expect("test packets are short");
                let ports = [source.to_be_bytes(), destination.to_be_bytes()].concat();
                [&ports[..], &[0xfe, 0xed, 0, 1, 0xbe, 0xef, 0xbe, 0xef, kind, flags], &length.to_be_bytes()].concat()
            }
            Segment::Syn | Segment::SynAck | Segment::Data | Segment::Fin | Segment::Rst => {
                let mut header = TcpHeader::new(source, destination, 0x0102_0304, 0x7fff);
                header.syn = matches!(self.segment, Segment::Syn | Segment::SynAck);
                header.ack = matches!(self.segment, Segment::SynAck | Segment::Data | Segment::Fin);
                header.fin = self.segment == Segment::Fin;
                header.rst = self.segment == Segment::Rst;
                header.checksum = 0xbeef;
                header.to_bytes().to_vec()
            }
        };
        [header, payload].concat()
    }

    /// The IP packet around `transport`.
    pub fn ip_around(&self, transport: &[u8]) -> Vec<u8> {
        self.ip_carrying(self.segment.number(), transport)
    }

    /// The IP packet around `transport`, which is of that protocol.
    pub fn ip_carrying(&self, protocol: IpNumber, transport: &[u8]) -> Vec<u8> {
        match (&self.network, self.source.0, self.destination.0) {
            (Network::V4 { options }, IpAddr::V4(source), IpAddr::V4(destination)) => {
                let length = u16::try_from(transport.len()).expect("test packets are short");
                let mut header =
                    Ipv4Header::new(length, self.hop_limit, protocol, source.octets(), destination.octets())
                        .expect("test packets are short");
                header.identification = 0x4242;
                header.dont_fragment = true;
                header.dscp = IpDscp::try_new(self.traffic_class >> 2).expect("six bits");
                header.ecn = IpEcn::try_new(self.traffic_class & 3).expect("two bits");
                // No-operation options: their number is 1.
                header.options = Ipv4Options::try_from(&vec![1; *options][..]).expect("a multiple of four, at most 40");
                header.total_len = u16::try_from(20 + options + transport.len()).expect("test packets are short");
                header.header_checksum = header.calc_header_checksum();
                [&header.to_bytes()[..], transport].concat()
            }
            (Network::V6(extensions), IpAddr::V6(source), IpAddr::V6(destination)) => {
                let followers = extensions.iter().skip(1).map(|extension| extension.kind.number());
                let followers = followers.chain([protocol]);
                let mut behind = Vec::new();
                for (extension, next) in extensions.iter().zip(followers) {
                    behind.extend(extension.bytes(next));
                }
                behind.extend_from_slice(transport);
                let first = extensions.first().map_or(protocol, |extension| extension.kind.number());
                let header = Ipv6Header {
                    traffic_class: self.traffic_class,
                    flow_label: Ipv6FlowLabel::try_new(0x5_4321).expect("twenty bits"),
                    payload_length: u16::try_from(behind.len()).expect("test packets are short"),
                    next_header: first,
                    hop_limit: self.hop_limit,
                    source: source.octets(),
                    destination: destination.octets(),
                };
                [&header.to_bytes()[..], &behind].concat()
            }
            _ => panic!("{self:?} mixes the families"),
        }
    }

    /// The frame.
    pub fn frame(&self) -> Vec<u8> {
        self.frame_around(&self.ip())
    }

    /// The frame around `ip`.
    pub fn frame_around(&self, ip: &[u8]) -> Vec<u8> {
        let ether_type = match self.network {
            Network::V4 { .. } => EtherType::IPV4,
            Network::V6(_) => EtherType::IPV6,
        };
        [link(EDGE_MAC, ROUTER_MAC, &self.tags, ether_type), ip.to_vec(), self.pad()].concat()
    }

    /// What pads the frame.
    pub fn pad(&self) -> Vec<u8> {
        vec![0x77; self.padding]
    }
}

/// A link header.
pub fn link(destination: [u8; 6], source: [u8; 6], tags: &[Tag], ether_type: EtherType) -> Vec<u8> {
    let followers = tags.iter().skip(1).map(|tag| EtherType(tag.announced_by)).chain([ether_type]);
    let first = tags.first().map_or(ether_type, |tag| EtherType(tag.announced_by));
    let mut bytes = Ethernet2Header { destination, source, ether_type: first }.to_bytes().to_vec();
    for (tag, ether_type) in tags.iter().zip(followers) {
        let header = SingleVlanHeader {
            pcp: VlanPcp::try_new(tag.priority).expect("three bits"),
            drop_eligible_indicator: false,
            vlan_id: VlanId::try_new(tag.vlan).expect("twelve bits"),
            ether_type,
        };
        bytes.extend_from_slice(&header.to_bytes());
    }
    bytes
}

/// Every network header that a table should hold: each length of options, each chain of up to three extension headers, and
/// longer chains up to `bound`, some of long headers.
pub fn networks(bound: usize) -> Vec<Network> {
    let mut networks: Vec<Network> = (0..=40).step_by(4).map(|options| Network::V4 { options }).collect();
    let mut chains = vec![Vec::new()];
    for _ in 0..3 {
        let longer = chains.iter().flat_map(|chain: &Vec<Extension>| {
            Kind::ALL.map(|kind| [&chain[..], &[Extension { kind, units: 0 }]].concat())
        });
        let longer: Vec<_> = longer.collect();
        chains.extend(longer);
        chains.dedup();
    }
    chains.sort_by_key(Vec::len);
    chains.dedup();
    networks.extend(chains.into_iter().map(Network::V6));
    for length in 4..=bound {
        let chain = (0..length)
            .map(|i| Extension { kind: Kind::ALL[i % Kind::ALL.len()], units: u8::try_from(i).unwrap_or(u8::MAX) });
        networks.push(Network::V6(chain.collect()));
    }
    for kind in [Kind::HopByHop, Kind::Authentication] {
        networks.push(Network::V6(vec![Extension { kind, units: u8::MAX }]));
    }
    networks
}
