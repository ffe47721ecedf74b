//! What the choice of a slot promises.

extern crate std;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::HashSet;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const SLOTS: usize = 4_096;
const FLOWS: u32 = 163_840;

fn flow(source: IpAddr, destination: IpAddr, source_port: u16) -> Flow {
    Flow {
        source: source.into(),
        destination: destination.into(),
        source_port: source_port.to_be(),
        destination_port: 443_u16.to_be(),
        protocol: 6,
        padding: [0; 3],
    }
}

fn v4(source: u32, source_port: u16) -> Flow {
    flow(Ipv4Addr::from_bits(source).into(), Ipv4Addr::new(203, 0, 113, 1).into(), source_port)
}

fn v6(source: u128, source_port: u16) -> Flow {
    let vip = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    flow(Ipv6Addr::from_bits(source).into(), vip.into(), source_port)
}

/// Flows as they come in bulk: near each other in every way that clients are.
fn populations() -> Vec<(&'static str, Affinity, Vec<Flow>)> {
    let base = u128::from(0x2001_0db8_u32) << 96;
    let port = |n: u32| u16::try_from(1_024 + n % 60_000).unwrap();
    vec![
        ("many clients", Affinity::Flow, (0..FLOWS).map(|n| v4(0x0a00_0000 + n, 40_000)).collect()),
        (
            "few clients, many ports",
            Affinity::Flow,
            (0..FLOWS).map(|n| v4(0xc633_6400 + n / 60_000, port(n))).collect(),
        ),
        ("a client per /24", Affinity::Flow, (0..FLOWS).map(|n| v4(n << 8 | 1, 40_000)).collect()),
        ("IPv6 hosts of one network", Affinity::Flow, (0..FLOWS).map(|n| v6(base + u128::from(n), 40_000)).collect()),
        (
            "an IPv6 host per /64",
            Affinity::Flow,
            (0..FLOWS).map(|n| v6(base + (u128::from(n) << 64), 40_000)).collect(),
        ),
        ("clients, by address", Affinity::SourceIp, (0..FLOWS).map(|n| v4(0x0a00_0000 + n, 40_000)).collect()),
        (
            "IPv6 clients, by address",
            Affinity::SourceIp,
            (0..FLOWS).map(|n| v6(base + (u128::from(n) << 64), 1)).collect(),
        ),
        (
            "ports of a client's",
            Affinity::SourceIpPort,
            (0..FLOWS).map(|n| Flow { destination_port: port(n), ..v4(0x0a00_0000 + n / 60_000, 1) }).collect(),
        ),
        (
            "ports of an IPv6 client's",
            Affinity::SourceIpPort,
            (0..FLOWS).map(|n| Flow { destination_port: port(n), ..v6(base + u128::from(n / 60_000), 1) }).collect(),
        ),
        ("networks", Affinity::SourceSubnet, (0..FLOWS).map(|n| v4(n << 8 | n & 0xff, 1)).collect()),
        (
            "IPv6 networks",
            Affinity::SourceSubnet,
            (0..FLOWS).map(|n| v6(base + (u128::from(n) << 64) + u128::from(n), 1)).collect(),
        ),
    ]
}

#[test]
fn flows_spread_evenly_over_the_slots() {
    // Chi-squared with k = SLOTS - 1 degrees of freedom has mean k and variance 2k: at that size nearly normal. Six standard
    // deviations, and the seeds are fixed.
    let freedom = (SLOTS - 1) as f64;
    let limit = freedom + 6.0 * (2.0 * freedom).sqrt();
    for seed in [0, 1, 2, 0xdead_beef, u64::MAX] {
        let keys = HashKeys::from_seed(seed);
        for (what, affinity, flows) in populations() {
            let mut slots = vec![0_u32; SLOTS];
            for flow in &flows {
                slots[usize::try_from(keys.hash(flow, affinity)).unwrap() % SLOTS] += 1;
            }
            let expected = flows.len() as f64 / SLOTS as f64;
            let chi_squared: f64 = slots.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
            assert!(chi_squared < limit, "{what}, seed {seed}: {chi_squared} is more than {limit}");
        }
    }
}

#[test]
fn different_flows_have_different_hashes() {
    let keys = HashKeys::from_seed(3);
    for (what, affinity, flows) in populations() {
        let hashes: HashSet<u64> = flows.iter().map(|flow| keys.hash(flow, affinity)).collect();
        // 163,840 flows make some 1.3e10 pairs, of which one in 2^32 may collide: about three.
        assert!(flows.len() - hashes.len() < 30, "{what}: {} of {}", hashes.len(), flows.len());
    }
}

#[test]
fn near_seeds_choose_independently() {
    for (what, affinity, flows) in populations() {
        let slot = |seed, flow| HashKeys::from_seed(seed).hash(flow, affinity) % SLOTS as u64;
        let same = flows.iter().take(20_000).filter(|flow| slot(7, flow) == slot(8, flow)).count();
        assert!(same < 30, "{what}: {same} of 20,000 flows keep their slot, five would by chance");
    }
}

#[test]
fn the_hash_is_the_one_that_running_edges_use() {
    // Edges of a cluster may run different versions: these values may only change with the layout version.
    let keys = HashKeys::from_seed(0x5eed);
    let (v4, v6) = (v4(0xc633_6407, 51_234), v6(7 + (0x2001_0db8 << 96), 51_234));
    let hashes = [
        keys.hash(&v4, Affinity::Flow),
        keys.hash(&v4, Affinity::SourceIp),
        keys.hash(&v6, Affinity::Flow),
        keys.hash(&v6, Affinity::SourceIp),
        keys.hash(&v4, Affinity::SourceIpPort),
        keys.hash(&v6, Affinity::SourceIpPort),
        keys.hash(&v4, Affinity::SourceSubnet),
        keys.hash(&v6, Affinity::SourceSubnet),
    ];
    let known = [
        15_502_171_223_614_708_390,
        4_875_900_997_052_010_045,
        16_410_182_129_351_869_122,
        9_578_018_065_228_012_103,
        5_365_881_270_292_923_420,
        392_785_538_505_712_838,
        1_215_792_326_125_386_789,
        1_019_939_347_528_401_701,
    ];
    assert_eq!(hashes, known);
}

fn flows() -> impl Strategy<Value = Flow> {
    let address = prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from),];
    (address, any::<u128>(), any::<(u16, u16, u8)>()).prop_map(
        |(source, vip, (source_port, destination_port, protocol))| {
            let destination = match source {
                IpAddr::V4(_) => IpAddr::from(Ipv4Addr::from_bits((vip & 0xffff_ffff) as u32)),
                IpAddr::V6(_) => IpAddr::from(Ipv6Addr::from_bits(vip)),
            };
            Flow {
                source: source.into(),
                destination: destination.into(),
                source_port,
                destination_port,
                protocol,
                padding: [0; 3],
            }
        },
    )
}

proptest! {
    #[test]
    fn an_affinity_sees_its_part_of_the_flow_and_nothing_else(seed: u64, a in flows(), b in flows(), host: u64) {
        let keys = HashKeys::from_seed(seed);
        let same = |affinity, other: Flow| keys.hash(&a, affinity) == keys.hash(&other, affinity);
        let moved = Flow { source: a.source, destination: a.destination, ..b };
        let neighbour = match IpAddr::from(a.source) {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() ^ u32::from(host.to_le_bytes()[0])).into(),
            IpAddr::V6(v6) => IpAddr::from(Ipv6Addr::from_bits(v6.to_bits() ^ u128::from(host))),
        };
        let of = |source: IpAddr| Flow { source: source.into(), ..moved };
        prop_assert!(same(Affinity::SourceIp, moved));
        let same_port = Flow { destination_port: a.destination_port, ..moved };
        prop_assert!(same(Affinity::SourceIpPort, same_port));
        let elsewhere = Flow { destination_port: !a.destination_port, ..moved };
        prop_assert!(!same(Affinity::SourceIpPort, elsewhere));
        prop_assert!(same(Affinity::SourceSubnet, of(neighbour)));
        let stranger = of(match IpAddr::from(a.source) {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() ^ 0x100).into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() ^ 1 << 64).into(),
        });
        for affinity in [Affinity::SourceIp, Affinity::SourceIpPort, Affinity::SourceSubnet] {
            let stranger = Flow { destination_port: a.destination_port, ..stranger };
            prop_assert!(!same(affinity, stranger));
        }
    }

    #[test]
    fn every_field_of_a_flow_counts(seed: u64, flow in flows(), bit in 0..16_u32) {
        let keys = HashKeys::from_seed(seed);
        let hash = |flow| keys.hash(&flow, Affinity::Flow);
        let flip = |address: Address| {
            let mut words = address.0;
            words[3] ^= 1 << bit;
            Address(words)
        };
        prop_assert_ne!(hash(flow), hash(Flow { source: flip(flow.source), ..flow }));
        prop_assert_ne!(hash(flow), hash(Flow { destination: flip(flow.destination), ..flow }));
        prop_assert_ne!(hash(flow), hash(Flow { source_port: flow.source_port ^ 1 << bit, ..flow }));
        prop_assert_ne!(hash(flow), hash(Flow { destination_port: flow.destination_port ^ 1 << bit, ..flow }));
        prop_assert_ne!(hash(flow), hash(Flow { protocol: flow.protocol ^ 1 << (bit % 8), ..flow }));
    }

    #[test]
    fn a_pattern_covers_what_agrees_with_its_fields(flow in flows()) {
        let any_port = Flow { source_port: 0, ..flow };
        let strict = Flow { source_port: flow.source_port | 1, ..flow };
        let elsewhere = Flow { source_port: strict.source_port ^ 2, ..flow };
        prop_assert!(Flow::default().covers(&flow));
        prop_assert!(flow.covers(&flow));
        prop_assert!(any_port.covers(&elsewhere));
        prop_assert!(!strict.covers(&elsewhere));
    }
}

proptest! {
    #[test]
    fn both_directions_are_one_flow_of_no_more_than_the_affinity_looks_at(
        (source, destination) in any::<(u32, u32)>(), (source_port, destination_port) in any::<(u16, u16)>(),
        protocol in any::<u8>(), wide in any::<bool>(),
    ) {
        let address = |number: u32| if wide { Address([1, number, 2, 3]) } else { Address::v4(number) };
        let flow = Flow {
            source: address(source), destination: address(destination), source_port, destination_port, protocol, padding: [0; 3],
        };
        for affinity in [Affinity::Flow, Affinity::SourceIpDestIpProto, Affinity::SourceIpDestIp] {
            let one = flow.both_ways(affinity);
            prop_assert_eq!(one, flow.reversed().both_ways(affinity));
            prop_assert_eq!(one, one.both_ways(affinity));
            prop_assert_ne!(one, flow);
            let ports = Flow { source_port: !source_port, ..flow }.both_ways(affinity);
            prop_assert_eq!(one == ports, affinity != Affinity::Flow);
            let other = Flow { protocol: !protocol, ..flow }.both_ways(affinity);
            prop_assert_eq!(one == other, affinity == Affinity::SourceIpDestIp);
        }
    }
}
