//! The headers that all packets of a traffic share, and the parts of their checksums that never change.

use std::net::IpAddr;

use anyhow::{Result, bail};
use etherparse::{IpNumber, Ipv4Header, PacketBuilder};
use nlb_common::address::Address;
use nlb_common::wire::{Ethernet, Icmp, Ipv4, Ipv6, Tcp, Udp, protocol};

use super::traffic::{Kind, Sizes, Traffic};

/// 64-bit words of the headers, as the program has room for.
pub(super) const WORDS: usize = 10;
/// The shortest frames, without their check sequence: 64 bytes on the wire by IPv4. By IPv6 a TCP header needs more, and so does
/// what an error quotes.
const SHORTEST_V4: usize = 60;
const SHORTEST_V6: usize = 80;
const SHORTEST_ERROR: usize = 72;
/// The first fragments of a datagram have a multiple of 8 bytes behind their IP header.
const SHORTEST_FRAGMENT: usize = IP + Ipv4::LENGTH + 32;
/// A frame that fills an MTU of 1,500.
const LONGEST: usize = 1514;

/// Where the IP header begins.
const IP: usize = size_of::<Ethernet>();
/// What a later fragment says: its place, in units of 8 bytes. The first one says that there are more.
const LATER: u16 = 185;
const MORE_FRAGMENTS: u16 = 1 << 13;

/// What the program is run on.
pub(super) struct Frame {
    /// The longest packet, with whatever in the fields that the program writes.
    pub(super) frame: Vec<u8>,
    /// Its first words.
    pub(super) headers: [u64; WORDS],
    /// What goes into the checksum of the IPv4 header for all packets alike.
    pub(super) ip_sum: u32,
    /// The same for what the IP header carries, with the pseudo-header where there is one.
    pub(super) transport_sum: u32,
    /// The same for the IPv4 header that an error quotes.
    pub(super) quoted_sum: u32,
}

impl Frame {
    pub(super) fn of(traffic: &Traffic) -> Result<Self> {
        let ethernet = PacketBuilder::ethernet2(traffic.macs[1], traffic.macs[0]);
        let (ip, at, quoted) = match (traffic.source, traffic.destination.ip(), traffic.kind) {
            (IpAddr::V6(_), _, Kind::Error | Kind::Fragment { .. }) => {
                bail!("{:?} is made for IPv4 alone", traffic.kind)
            }
            (IpAddr::V4(source), IpAddr::V4(destination), _) => (
                ethernet.ipv4(source.octets(), destination.octets(), 64),
                IP + Ipv4::LENGTH,
                quoted(traffic, destination.octets(), source.octets())?,
            ),
            (IpAddr::V6(source), IpAddr::V6(destination), _) => {
                (ethernet.ipv6(source.octets(), destination.octets(), 64), IP + Ipv6::LENGTH, Vec::new())
            }
            (source, destination, _) => bail!("{source} and {destination} are of different families"),
        };
        let (port, service) = (traffic.source_port, traffic.destination.port());
        let room = |headers: usize| length(traffic).saturating_sub(at + headers);
        let mut frame = Vec::new();
        match traffic.kind {
            Kind::Udp => ip.udp(port, service).write(&mut frame, &vec![0; room(Udp::LENGTH)])?,
            Kind::Echo if traffic.source.is_ipv4() => {
                ip.icmpv4_echo_request(port, 1).write(&mut frame, &vec![0; room(Icmp::LENGTH)])?;
            }
            Kind::Echo => ip.icmpv6_echo_request(port, 1).write(&mut frame, &vec![0; room(Icmp::LENGTH)])?,
            Kind::Error => {
                // Host unreachable.
                let mut payload = quoted;
                payload.resize(room(Icmp::LENGTH), 0);
                ip.icmpv4_raw(3, 1, [0; 4]).write(&mut frame, &payload)?;
            }
            Kind::Syn | Kind::Segment | Kind::Fragment { .. } => {
                let tcp = ip.tcp(port, service, 1, 65_535);
                let tcp = if traffic.kind == Kind::Syn { tcp.syn() } else { tcp.ack(1).psh() };
                tcp.write(&mut frame, &vec![0; room(Tcp::LENGTH)])?;
            }
        }
        if let Kind::Fragment { first } = traffic.kind {
            let word = if first { MORE_FRAGMENTS } else { LATER };
            frame[IP + 6..IP + 8].copy_from_slice(&word.to_be_bytes());
        }
        Ok(Self::from_whole(traffic, frame, at))
    }

    fn from_whole(traffic: &Traffic, frame: Vec<u8>, at: usize) -> Self {
        let v4 = traffic.destination.is_ipv4();
        let quoted = at + Icmp::LENGTH;
        let mut blank = frame.clone();
        let mut clear = |from: usize, length: usize| blank[from..from + length].fill(0);
        match traffic.kind {
            // Source port, checksum; of UDP also the length, which stands before the checksum.
            Kind::Udp => {
                clear(at, 2);
                clear(at + 4, 4);
            }
            // Checksum, identifier.
            Kind::Echo => clear(at + 2, 4),
            // Checksum; of the quoted packet checksum, addresses and destination port.
            Kind::Error => {
                clear(at + 2, 2);
                clear(quoted + 10, 10);
                clear(quoted + Ipv4::LENGTH + 2, 2);
            }
            Kind::Syn | Kind::Segment | Kind::Fragment { .. } => {
                clear(at, 2);
                clear(at + 16, 2);
            }
        }
        if v4 {
            // Length, identification, checksum, addresses.
            clear(IP + 2, 4);
            clear(IP + 10, 10);
        } else {
            clear(IP + 4, 2);
            clear(IP + 20, 4);
            clear(IP + 36, 4);
        }
        let pseudo_header = |number: u8| {
            let addresses = if v4 { 0 } else { sum(&blank[IP + 8..IP + 40]) };
            addresses + u32::from(u16::from(number).to_be())
        };
        let transport_sum = match traffic.kind {
            Kind::Udp => sum(&blank[at..]) + pseudo_header(protocol::UDP),
            Kind::Echo if v4 => sum(&blank[at..]),
            Kind::Echo => sum(&blank[at..]) + pseudo_header(protocol::ICMPV6),
            Kind::Error => sum(&blank[at..quoted]) + sum(&blank[quoted + Ipv4::LENGTH..]),
            Kind::Syn | Kind::Segment | Kind::Fragment { .. } => sum(&blank[at..]) + pseudo_header(protocol::TCP),
        };
        let headers = std::array::from_fn(|index| {
            let bytes = blank.get(8 * index..8 * index + 8).and_then(|bytes| bytes.try_into().ok());
            u64::from_ne_bytes(bytes.unwrap_or_default())
        });
        Self {
            headers,
            ip_sum: if v4 { sum(&blank[IP..at]) } else { 0 },
            transport_sum,
            quoted_sum: if traffic.kind == Kind::Error { sum(&blank[quoted..quoted + Ipv4::LENGTH]) } else { 0 },
            frame,
        }
    }
}

/// The end of an address that the program adds to.
pub(super) fn last_word(address: IpAddr) -> u32 {
    u32::from_be(Address::from(address).0[3])
}

/// As much of a TCP packet from the listener to a flow's source as every error quotes: its IP header and 8 bytes.
fn quoted(traffic: &Traffic, source: [u8; 4], destination: [u8; 4]) -> Result<Vec<u8>> {
    let header = Ipv4Header::new(20, 64, IpNumber::TCP, source, destination)?;
    let [service, port] = [traffic.destination.port(), traffic.source_port].map(u16::to_be_bytes);
    Ok([&header.to_bytes()[..], &service, &port, &[0, 0, 0, 1]].concat())
}

/// The length of the longest packet.
fn length(traffic: &Traffic) -> usize {
    match (traffic.sizes, traffic.kind) {
        (Sizes::Mixed, _) => LONGEST,
        (_, Kind::Error) => SHORTEST_ERROR,
        (_, Kind::Fragment { .. }) => SHORTEST_FRAGMENT,
        _ if traffic.destination.is_ipv4() => SHORTEST_V4,
        _ => SHORTEST_V6,
    }
}

/// The sum of the 16-bit words as they stand in memory.
fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks_exact(2).map(|pair| u32::from(u16::from_ne_bytes([pair[0], pair[1]]))).sum()
}
