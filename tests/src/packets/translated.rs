//! What translation should make of a packet: the same packet between others, one hop less, its checksums computed anew.

use super::described::{Described, Network, Segment};

/// The IP packet of `packet` with right checksums, after so many hops of translation.
pub fn ip(packet: &Described, hops: u8) -> Vec<u8> {
    let mut ip = packet.ip();
    let at = packet.header_length() + packet.extensions_length();
    let (protocol, field) = if packet.segment == Segment::Udp { (17, at + 6) } else { (6, at + 16) };
    ip[field..field + 2].fill(0);
    let length = u32::try_from(ip.len() - at).expect("test packets are short").to_be_bytes();
    let addresses = match packet.network {
        Network::V4 { .. } => {
            ip[8] -= hops;
            ip[10..12].fill(0);
            let header = sum(&ip[..packet.header_length()]);
            ip[10..12].copy_from_slice(&header.to_be_bytes());
            ip[12..20].to_vec()
        }
        Network::V6(_) => {
            ip[7] -= hops;
            ip[8..40].to_vec()
        }
    };
    let checksum = match sum(&[&addresses[..], &length, &[0, 0, 0, protocol], &ip[at..]].concat()) {
        0 if protocol == 17 => 0xffff,
        checksum => checksum,
    };
    ip[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
    ip
}

/// `ip` with what a packet says that came in the other family (RFC 7915, sections 4.1 and 5.1): by IPv6 no flow label; by IPv4, if it
/// has 1,260 bytes at most, that identification, and it may be fragmented.
pub fn crossed(mut ip: Vec<u8>, identification: [u8; 2]) -> Vec<u8> {
    if ip[0] >> 4 == 6 {
        ip[1] &= 0xf0;
        ip[2..4].fill(0);
        return ip;
    }
    let (identification, flags) = if ip.len() > 1_260 { ([0; 2], 0x40) } else { (identification, 0) };
    ip[4..6].copy_from_slice(&identification);
    ip[6..8].copy_from_slice(&[flags, 0]);
    ip[10..12].fill(0);
    let header = sum(&ip[..20]);
    ip[10..12].copy_from_slice(&header.to_be_bytes());
    ip
}

/// The Internet checksum, computed plainly (RFC 1071).
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).expect("folded")
}
