//! A flow's hash, worked out from the packet as it is described: what the program's choice of a slot is held against.
//!
//! Written from the definition (NH of RFC 4418, section 5.2.2, over 32-bit words, keys and finalizer of splitmix64) and with
//! nothing of `nlb-common` but the names of the affinities. Words are read as the host reads them off the wire: the least
//! significant byte first.

use std::net::IpAddr;

use nlb_common::hash::Affinity;

use super::Described;

/// The hash of what `affinity` makes of the flow of `packet`, in a cluster with that seed.
pub fn hash(seed: u64, packet: &Described, affinity: Affinity) -> u64 {
    let (client, _) = packet.source;
    let (vip, port) = packet.destination;
    let mut words = match affinity {
        Affinity::Flow => return of_ends(seed, packet.source, packet.destination, packet.segment.number().0),
        Affinity::SourceIpDestIp => return both_ways(seed, [(client, 0), (vip, 0)], 0),
        Affinity::SourceIpDestIpProto => return both_ways(seed, [(client, 0), (vip, 0)], packet.segment.number().0),
        Affinity::SourceIp | Affinity::SourceIpPort => address(client),
        Affinity::SourceSubnet => address(network_of(client)),
    };
    match affinity {
        Affinity::SourceIpPort => words.push(on_the_wire(port)),
        // The other half of an IPv6 address is no part of its network.
        Affinity::SourceSubnet if client.is_ipv6() => words.truncate(2),
        _ => {}
    }
    of_words(seed, words)
}

/// The hash of a whole flow between those ends.
pub fn of_ends(seed: u64, source: (IpAddr, u16), destination: (IpAddr, u16), protocol: u8) -> u64 {
    let mut words = [address(source.0), address(destination.0)].concat();
    words.extend([on_the_wire(source.1) * 0x1_0000 + on_the_wire(destination.1), protocol.into()]);
    of_words(seed, words)
}

/// The hash of a flow through a gateway, the same for both directions: as of one whose source is the end that comes first.
pub fn both_ways(seed: u64, mut ends: [(IpAddr, u16); 2], protocol: u8) -> u64 {
    ends.sort_by_key(|(end, port)| (address(*end), on_the_wire(*port)));
    let [first, second] = ends;
    of_ends(seed, first, second, protocol)
}

/// A port as the host reads it off the wire.
fn on_the_wire(port: u16) -> u128 {
    u16::from_le_bytes(port.to_be_bytes()).into()
}

fn of_words(seed: u64, mut words: Vec<u128>) -> u64 {
    if words.len() % 2 == 1 {
        words.push(0);
    }
    let keyed: Vec<u128> = words.iter().zip(keys(seed)).map(|(word, key)| (word + key) % (1 << 32)).collect();
    let sum: u128 = keyed.chunks(2).map(|pair| pair[0] * pair[1]).sum();
    finalized(u64::try_from(sum % (1 << 64)).expect("64 bits"))
}

fn address(address: IpAddr) -> Vec<u128> {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    octets.chunks(4).map(|word| word.iter().rev().fold(0, |sum, octet| sum * 256 + u128::from(*octet))).collect()
}

fn network_of(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            [a, b, c, 0].into()
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            [a, b, c, d, 0, 0, 0, 0].into()
        }
    }
}

fn keys(seed: u64) -> impl Iterator<Item = u128> {
    (1_u64..).map(move |turn| {
        let state = seed.wrapping_add(turn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        u128::from(finalized(state) >> 32)
    })
}

fn finalized(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
