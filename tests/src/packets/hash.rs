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
    let (client, client_port) = packet.source;
    let (vip, port) = packet.destination;
    let on_the_wire = |port: u16| u128::from(u16::from_le_bytes(port.to_be_bytes()));
    let mut words = match affinity {
        Affinity::Flow => [address(client), address(vip)].concat(),
        Affinity::SourceIp | Affinity::SourceIpPort => address(client),
        Affinity::SourceSubnet => address(network_of(client)),
    };
    match affinity {
        Affinity::Flow => {
            let ports = on_the_wire(client_port) * 0x1_0000 + on_the_wire(port);
            words.extend([ports, packet.segment.number().0.into()]);
        }
        Affinity::SourceIpPort => words.push(on_the_wire(port)),
        // The other half of an IPv6 address is no part of its network.
        Affinity::SourceSubnet if client.is_ipv6() => words.truncate(2),
        Affinity::SourceIp | Affinity::SourceSubnet => {}
    }
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
