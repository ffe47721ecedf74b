//! The packets that are measured: as short as Ethernet allows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{PacketBuilder, TcpHeader};

/// VIPs of both families. Some packets go to the addresses that follow the first.
pub(super) const VIP_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 0);
pub(super) const VIP_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 0x10);

/// Shortest frame, without its check sequence.
const SHORTEST: usize = 60;

/// What kind of packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of an open TCP connection.
    Data,
    /// The first of a TCP connection.
    Syn,
    /// UDP.
    Udp,
}

impl Kind {
    /// IP protocol number.
    pub(super) const fn protocol(self) -> u8 {
        match self {
            Self::Data | Self::Syn => 6,
            Self::Udp => 17,
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

    /// Its bytes. What a flow's number decides is still open.
    pub(super) fn frame(&self) -> Vec<u8> {
        let link = PacketBuilder::ethernet2([2, 0xc1, 0x1e, 0x27, 0, 1], [2, 0xed, 0xce, 0, 0, 1]);
        let network = match self.vip {
            IpAddr::V4(vip) => link.ipv4([100, 64, 0, 0], vip.octets(), 64),
            IpAddr::V6(vip) => link.ipv6(Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0).octets(), vip.octets(), 64),
        };
        let mut frame = Vec::new();
        let written = match self.kind {
            Kind::Udp => {
                let datagram = network.udp(40_000, self.port);
                let payload = vec![0; SHORTEST.saturating_sub(datagram.size(0))];
                datagram.write(&mut frame, &payload)
            }
            Kind::Data | Kind::Syn => {
                let mut header = TcpHeader::new(40_000, self.port, 1, 1_024);
                (header.syn, header.ack) = (self.kind == Kind::Syn, self.kind == Kind::Data);
                let segment = network.tcp_header(header);
                let payload = vec![0; SHORTEST.saturating_sub(segment.size(0))];
                segment.write(&mut frame, &payload)
            }
        };
        written.expect("short packets to unicast addresses can be written");
        frame
    }
}
