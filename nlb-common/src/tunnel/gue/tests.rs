//! What the edge writes is read as it was written, and whatever else stands there does no harm.

extern crate std;

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::address::Address;
use crate::packet::network::{Family, V4, V6};
use crate::tables::Target;

fn target(v4: bool) -> Target {
    let (destination, source) = if v4 {
        (Address::v4(0x0a00_004d_u32.to_be()), Address::v4(0x0a00_ff01_u32.to_be()))
    } else {
        (Address([1, 2, 3, 4]), Address([5, 6, 7, 8]))
    };
    Target { destination, source, flags: Target::READY | Target::GUE, ..Target::default() }
}

fn bytes<H: Header>(header: H) -> Vec<u8> {
    // SAFETY: a `Header` has no padding: each of its bytes is initialised.
    unsafe { std::slice::from_raw_parts((&raw const header).cast::<u8>(), size_of::<H>()) }.to_vec()
}

fn packet<O: Outer>(hash: u64, length: usize, second: Option<Address>) -> Vec<u8> {
    let private = second.map(|second| bytes(Second::new(O::wire(second)))).unwrap_or_default();
    let carried = carried(Carried { protocol: protocol::IPV4, length, traffic_class: 0 }, private.len());
    let target = target(size_of::<O>() == Ipv4::LENGTH);
    let outer = bytes(O::new(carried, &target, hash).unwrap());
    let gue = bytes(Gue::new(carried, private.len(), protocol::IPV4, hash));
    [outer, gue, private, vec![0xab; length]].concat()
}

fn round_trip<F: Family, O: SendOn>(hash: u64, length: usize, named: Address) {
    for named in [None, Some(named)] {
        let packet = packet::<O>(hash, length, named);
        let outer = F::read(&packet[..], 0).unwrap();
        assert!(is_gue(&packet[..], &outer));
        let received = read(&packet[..], &outer).unwrap();
        assert_eq!((received.protocol, received.payload_length), (protocol::IPV4, length));
        assert_eq!(received.payload + length, packet.len());
        let found = second::<O, _>(&packet[..], 0, &received);
        assert_eq!(found.and_then(|(_, second)| second.address()).map(O::address), named);
        let Some((at, second_target)) = found else { continue };
        // Where it was sent on to, it is a packet as before, but not one that is sent on again.
        let header = packet[..].header::<O>(0).unwrap().redirected(second_target.address().unwrap());
        let after = bytes(second_target.after_hop());
        let again = [&bytes(header)[..], &packet[size_of::<O>()..at], &after, &packet[at + after.len()..]].concat();
        let outer_again = F::read(&again[..], 0).unwrap();
        assert_eq!((Some(outer_again.destination), outer_again.source), (named, outer.source));
        assert_eq!(read(&again[..], &outer_again), Ok(received));
        assert!(second::<O, _>(&again[..], 0, &received).is_none());
    }
}

#[test]
fn packets_are_longer_by_what_the_documentation_says() {
    let second = Address([1; 4]);
    assert_eq!((packet::<Ipv4>(0, 0, None).len(), packet::<Ipv6>(0, 0, None).len()), (32, 52));
    assert_eq!((packet::<Ipv4>(0, 0, Some(second)).len(), packet::<Ipv6>(0, 0, Some(second)).len()), (40, 72));
}

#[test]
fn a_packet_too_long_for_its_length_fields_gets_no_header() {
    let fits = |length| {
        let carried = carried(Carried { protocol: protocol::IPV4, length, traffic_class: 0 }, 0);
        let v4 = <Ipv4 as Outer>::new(carried, &target(true), 0).is_some();
        let v6 = <Ipv6 as Outer>::new(carried, &target(false), 0).is_some();
        (v4, v6)
    };
    assert_eq!(fits(65_535 - 32), (true, true));
    assert_eq!(fits(65_535 - 31), (false, true));
    assert_eq!(fits(65_535 - 12), (false, true));
    assert_eq!(fits(65_535 - 11), (false, false));
}

#[test]
fn private_data_of_others_is_skipped_and_never_followed() {
    let named = Address::v4(0x0a00_0001);
    for (at, byte) in [(32, b'x'), (33, b'x'), (34, 0), (34, 2), (35, 0)] {
        let mut packet = packet::<Ipv4>(7, 40, Some(named));
        packet[at] = byte;
        let received = read(&packet[..], &V4::read(&packet[..], 0).unwrap()).unwrap();
        assert_eq!(received.payload, 40);
        assert!(second::<Ipv4, _>(&packet[..], 0, &received).is_none(), "byte {at} is {byte}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(hash: u64, length in 0..3_000_usize, second: [u32; 4]) {
        round_trip::<V4, Ipv4>(hash, length, Address::v4(second[3]));
        round_trip::<V6, Ipv6>(hash, length, Address(second));
    }

    #[test]
    fn source_ports_are_those_that_nobody_is_given(hash: u64) {
        let packet = packet::<Ipv4>(hash, 0, None);
        prop_assert!(u16::from_be_bytes([packet[20], packet[21]]) >= 49_152);
    }

    #[test]
    fn what_is_read_lies_within_the_packet(
        damage in prop::collection::vec((20..40_usize, any::<u8>()), 0..6),
        length in 0..60_usize,
        cut in 28..100_usize,
    ) {
        let mut packet = packet::<Ipv4>(1, length, Some(Address::v4(1)));
        for (at, byte) in damage {
            packet[at] = byte;
        }
        let outer = V4::read(&packet[..], 0).unwrap();
        packet.truncate(cut);
        if let Ok(received) = read(&packet[..], &outer) {
            prop_assert!(received.payload + received.payload_length <= outer.length);
            second::<Ipv4, _>(&packet[..], 0, &received);
        }
    }
}
