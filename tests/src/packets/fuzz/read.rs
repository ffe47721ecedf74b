//! A packet read once more, straight from the RFCs and from what `nlb_common::packet` promises.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use nlb_common::address::Address;
use nlb_common::drop_reason::DropReason;
use nlb_common::hash::Flow;

use super::End;
use super::End::{Drop, Pass};

/// IPv4's EtherType.
pub const IPV4: u16 = 0x0800;
/// IPv6's EtherType.
pub const IPV6: u16 = 0x86dd;

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// What stands before the IP header.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Length with VLAN tags.
    pub length: usize,
    /// What follows.
    pub ether_type: u16,
}

impl Link {
    /// The link header of `frame` with other MAC addresses and another EtherType; its tags only if it `keeps` them.
    pub fn rewritten(&self, frame: &[u8], macs: &[u8], keeps: bool, ether_type: u16) -> Vec<u8> {
        let tags = if keeps { &frame[12..self.length - 2] } else { &[] };
        [macs, tags, &ether_type.to_be_bytes()].concat()
    }
}

/// An IP header.
#[derive(Clone, Debug)]
pub struct Ip {
    /// Traffic class: DSCP and ECN.
    pub class: u8,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// What it carries.
    pub protocol: u8,
    /// Where the packet stands in the frame.
    pub packet: Range<usize>,
    /// Where its payload stands: for IPv6 behind extension headers, or at a fragment header.
    pub payload: Range<usize>,
    /// It is a piece of a datagram.
    pub cut: bool,
    /// Others follow: what a header says of lengths is of all of them.
    pub more: bool,
}

/// TCP, UDP or SCTP.
#[derive(Clone, Copy, Debug)]
pub struct Transport {
    /// Source and destination port.
    pub ports: (u16, u16),
    /// TCP's flags, 0 for others.
    pub flags: u8,
    /// It is SCTP, and begins with INIT.
    pub init: bool,
    /// Why a listener would drop it, if it is broken.
    pub broken: Option<DropReason>,
}

impl Transport {
    /// Whether it opens a connection.
    pub fn opens(&self) -> bool {
        self.init || self.flags & (SYN | ACK) == SYN
    }

    /// Whether it ends one at once.
    pub fn resets(&self) -> bool {
        self.flags & RST != 0
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Ethernet and up to two VLAN tags.
pub fn link(frame: &[u8]) -> Result<Link, End> {
    if frame.len() < 14 {
        return Err(Drop(DropReason::TruncatedLink));
    }
    if frame[0] & 1 == 1 {
        return Err(Pass);
    }
    let mut link = Link { length: 14, ether_type: word(frame, 12).unwrap_or_default() };
    while matches!(link.ether_type, 0x8100 | 0x88a8) && link.length < 22 {
        link.ether_type = word(frame, link.length + 2).ok_or(Drop(DropReason::TruncatedLink))?;
        link.length += 4;
    }
    if matches!(link.ether_type, IPV4 | IPV6) { Ok(link) } else { Err(Pass) }
}

/// The header of a whole packet that begins at `at` and is of the family that `ether_type` says.
pub fn network(frame: &[u8], at: usize, ether_type: u16) -> Result<Ip, End> {
    let ip = any_network(frame, at, ether_type)?;
    if ip.cut { Err(Pass) } else { Ok(ip) }
}

/// The same of a packet that may be a piece of a datagram.
pub fn any_network(frame: &[u8], at: usize, ether_type: u16) -> Result<Ip, End> {
    if ether_type == IPV4 { v4(frame, at) } else { v6(frame, at) }
}

fn v4(frame: &[u8], at: usize) -> Result<Ip, End> {
    let here = frame.get(at..).unwrap_or_default();
    if here.len() < 20 {
        return Err(Drop(DropReason::TruncatedNetwork));
    }
    let (version, header) = (here[0] >> 4, usize::from(here[0] & 15) * 4);
    if version != 4 || header < 20 {
        return Err(Drop(DropReason::BadNetwork));
    }
    if here.len() < header {
        return Err(Drop(DropReason::TruncatedNetwork));
    }
    let total = usize::from(u16::from_be_bytes([here[2], here[3]]));
    if total < header || total > here.len() {
        return Err(Drop(DropReason::BadNetwork));
    }
    let (more, offset) = (here[6] & 0x20 != 0, u16::from_be_bytes([here[6] & 0x1f, here[7]]));
    let address = |at: usize| Ipv4Addr::new(here[at], here[at + 1], here[at + 2], here[at + 3]).into();
    Ok(Ip {
        class: here[1],
        source: address(12),
        destination: address(16),
        protocol: here[9],
        packet: at..at + total,
        payload: at + header..at + total,
        cut: more || offset != 0,
        more,
    })
}

fn v6(frame: &[u8], at: usize) -> Result<Ip, End> {
    let here = frame.get(at..).unwrap_or_default();
    if here.len() < 40 {
        return Err(Drop(DropReason::TruncatedNetwork));
    }
    if here[0] >> 4 != 6 {
        return Err(Drop(DropReason::BadNetwork));
    }
    let length = usize::from(u16::from_be_bytes([here[4], here[5]]));
    if length == 0 {
        return Err(Pass);
    }
    if 40 + length > here.len() {
        return Err(Drop(DropReason::BadNetwork));
    }
    let address = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&here[at..at + 16]).expect("16 bytes"));
    if address(24).to_ipv4_mapped().is_some() {
        return Err(Pass);
    }
    let (protocol, extensions) = extensions(&here[40..], length, here[6])?;
    Ok(Ip {
        class: here[0] << 4 | here[1] >> 4,
        source: address(8).into(),
        destination: address(24).into(),
        protocol,
        packet: at..at + 40 + length,
        payload: at + 40 + extensions..at + 40 + length,
        cut: protocol == 44,
        more: false,
    })
}

/// Follows eight extension headers at most: what comes behind them, and how long they are.
pub fn extensions(here: &[u8], room: usize, first: u8) -> Result<(u8, usize), End> {
    let (mut kind, mut length) = (first, 0);
    for _ in 0..8 {
        if !matches!(kind, 0 | 43 | 51 | 60) {
            break;
        }
        let header = here.get(length..length + 4).ok_or(Drop(DropReason::TruncatedNetwork))?;
        let units = usize::from(header[1]);
        // An authentication header is measured in words, less two.
        length += if kind == 51 { 4 * (units + 2) } else { 8 * (units + 1) };
        if length > room {
            return Err(Drop(DropReason::TruncatedNetwork));
        }
        if kind == 43 && header[3] > 0 {
            return Err(Pass);
        }
        kind = header[0];
    }
    if matches!(kind, 0 | 43 | 51 | 60) { Err(Drop(DropReason::ExtensionHeaders)) } else { Ok((kind, length)) }
}

/// The TCP, UDP or SCTP header, which may be that of a datagram's first piece.
pub fn transport(frame: &[u8], ip: &Ip) -> Result<Transport, End> {
    let least = match ip.protocol {
        6 => 20,
        17 => 8,
        // With the header of a chunk.
        132 => 16,
        _ => return Err(Pass),
    };
    let payload = &frame[ip.payload.clone()];
    if payload.len() < 4 {
        return Err(Drop(DropReason::TruncatedTransport));
    }
    let word = |at: usize| u16::from_be_bytes([payload[at], payload[at + 1]]);
    let transport = Transport { ports: (word(0), word(2)), flags: 0, init: false, broken: None };
    if payload.len() < least {
        return Ok(Transport { broken: Some(DropReason::TruncatedTransport), ..transport });
    }
    let (bad, flags, init) = match ip.protocol {
        6 => {
            let length = usize::from(payload[12] >> 4) * 4;
            (length < least || length > payload.len(), payload[13], false)
        }
        17 => {
            let length = usize::from(word(4));
            (length < least || !ip.more && length > payload.len(), 0, false)
        }
        _ => (word(14) < 4, 0, payload[12] == 1),
    };
    Ok(Transport { flags, init, broken: bad.then_some(DropReason::BadTransport), ..transport })
}

/// The flow of both.
pub fn flow(ip: &Ip, transport: &Transport) -> Flow {
    Flow {
        source: Address::from(ip.source),
        destination: Address::from(ip.destination),
        source_port: transport.ports.0.to_be(),
        destination_port: transport.ports.1.to_be(),
        protocol: ip.protocol,
        padding: [0; 3],
    }
}
