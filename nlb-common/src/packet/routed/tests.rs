//! What of a packet makes its flow, by kind of packet.

extern crate std;

use core::net::{Ipv4Addr, Ipv6Addr};
use std::vec;
use std::vec::Vec;

use super::*;
use crate::hash::Affinity;

const HERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const THERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// An IPv4 packet with that fragment field.
fn v4(source: Ipv4Addr, destination: Ipv4Addr, fragment: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 1];
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(payload);
    packet
}

/// An IPv6 packet with whatever follows its header.
fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, length[0], length[1], next, 64];
    packet.extend(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets());
    packet.extend(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2).octets());
    packet.extend(payload);
    packet
}

fn tcp(source: u16, destination: u16, flags: u8) -> Vec<u8> {
    let ports = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    [&ports[..], &[0; 8], &[0x50, flags, 0, 0, 0, 0, 0, 0]].concat()
}

fn ports(routed: &Routed) -> (u8, u16, u16) {
    (routed.flow.protocol, u16::from_be(routed.flow.source_port), u16::from_be(routed.flow.destination_port))
}

#[test]
fn what_shows_its_ports_is_a_flow_of_them_and_anything_else_one_of_addresses_and_protocol() {
    const MORE: u16 = 0x2000;
    let read = |packet: &[u8]| Routed::read::<V4, _>(packet, 0).unwrap();
    for (what, fragment, protocol, payload, expected) in [
        ("TCP", 0, 6, tcp(1_000, 80, Tcp::ACK), (6, 1_000, 80)),
        ("UDP", 0, 17, tcp(1_000, 53, 0), (17, 1_000, 53)),
        ("SCTP", 0, 132, tcp(1_000, 53, 0), (132, 0, 0)),
        ("ESP", 0, 50, tcp(1_000, 53, 0), (50, 0, 0)),
        ("an echo request", 0, 1, vec![8, 0, 0, 0, 0, 1, 0, 1], (1, 0, 0)),
        ("nothing", 0, 255, vec![], (255, 0, 0)),
        ("a first fragment", MORE, 17, tcp(1_000, 53, 0), (17, 0, 0)),
        ("a later fragment", 100, 17, tcp(1_000, 53, 0), (17, 0, 0)),
        ("UDP without room for ports", 0, 17, vec![1, 2], (17, 0, 0)),
    ] {
        let routed = read(&v4(HERE, THERE, fragment, protocol, &payload));
        assert_eq!((ports(&routed), routed.is_about), (expected, false), "{what}");
        assert_eq!(routed.network.length, 20 + payload.len(), "{what}");
        assert_eq!(routed.flow.source, Address::v4(u32::from_ne_bytes(HERE.octets())), "{what}");
    }
    for (what, next, payload, protocol) in [
        ("a fragment", 44, vec![17, 0, 0, 1, 0, 0, 0, 7, 1, 2, 3, 4], 44),
        ("no payload", 59, vec![], 59),
        ("nodes to visit", 43, [&[6, 0, 0, 1, 0, 0, 0, 0][..], &tcp(1, 2, 2)].concat(), 43),
    ] {
        let routed = Routed::read::<V6, _>(&v6(next, &payload)[..], 0).unwrap();
        assert_eq!((ports(&routed), routed.opens), ((protocol, 0, 0), false), "{what}");
    }
    let behind = [&[6, 0, 1, 4, 0, 0, 0, 0][..], &tcp(1_000, 80, Tcp::SYN)].concat();
    let routed = Routed::read::<V6, _>(&v6(60, &behind)[..], 0).unwrap();
    assert_eq!((ports(&routed), routed.opens), ((6, 1_000, 80), true));
}

#[test]
fn flags_of_tcp_are_those_of_the_packet() {
    for (flags, opens) in [(Tcp::SYN, true), (Tcp::SYN | Tcp::ACK, false), (Tcp::FIN | Tcp::ACK, false)] {
        let routed = Routed::read::<V4, _>(&v4(HERE, THERE, 0, 6, &tcp(1, 2, flags))[..], 0).unwrap();
        assert_eq!((routed.opens, routed.tcp_flags), (opens, flags));
    }
}

#[test]
fn an_error_is_about_the_flow_that_it_quotes_in_whichever_direction() {
    let router = Ipv4Addr::new(192, 0, 2, 1);
    let packet = v4(HERE, THERE, 0, 6, &tcp(1_000, 80, Tcp::ACK));
    let of = |routed: Routed| routed.flow.both_ways(Affinity::Flow);
    let expected = of(Routed::read::<V4, _>(&packet[..], 0).unwrap());
    let back = v4(THERE, HERE, 0, 6, &tcp(80, 1_000, Tcp::ACK));
    assert_eq!(of(Routed::read::<V4, _>(&back[..], 0).unwrap()), expected);
    for (quoted, to) in [(&packet, HERE), (&back, THERE)] {
        let error = v4(router, to, 0, 1, &[&[3, 1, 0, 0, 0, 0, 0, 0], &quoted[..28]].concat());
        let routed = Routed::read::<V4, _>(&error[..], 0).unwrap();
        assert_eq!((of(routed), routed.is_about), (expected, true));
    }
}
