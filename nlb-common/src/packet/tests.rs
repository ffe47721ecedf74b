//! What the parser promises of any bytes at all, and of packets that are sound.

extern crate std;

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::network::MAX_EXTENSIONS;
use super::transport::Segment;
use super::*;

/// A frame as fields, encoded by hand: the parser's independent twin.
#[derive(Clone, Debug)]
struct Sound {
    tags: usize,
    v6: bool,
    /// IPv4: words of options. IPv6: the units of each extension header.
    options: usize,
    extensions: Vec<(u8, u8)>,
    tcp: bool,
    syn: bool,
    ports: (u16, u16),
    payload: usize,
    padding: usize,
    class: u8,
}

impl Sound {
    fn frame(&self) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        for tag in 0..self.tags {
            frame.extend(if tag == 0 && self.tags == 2 { [0x88, 0xa8, 0, 9] } else { [0x81, 0, 0, 7] });
        }
        frame.extend(if self.v6 { [0x86, 0xdd] } else { [0x08, 0x00] });
        let mut transport = Vec::new();
        transport.extend(self.ports.0.to_be_bytes());
        transport.extend(self.ports.1.to_be_bytes());
        if self.tcp {
            transport.extend([0; 8]);
            transport.extend([0x50, if self.syn { 2 } else { 0x10 }, 0, 0, 0, 0, 0, 0]);
        } else {
            transport.extend(u16::try_from(8 + self.payload).unwrap().to_be_bytes());
            transport.extend([0; 2]);
        }
        transport.extend(vec![0xab; self.payload]);
        let protocol = if self.tcp { 6 } else { 17 };
        if self.v6 {
            let kinds = self.extensions.iter().map(|(kind, _)| *kind).chain([protocol]);
            let mut behind = Vec::new();
            for ((_, units), next) in self.extensions.iter().zip(kinds.clone().skip(1)) {
                behind.extend([next, *units, 0, 0]);
                behind.extend(vec![0; usize::from(*units) * 8 + 4]);
            }
            behind.extend(transport);
            frame.extend([0x60 | self.class >> 4, self.class << 4, 0, 0]);
            frame.extend(u16::try_from(behind.len()).unwrap().to_be_bytes());
            frame.extend([kinds.clone().next().unwrap(), 64]);
            frame.extend([0x20; 16]);
            frame.extend([0x30; 16]);
            frame.extend(behind);
        } else {
            let header = 20 + self.options * 4;
            frame.extend([0x40 | u8::try_from(header / 4).unwrap(), self.class]);
            frame.extend(u16::try_from(header + transport.len()).unwrap().to_be_bytes());
            frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 1, 2, 3, 10, 4, 5, 6]);
            frame.extend(vec![1; self.options * 4]);
            frame.extend(transport);
        }
        frame.extend(vec![0xee; self.padding]);
        frame
    }
}

prop_compose! {
    fn sound()(
        (tags, v6, options) in (0..3_usize, any::<bool>(), 0..11_usize),
        extensions in prop::collection::vec((prop::sample::select(vec![0_u8, 43, 60]), 0..6_u8), 0..=MAX_EXTENSIONS),
        (tcp, syn, ports) in any::<(bool, bool, (u16, u16))>(),
        (payload, padding, class) in (0..50_usize, 0..20_usize, any::<u8>()),
    ) -> Sound {
        Sound { tags, v6, options, extensions, tcp, syn, ports, payload, padding, class }
    }
}

/// Everything that a parsed packet claims about the frame lies within it.
fn assert_within(packet: &Packet, frame: &[u8]) {
    assert!([14, 18, 22].contains(&packet.link.length));
    let end = packet.link.length + packet.network.length;
    assert!(end <= frame.len());
    assert!(packet.link.length + 20 <= packet.network.payload);
    assert_eq!(packet.network.payload + packet.network.payload_length, end);
    assert!(packet.network.payload_length >= 4);
    assert!([6, 17, 132].contains(&packet.network.protocol));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_sound_packet_is_read_as_it_was_written(sound in sound()) {
        let frame = sound.frame();
        let packet = Packet::parse(&frame[..]).unwrap();
        assert_within(&packet, &frame);
        prop_assert_eq!(packet.link.tags(), sound.tags);
        prop_assert_eq!(packet.link.length + packet.network.length + sound.padding, frame.len());
        prop_assert_eq!(packet.network.payload_length, sound.payload + if sound.tcp { 20 } else { 8 });
        prop_assert_eq!(packet.network.traffic_class, sound.class);
        prop_assert_eq!(packet.network.destination.is_v4(), !sound.v6);
        let flow = packet.flow();
        prop_assert_eq!(u16::from_be(flow.source_port), sound.ports.0);
        prop_assert_eq!(u16::from_be(flow.destination_port), sound.ports.1);
        prop_assert_eq!(packet.transport.segment.opens(), Ok(sound.tcp && sound.syn));
    }

    #[test]
    fn a_sound_packet_that_is_cut_off_is_never_taken(sound in sound(), cut in any::<prop::sample::Index>()) {
        let frame = sound.frame();
        let whole = frame.len() - sound.padding;
        let cut = cut.index(whole);
        prop_assert!(matches!(Packet::parse(&frame[..cut]), Err(Stop::Drop(_))));
    }

    #[test]
    fn any_bytes_are_read_without_leaving_them(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(packet) = Packet::parse(&bytes[..]) {
            assert_within(&packet, &bytes);
        }
    }

    #[test]
    fn damaged_packets_are_read_without_leaving_them(
        sound in sound(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut frame = sound.frame();
        for (at, byte) in damage {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        if let Ok(packet) = Packet::parse(&frame[..]) {
            assert_within(&packet, &frame);
            // What stands behind the packet changes nothing.
            let end = packet.link.length + packet.network.length;
            prop_assert_eq!(Packet::parse(&frame[..end]), Ok(packet));
        }
    }
}

#[test]
fn a_door_ends_where_its_bytes_end() {
    let bytes = [7_u8; 10];
    for offset in 0..20 {
        let expected = offset + 4 <= bytes.len();
        assert_eq!(bytes[..].header::<[u8; 4]>(offset).is_some(), expected, "at {offset}");
    }
    assert!(bytes[..].header::<[u8; 4]>(usize::MAX).is_none());
}

#[test]
fn reasons_are_numbered_in_the_order_of_their_lists() {
    for (number, reason) in NotOurs::ALL.iter().enumerate() {
        assert_eq!(*reason as usize, number);
    }
    for (number, reason) in DropReason::ALL.iter().enumerate() {
        assert_eq!(*reason as usize, number);
    }
}

#[test]
fn a_broken_segment_has_a_reason_of_its_own() {
    assert_eq!(Segment::Opens.opens(), Ok(true));
    assert_eq!(Segment::Continues.opens(), Ok(false));
    assert_eq!(Segment::Truncated.opens(), Err(DropReason::TruncatedTransport));
    assert_eq!(Segment::Bad.opens(), Err(DropReason::BadTransport));
}
