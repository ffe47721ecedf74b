//! Messages of ICMP and ICMPv6 read once more, straight from the RFCs: what a VIP answers, and the flow that an error is about.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nlb_common::address::Address;
use nlb_common::hash::Flow;

use super::read::{self, Ip};

/// The messages of `ip`'s family, if it carries one that is long enough.
pub fn message<'f>(frame: &'f [u8], ip: &Ip) -> Option<&'f [u8]> {
    let number = if ip.destination.is_ipv4() { 1 } else { 58 };
    let message = &frame[ip.payload.clone()];
    (ip.protocol == number && message.len() >= 8).then_some(message)
}

/// The packet that answers an echo request, if it is one of a single host.
pub fn echoed(frame: &[u8], ip: &Ip) -> Option<Vec<u8>> {
    let (request, reply) = if ip.destination.is_ipv4() { (8, 0) } else { (128, 129) };
    if message(frame, ip)?[..2] != [request, 0] || !is_host(ip.source) {
        return None;
    }
    let mut packet = frame[ip.packet.clone()].to_vec();
    let at = ip.payload.start - ip.packet.start;
    packet[at] = reply;
    update(&mut packet, at + 2, [request, 0], [reply, 0]);
    let (addresses, length) = if ip.destination.is_ipv4() { (12, 4) } else { (8, 16) };
    let (source, destination) = packet[addresses..addresses + 2 * length].split_at_mut(length);
    source.swap_with_slice(destination);
    if ip.destination.is_ipv4() {
        let before = [packet[8], packet[9]];
        packet[8] = 64;
        update(&mut packet, 10, before, [64, before[1]]);
    } else {
        packet[7] = 64;
    }
    Some(packet)
}

/// RFC 1624, equation 3: the checksum at `at` after two bytes have changed.
fn update(packet: &mut [u8], at: usize, before: [u8; 2], after: [u8; 2]) {
    let checksum = u16::from_be_bytes([packet[at], packet[at + 1]]);
    let words = [!checksum, !u16::from_be_bytes(before), u16::from_be_bytes(after)];
    let mut sum = words.into_iter().map(u32::from).sum::<u32>();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = u16::try_from(sum).expect("folded");
    packet[at..at + 2].copy_from_slice(&(!sum).to_be_bytes());
}

fn is_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !matches!(address.octets()[0], 0 | 127 | 224..),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_host(address.into()),
            None => !address.is_multicast() && address.segments()[..6] != [0; 6],
        },
    }
}

/// What an error message is about.
#[derive(Clone, Copy, Debug)]
pub struct Blamed {
    /// The flow that the quoted packet answers.
    pub flow: Flow,
    /// How long the quoted packet's headers are before its ports.
    pub ports: usize,
}

/// What an error message is about, if it is one and quotes enough.
pub fn blamed(frame: &[u8], ip: &Ip) -> Option<Blamed> {
    let message = message(frame, ip)?;
    let errors: &[u8] = if ip.destination.is_ipv4() { &[3, 11, 12] } else { &[1, 2, 3, 4] };
    if !errors.contains(&message[0]) {
        return None;
    }
    let quoted = &message[8..];
    let (source, destination, protocol, length) = if ip.destination.is_ipv4() { v4(quoted)? } else { v6(quoted)? };
    if !matches!(protocol, 6 | 17) || source != ip.destination {
        return None;
    }
    let ports = quoted.get(length..length + 4)?;
    let flow = Flow {
        source: Address::from(destination),
        destination: Address::from(source),
        source_port: u16::from_ne_bytes([ports[2], ports[3]]),
        destination_port: u16::from_ne_bytes([ports[0], ports[1]]),
        protocol,
        padding: [0; 3],
    };
    Some(Blamed { flow, ports: length })
}

/// Addresses, protocol, and where its header begins.
type Quoted = (IpAddr, IpAddr, u8, usize);

fn v4(quoted: &[u8]) -> Option<Quoted> {
    let header = quoted.get(..20)?;
    let length = usize::from(header[0] & 15) * 4;
    let is_later = u16::from_be_bytes([header[6] & 0x1f, header[7]]) != 0;
    if header[0] >> 4 != 4 || length < 20 || is_later {
        return None;
    }
    let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]).into();
    Some((address(12), address(16), header[9], length))
}

fn v6(quoted: &[u8]) -> Option<Quoted> {
    let header = quoted.get(..40)?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let address = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&header[at..at + 16]).expect("16 bytes")).into();
    let (protocol, length) = read::extensions(&quoted[40..], quoted.len() - 40, header[6]).ok()?;
    if protocol != 44 {
        return Some((address(8), address(24), protocol, 40 + length));
    }
    // A piece of a datagram: the first, directly before its ports.
    let piece = quoted.get(40 + length..48 + length)?;
    (u16::from_be_bytes([piece[2], piece[3]]) < 8).then_some((address(8), address(24), piece[0], 48 + length))
}
