//! What the edge writes has each byte in its place, and is read as it was written; nothing else is taken for it.

extern crate std;

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::address::Address;
use crate::packet::network::{Family, V4, V6};
use crate::tables::Target;
use crate::wire::{Ipv4, Ipv6};

fn bytes<H: Header>(header: H) -> Vec<u8> {
    // SAFETY: a `Header` has no padding: each of its bytes is initialised.
    unsafe { std::slice::from_raw_parts((&raw const header).cast::<u8>(), size_of::<H>()) }.to_vec()
}

const SAID: Said =
    Said { endpoint: 0x0102_0304_0506_0708, interface: 0x1112_1314, target: 0x2122_2324, cookie: 0x3132_3334 };

fn packet<O: Outer>(inner: EtherType, said: Said, hash: u64, length: usize) -> Vec<u8> {
    let (destination, source) = if size_of::<O>() == Ipv4::LENGTH {
        (Address::v4(0x0a00_004d_u32.to_be()), Address::v4(0x0a00_ff01_u32.to_be()))
    } else {
        (Address([1, 2, 3, 4]), Address([5, 6, 7, 8]))
    };
    let target = Target { destination, source, ..Target::default() };
    let carried = carried(Carried { protocol: protocol::IPV4, length, traffic_class: 0 });
    let outer = bytes(O::new(carried, &target, hash).unwrap());
    [outer, bytes(Geneve::new(carried, inner, said, hash)), vec![0xab; length]].concat()
}

#[test]
fn each_byte_stands_where_the_rfc_and_the_options_have_it() {
    let carried = carried(Carried { protocol: protocol::IPV6, length: 5, traffic_class: 0 });
    let header = bytes(Geneve::new(carried, EtherType::IPV6, SAID, 0x0000_1234_0000_0000));
    let expected = [
        &[0xd2, 0x34, 0x17, 0xc1, 0, 53, 0, 0][..],
        &[0x08, 0, 0x86, 0xdd, 0, 0, 0, 0],
        &[0x01, 0x08, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0x01, 0x08, 2, 2, 0x11, 0x12, 0x13, 0x14, 0x21, 0x22, 0x23, 0x24],
        &[0x01, 0x08, 3, 1, 0x31, 0x32, 0x33, 0x34],
    ];
    assert_eq!(header, expected.concat());
}

fn round_trip<F: Family, O: Outer>(hash: u64, said: Said, length: usize) {
    for (inner, number) in [(EtherType::IPV4, protocol::IPV4), (EtherType::IPV6, protocol::IPV6)] {
        let packet = packet::<O>(inner, said, hash, length);
        let outer = F::read(&packet[..], 0).unwrap();
        assert!(is_geneve(&packet[..], &outer));
        let (received, found) = read(&packet[..], &outer).unwrap();
        let payload = packet.len() - length;
        assert_eq!((received, found), (Received { protocol: number, payload, payload_length: length }, said));
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        hash in any::<u64>(), endpoint in any::<u64>(), (interface, target, cookie) in any::<(u32, u32, u32)>(),
        length in 0_usize..100,
    ) {
        let said = Said { endpoint, interface, target, cookie };
        round_trip::<V4, Ipv4>(hash, said, length);
        round_trip::<V6, Ipv6>(hash, said, length);
    }

    #[test]
    fn whatever_stands_there_is_read_without_leaving_the_packet(
        damage in prop::collection::vec((20_usize..80, any::<u8>()), 0..6), cut in 0_usize..90,
    ) {
        let mut packet = packet::<Ipv4>(EtherType::IPV4, SAID, 7, 12);
        for (at, byte) in damage {
            packet[at] = byte;
        }
        packet.truncate(cut);
        let outer = Network {
            source: Address::default(), destination: Address::default(), protocol: protocol::UDP, traffic_class: 0,
            length: cut, payload: 20, payload_length: cut.saturating_sub(20),
        };
        if let Ok((received, _)) = read(&packet[..], &outer) {
            prop_assert!(received.payload + received.payload_length <= cut);
        }
    }
}

#[test]
fn what_is_no_edges_is_not_taken_for_one() {
    let sound = packet::<Ipv4>(EtherType::IPV4, SAID, 7, 12);
    let outer = V4::read(&sound[..], 0).unwrap();
    // Offset from the outer IP header, and what stands there instead.
    for (what, at, byte) in [
        ("version 1", 28, 0x48),
        ("no options", 28, 0),
        ("one word of options more", 28, 9),
        ("a control message", 29, 0x80),
        ("Ethernet inside", 30, 0x65),
        ("another class of option", 37, 0x09),
        ("another first option", 38, 2),
        ("a longer first option", 39, 3),
        ("another second option", 50, 3),
        ("another third option", 62, 4),
        ("a critical option", 62, 0x83),
        ("a UDP length beyond the packet", 25, 61),
        ("a UDP length within the headers", 25, 47),
    ] {
        let mut packet = sound.clone();
        packet[at] = byte;
        assert_eq!(read(&packet[..], &outer), Err(Malformed), "{what}");
    }
    // An appliance may set what RFC 8926 has receivers ignore.
    for (at, byte) in [(29, 0x3f), (32, 7), (35, 1), (26, 0xbe)] {
        let mut packet = sound.clone();
        packet[at] = byte;
        assert!(read(&packet[..], &outer).is_ok(), "byte {at}");
    }
}
