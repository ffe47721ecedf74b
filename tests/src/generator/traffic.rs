//! What is to be sent, and the headers that all packets of it share.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result, ensure};
use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader, UdpHeader};
use nlb_common::address::Address;
use nlb_common::wire::{Ethernet, Ipv4, Ipv6, protocol};

/// 64-bit words of the headers, as the program has room for.
pub(super) const WORDS: usize = 10;
/// The shortest frames, without their check sequence: 64 bytes on the wire by IPv4. By IPv6 a TCP header needs more.
const SHORTEST_V4: usize = 60;
const SHORTEST_V6: usize = 80;
/// A frame that fills an MTU of 1,500.
const LONGEST: usize = 1514;

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
    /// As short as can be: 60 bytes by IPv4, 80 by IPv6, and 4 more on the wire.
    Shortest,
    /// Of twelve, seven of the shortest, four of 566 bytes and one of 1,514, in random order.
    Mixed,
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
    /// UDP, else TCP.
    pub udp: bool,
    /// TCP segments that open a connection, else that belong to an open one.
    pub opens: bool,
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
            udp: false,
            opens: false,
            sizes: Sizes::Shortest,
        }
    }

    pub(super) fn flow_mask(&self) -> Result<u32> {
        ensure!(self.flows.is_power_of_two(), "{} flows: not a power of two", self.flows);
        u32::try_from(self.flows - 1).with_context(|| format!("{} flows: more than 2^32", self.flows))
    }

    fn length(&self) -> usize {
        match self.sizes {
            Sizes::Mixed => LONGEST,
            Sizes::Shortest if self.destination.is_ipv4() => SHORTEST_V4,
            Sizes::Shortest => SHORTEST_V6,
        }
    }
}

/// The end of an address that the program adds to.
pub(super) fn last_word(address: IpAddr) -> u32 {
    u32::from_be(Address::from(address).0[3])
}

/// What the program is run on.
pub(super) struct Frame {
    /// The longest packet, with whatever in the fields that the program writes.
    pub(super) frame: Vec<u8>,
    /// Its first words.
    pub(super) headers: [u64; WORDS],
    /// What goes into the checksum of the IPv4 header for all packets alike.
    pub(super) ip_sum: u32,
    /// The same for TCP and UDP, with the pseudo-header.
    pub(super) transport_sum: u32,
}

impl Frame {
    pub(super) fn of(traffic: &Traffic) -> Result<Self> {
        let ethernet = PacketBuilder::ethernet2(traffic.macs[1], traffic.macs[0]);
        let (ip, at) = match (traffic.source, traffic.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                (ethernet.ipv4(source.octets(), destination.octets(), 64), size_of::<Ethernet>() + Ipv4::LENGTH)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                (ethernet.ipv6(source.octets(), destination.octets(), 64), size_of::<Ethernet>() + Ipv6::LENGTH)
            }
            (source, destination) => anyhow::bail!("{source} and {destination} are of different families"),
        };
        let mut frame = Vec::new();
        if traffic.udp {
            let udp = ip.udp(traffic.source_port, traffic.destination.port());
            written(udp, traffic.length(), 8 + at, &mut frame, PacketBuilderStep::<UdpHeader>::write)?;
        } else {
            let tcp = ip.tcp(traffic.source_port, traffic.destination.port(), 1, 65_535);
            let tcp = if traffic.opens { tcp.syn() } else { tcp.ack(1).psh() };
            written(tcp, traffic.length(), 20 + at, &mut frame, PacketBuilderStep::<TcpHeader>::write)?;
        }
        Ok(Self::from_whole(traffic, frame, at))
    }

    fn from_whole(traffic: &Traffic, frame: Vec<u8>, at: usize) -> Self {
        const IP: usize = size_of::<Ethernet>();
        let v4 = traffic.destination.is_ipv4();
        let mut blank = frame.clone();
        let mut clear = |from: usize, length: usize| blank[from..from + length].fill(0);
        // Source port, checksum; of UDP also the length, which stands before the checksum.
        clear(at, 2);
        if traffic.udp {
            clear(at + 4, 4);
        } else {
            clear(at + 16, 2);
        }
        if v4 {
            clear(IP + 2, 2);
            clear(IP + 10, 10);
        } else {
            clear(IP + 4, 2);
            clear(IP + 20, 4);
            clear(IP + 36, 4);
        }
        let number = if traffic.udp { protocol::UDP } else { protocol::TCP };
        let addresses = if v4 { 0 } else { sum(&blank[IP + 8..IP + 40]) };
        let headers = std::array::from_fn(|index| {
            let bytes = blank.get(8 * index..8 * index + 8).and_then(|bytes| bytes.try_into().ok());
            u64::from_ne_bytes(bytes.unwrap_or_default())
        });
        Self {
            headers,
            ip_sum: if v4 { sum(&blank[IP..at]) } else { 0 },
            transport_sum: sum(&blank[at..]) + addresses + u32::from(u16::from(number).to_be()),
            frame,
        }
    }
}

/// Writes a packet of `length` bytes whose headers take `headers`; the rest is zeros.
fn written<T>(
    step: PacketBuilderStep<T>,
    length: usize,
    headers: usize,
    out: &mut Vec<u8>,
    write: impl FnOnce(PacketBuilderStep<T>, &mut Vec<u8>, &[u8]) -> Result<(), etherparse::err::packet::BuildWriteError>,
) -> Result<()> {
    Ok(write(step, out, &vec![0; length - headers])?)
}

/// The sum of the 16-bit words as they stand in memory.
fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks_exact(2).map(|pair| u32::from(u16::from_ne_bytes([pair[0], pair[1]]))).sum()
}
