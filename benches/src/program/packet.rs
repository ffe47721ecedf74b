//! The packets that are measured: as short as Ethernet allows, but for those that are too big.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{Icmpv4Type, Icmpv6Type, Ipv4Header, Ipv6Header, PacketBuilder, TcpHeader, icmpv4, icmpv6};

/// VIPs of both families. Some packets go to the addresses that follow the first.
pub(super) const VIP_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 0);
pub(super) const VIP_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 0x10);

/// Whom packets that are routed through are for, by numbers of gateways.
pub(super) const BEHIND_V4: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 0);
pub(super) const BEHIND_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x19, 0, 0, 0, 0, 0);

/// Shortest frame, without its check sequence.
const SHORTEST: usize = 60;
/// The shortest datagram of QUIC that is read.
const LEAST_QUIC: usize = 17;
/// Data of a packet that is too big. An answer quotes all of it, so that what ran before finds the packet whole.
const TOO_BIG: usize = 400;

/// The server that packets of QUIC name.
pub(super) const SERVER_ID: [u8; 2] = [7, 7];
/// A short header, and a connection id's first byte.
const QUIC: [u8; 2] = [0x40, 0];

/// Where an IP header stands.
const IP: usize = 14;
/// The identifications of datagrams of which first fragments come, and others.
const FIRST_DATAGRAM: u16 = 1;
pub(super) const LATER_DATAGRAM: u16 = 2;

/// What kind of packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of an open TCP connection.
    Data,
    /// The first of a TCP connection.
    Syn,
    /// UDP.
    Udp,
    /// QUIC with a short header, whose connection id has [`SERVER_ID`].
    Quic,
    /// TCP that doesn't fit the way to its target.
    TooBig,
    /// An echo request.
    Echo,
    /// An error message about a flow: unreachable, with as little quoted as may be.
    Error,
    /// The first fragment of a datagram of UDP.
    FirstFragment,
    /// A fragment of a datagram whose first one has come.
    LaterFragment,
}

impl Kind {
    /// IP protocol number of the listener that it is for, or of the flow that it is about.
    pub(super) const fn protocol(self) -> u8 {
        match self {
            Self::Data | Self::Syn | Self::TooBig | Self::Echo | Self::Error => 6,
            Self::Udp | Self::Quic | Self::FirstFragment | Self::LaterFragment => 17,
        }
    }
}

/// A packet to a VIP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) vip: IpAddr,
    pub(super) port: u16,
    pub(super) kind: Kind,
    /// Which bits of a flow's number are added to the VIP.
    pub(super) destination_mask: u32,
    /// Whether it is translated, so that other things are changed in it than its addresses.
    pub(super) translated: bool,
}

impl Packet {
    /// Whether it is an IPv6 packet.
    pub(super) const fn v6(&self) -> bool {
        self.vip.is_ipv6()
    }

    /// The VIP as a number, 0 for IPv6.
    pub(super) fn destination_v4(&self) -> u32 {
        match self.vip {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(_) => 0,
        }
    }

    /// The VIP's bytes as they stand in a packet, in two words; 0 for IPv4.
    pub(super) fn destination_v6(&self) -> [u64; 2] {
        match self.vip {
            IpAddr::V4(_) => [0; 2],
            IpAddr::V6(address) => [address.to_bits() >> 64, address.to_bits() & u128::from(u64::MAX)]
                .map(|half| u64::try_from(half).expect("half of 128 bits").to_be()),
        }
    }

    /// Its bytes. What a flow's number decides is still open.
    pub(super) fn frame(&self) -> Vec<u8> {
        let link = PacketBuilder::ethernet2([2, 0xc1, 0x1e, 0x27, 0, 1], [2, 0xed, 0xce, 0, 0, 1]);
        let network = match self.vip {
            IpAddr::V4(vip) => link.ipv4([100, 64, 0, 0], vip.octets(), 64),
            IpAddr::V6(vip) => link.ipv6(Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0).octets(), vip.octets(), 64),
        };
        let mut frame = Vec::new();
        let written = match self.kind {
            Kind::FirstFragment | Kind::LaterFragment => return self.fragment(),
            Kind::Udp | Kind::Quic => {
                let datagram = network.udp(40_000, self.port);
                let shortest = SHORTEST.saturating_sub(datagram.size(0));
                let mut payload = if self.kind == Kind::Quic { [QUIC, SERVER_ID].concat() } else { Vec::new() };
                payload.resize(shortest.max(if payload.is_empty() { 0 } else { LEAST_QUIC }), 0);
                datagram.write(&mut frame, &payload)
            }
            Kind::Data | Kind::Syn | Kind::TooBig => {
                let mut header = TcpHeader::new(40_000, self.port, 1, 1_024);
                (header.syn, header.ack) = (self.kind == Kind::Syn, self.kind != Kind::Syn);
                let segment = network.tcp_header(header);
                let payload =
                    if self.kind == Kind::TooBig { TOO_BIG } else { SHORTEST.saturating_sub(segment.size(0)) };
                segment.write(&mut frame, &vec![0; payload])
            }
            Kind::Echo if self.v6() => network.icmpv6_echo_request(1, 1).write(&mut frame, &[0; 8]),
            Kind::Echo => network.icmpv4_echo_request(1, 1).write(&mut frame, &[0; 8]),
            Kind::Error if self.v6() => network
                .icmpv6(Icmpv6Type::DestinationUnreachable(icmpv6::DestUnreachableCode::Address))
                .write(&mut frame, &self.quoted()),
            Kind::Error => network
                .icmpv4(Icmpv4Type::DestinationUnreachable(icmpv4::DestUnreachableHeader::Host))
                .write(&mut frame, &self.quoted()),
        };
        written.expect("short packets to unicast addresses can be written");
        frame
    }

    /// A fragment by IPv4: the first one with ports, the other one without.
    fn fragment(&self) -> Vec<u8> {
        let whole = Self { kind: Kind::Udp, ..*self }.frame();
        let mut frame = [&whole[..], &[0; 6]].concat();
        let length = u16::try_from(frame.len() - IP).expect("short");
        frame[IP + 2..][..2].copy_from_slice(&length.to_be_bytes());
        let (identification, word) =
            if self.kind == Kind::FirstFragment { (FIRST_DATAGRAM, 0x2000_u16) } else { (LATER_DATAGRAM, 8) };
        frame[IP + 4..][..2].copy_from_slice(&identification.to_be_bytes());
        frame[IP + 6..][..2].copy_from_slice(&word.to_be_bytes());
        frame
    }

    /// The beginning of what a target has sent to a client: IP header and eight bytes.
    fn quoted(&self) -> Vec<u8> {
        let mut whole = Vec::new();
        let header = TcpHeader::new(self.port, 40_000, 1, 1_024);
        let written = match self.vip {
            IpAddr::V4(vip) => {
                PacketBuilder::ipv4(vip.octets(), [100, 64, 0, 0], 64).tcp_header(header).write(&mut whole, &[])
            }
            IpAddr::V6(vip) => {
                let client = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0).octets();
                PacketBuilder::ipv6(vip.octets(), client, 64).tcp_header(header).write(&mut whole, &[])
            }
        };
        written.expect("short packets between unicast addresses can be written");
        whole.truncate(whole.len() - 12);
        whole
    }

    /// What is changed in the packet behind its IP header, as it was: type, code and checksum of an echo request, or the ports of a
    /// packet that is translated.
    pub(super) fn message(&self) -> u32 {
        let at = if self.v6() { IP + Ipv6Header::LEN } else { IP + Ipv4Header::MIN_LEN };
        if self.kind == Kind::Echo || self.translated { word(&self.frame(), at) } else { 0 }
    }

    /// What is changed in the IP header before the addresses of a packet that is translated, as it was: all of it, if it gets a
    /// header of the other family.
    pub(super) fn header(&self) -> [u32; 3] {
        if !self.translated {
            return [0; 3];
        }
        let frame = self.frame();
        [word(&frame, IP), word(&frame, IP + 4), if self.v6() { 0 } else { word(&frame, IP + 8) }]
    }
}

/// Four bytes of a frame, as they stand there.
fn word(frame: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(frame[at..][..4].try_into().expect("four bytes"))
}
