//! Patterns against a model that counts bits, and records against bytes.

extern crate std;

use core::net::IpAddr;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::address::Address;
use crate::hash::Flow;

fn headers(source: IpAddr, source_port: u16, destination: IpAddr, destination_port: u16) -> Headers {
    let flow = Flow {
        source: source.into(),
        destination: destination.into(),
        source_port: source_port.to_be(),
        destination_port: destination_port.to_be(),
        protocol: 6,
        padding: [0; 3],
    };
    Headers { version: if source.is_ipv4() { 4 } else { 6 }, flow }
}

fn bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
}

/// Addresses that often have a long beginning in common.
fn address() -> impl Strategy<Value = IpAddr> {
    let near = 0_u32..16;
    prop_oneof![
        any::<u32>().prop_map(|word| IpAddr::from(word.to_be_bytes())),
        near.clone().prop_map(|low| IpAddr::from((0x0a00_0000 | low).to_be_bytes())),
        any::<u128>().prop_map(|word| IpAddr::from(word.to_be_bytes())),
        near.prop_map(|low| IpAddr::from((0x2001_0db8_u128 << 96 | u128::from(low) << 60).to_be_bytes())),
    ]
}

proptest! {
    #[test]
    fn a_network_holds_what_agrees_in_as_many_bits(network in address(), other in address(), length in 0_u8..=128) {
        let length = if network.is_ipv4() { length % 33 } else { length };
        let pattern = Pattern { destination: Network::new(network.into(), length), ..Pattern::default() };
        let agree = bits(network).iter().zip(bits(other)).take_while(|(a, b)| **a == *b).count();
        let expected = network.is_ipv4() == other.is_ipv4() && agree >= usize::from(length);
        prop_assert_eq!(pattern.covers(&headers(other, 1, other, 2)), expected);
    }
}

#[test]
fn each_end_is_looked_at_for_ends_and_one_for_the_destination() {
    let [client, vip, other] =
        ["198.51.100.7", "192.0.2.10", "203.0.113.1"].map(|text| text.parse::<IpAddr>().unwrap());
    let there = headers(client, 40_000, vip, 80);
    let back = headers(vip, 80, client, 40_000);
    let host = |address: IpAddr| Network::new(address.into(), 32);
    let port = |first, last| PortRange { first, last };
    for (pattern, covers_there, covers_back) in [
        (Pattern::default(), true, true),
        (Pattern { ends: [host(client), host(vip)], ..Pattern::default() }, true, true),
        (Pattern { ends: [host(client), host(other)], ..Pattern::default() }, false, false),
        (Pattern { destination: host(vip), ..Pattern::default() }, true, false),
        (Pattern { ports: [port(80, 80), port(1, 65_535)], ..Pattern::default() }, true, true),
        (Pattern { ports: [port(81, 90), port(0, 0)], ..Pattern::default() }, false, false),
        (Pattern { destination_ports: port(1, 1_023), ..Pattern::default() }, true, false),
        (Pattern { protocol: 6, ..Pattern::default() }, true, true),
        (Pattern { protocol: 17, ..Pattern::default() }, false, false),
    ] {
        assert_eq!((pattern.covers(&there), pattern.covers(&back)), (covers_there, covers_back), "{pattern:?}");
    }
}

#[test]
fn a_packet_without_addresses_or_ports_is_covered_by_what_asks_for_none() {
    let nothing = Headers::default();
    assert!(Pattern::default().covers(&nothing));
    for all in ["0.0.0.0", "::"] {
        let network = Network::new(Address::from(all.parse::<IpAddr>().unwrap()), 0);
        assert!(!Pattern { destination: network, ..Pattern::default() }.covers(&nothing), "{all}");
    }
    assert!(
        !Pattern { destination_ports: PortRange { first: 1, last: 65_535 }, ..Pattern::default() }.covers(&nothing)
    );
}

#[test]
fn headers_are_read_of_fragments_and_of_what_is_cut_off() {
    let mut frame = [0_u8; 14 + 20 + 8];
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame[14] = 0x45;
    frame[17] = 28;
    frame[23] = 17;
    frame[26..34].copy_from_slice(&[198, 51, 100, 7, 192, 0, 2, 10]);
    frame[34..38].copy_from_slice(&[0x9c, 0x40, 0, 53]);
    let whole = Headers::read(&frame[..]);
    assert_eq!((whole.version, whole.flow.protocol), (4, 17));
    assert_eq!((u16::from_be(whole.flow.source_port), u16::from_be(whole.flow.destination_port)), (40_000, 53));
    let without_ports = Flow { source_port: 0, destination_port: 0, ..whole.flow };
    frame[20] = 0x20;
    assert_eq!(Headers::read(&frame[..]).flow, without_ports, "a fragment");
    frame[20] = 0;
    assert_eq!(Headers::read(&frame[..36]).flow, without_ports, "cut off");
    assert_eq!(Headers::read(&frame[..33]), Headers::default(), "cut off within the IP header");
    frame[13] = 0x06;
    assert_eq!(Headers::read(&frame[..]), Headers::default(), "ARP");
}

#[test]
fn a_record_is_read_with_the_bytes_that_it_says_and_never_with_fewer() {
    let record = Record {
        received: 1,
        decided: 2,
        interface: 3,
        action: 1,
        reason: 0,
        outcome: NONE,
        length_before: 60,
        kept_before: 3,
        length_after: 80,
        kept_after: 2,
    };
    // SAFETY: a record is numbers without a gap between them.
    let header = unsafe { core::mem::transmute::<Record, [u8; size_of::<Record>()]>(record) };
    let mut bytes = header.to_vec();
    bytes.extend([1, 2, 3, 4, 5, 6]);
    assert_eq!(Record::parse(&bytes), Some((record, &[1, 2, 3][..], &[4, 5][..])));
    assert_eq!(Record::parse(&bytes[..size_of::<Record>() + 4]), None);
    assert_eq!(Record::parse(&bytes[..size_of::<Record>() - 1]), None);
    assert_eq!(record.drop_reason(), Some(crate::drop_reason::DropReason::TruncatedLink));
    assert_eq!(record.way_outcome(), None);
}
