//! What can't be a piece of a datagram, what is for others, and what is only odd.

use nlb_common::drop_reason::DropReason;
use nlb_tests::packets::pieces::Piece;
use nlb_tests::packets::world::{VIPS, port};
use nlb_tests::packets::{Described, Segment, World};
use nlb_tests::run::Action;

use crate::{assert_sent, packet};

/// A piece of nothing in particular.
fn piece(packet: &Described, offset: usize, more: bool, length: usize) -> Vec<u8> {
    Piece { identification: 7, offset, more }.ip(packet, &vec![0xab; length])
}

/// A first piece: ports, and so many bytes in all.
fn first(packet: &Described, length: usize) -> Vec<u8> {
    Piece { identification: 7, offset: 0, more: true }.ip(packet, &packet.transport()[..length])
}

#[test]
fn what_cannot_be_a_piece_is_dropped_and_counted_even_if_its_datagram_is_known() {
    let world = World::new().unwrap();
    let mut expected = 0;
    for vip in VIPS {
        let header = if vip.contains(':') { 0 } else { 20 };
        for segment in [Segment::Data, Segment::Udp] {
            let packet = packet(vip, 1, segment);
            assert_sent(&world, &packet, &first(&packet, 64), 1);
            let mut table = vec![
                ("empty", 64, false, 0),
                ("empty, and more follow", 64, true, 0),
                ("no multiple of eight, and more follow", 64, true, 9),
                ("one byte, and more follow", 64, true, 1),
                ("beyond the longest datagram", 65_528, false, 8),
                ("beyond it by one byte", 65_504, false, 32 - header),
                ("far beyond it", 65_528, false, 1_000),
            ];
            if segment == Segment::Data {
                table.extend([("within the TCP header", 8, true, 64), ("within its end", 16, false, 64)]);
            }
            for (what, offset, more, length) in table {
                let frame = packet.frame_around(&piece(&packet, offset, more, length));
                let ran = world.edge.run(&frame).unwrap();
                assert_eq!((ran.action, &ran.packet), (Action::Drop, &frame), "{what}: {packet:?}");
                expected += 1;
                assert_eq!(world.edge.drops().unwrap(), [(DropReason::BadFragment, expected)], "{what}: {packet:?}");
            }
        }
    }
}

#[test]
fn pieces_that_overlap_or_come_twice_reach_the_same_target() {
    let world = World::new().unwrap();
    for vip in VIPS {
        for segment in [Segment::Data, Segment::Udp] {
            let packet = packet(vip, 1, segment);
            assert_sent(&world, &packet, &first(&packet, 64), 1);
            let pieces =
                [(24, true, 64), (24, true, 64), (32, true, 8), (40, true, 800), (65_496, false, 8), (64, false, 1)];
            for (offset, more, length) in pieces {
                assert_sent(&world, &packet, &piece(&packet, offset, more, length), 1);
            }
            assert_sent(&world, &packet, &first(&packet, 64), 1);
            assert_sent(&world, &packet, &first(&packet, 32), 1);
        }
    }
}

#[test]
fn a_first_piece_without_its_whole_header_is_dropped_and_those_that_follow_are() {
    let world = World::new().unwrap();
    for vip in VIPS {
        for (segment, length, reason) in [
            (Segment::Data, 8, DropReason::TruncatedTransport),
            (Segment::Data, 16, DropReason::TruncatedTransport),
            (Segment::Chunk, 8, DropReason::TruncatedTransport),
        ] {
            let packet = packet(vip, 1, segment);
            for (ip, reason) in
                [(first(&packet, length), reason), (piece(&packet, 24, true, 8), DropReason::FirstDropped)]
            {
                let before = world.edge.drops().unwrap();
                assert_eq!(world.edge.run(&packet.frame_around(&ip)).unwrap().action, Action::Drop);
                let count = |drops: &[(DropReason, u64)]| {
                    drops.iter().find(|(dropped, _)| *dropped == reason).map_or(0, |(_, packets)| *packets)
                };
                assert_eq!(count(&world.edge.drops().unwrap()), count(&before) + 1, "{packet:?} {reason:?}");
            }
        }
    }
}

#[test]
fn whatever_is_for_other_addresses_passes_untouched() {
    let mut world = World::new().unwrap();
    for stranger in ["203.0.113.11", "2001:db8:f::11"] {
        for segment in [Segment::Data, Segment::Udp] {
            let packet = packet(stranger, 1, segment);
            let sound = (0..120).step_by(8).map(|offset| (offset, true, 32));
            let odd = [(64, false, 0), (64, true, 9), (65_528, false, 800), (8, true, 8), (0, true, 0), (0, true, 3)];
            for (offset, more, length) in sound.chain(odd) {
                let frame = packet.frame_around(&piece(&packet, offset, more, length));
                let ran = world.edge.run(&frame).unwrap();
                assert_eq!((ran.action, &ran.packet), (Action::Pass, &frame), "{offset} {more} {length}: {packet:?}");
            }
        }
    }
    assert_eq!(world.edge.early().unwrap(), Vec::<Vec<u8>>::new());
    assert_eq!(world.edge.drops().unwrap(), []);
    assert_eq!(world.edge.datagrams().unwrap().len(), 0);
}

#[test]
fn a_datagram_to_a_port_of_nobody_passes_whole_unless_the_vip_is_exclusive() {
    let mut world = World::new().unwrap();
    for (vip, segment) in crate::services() {
        let packet = Described { payload: 100, ..Described::new(vip.parse().unwrap(), 7_999, segment) };
        let pieces = [first(&packet, 64), piece(&packet, 64, true, 8), piece(&packet, 72, false, 3)];
        for ip in &pieces {
            let frame = packet.frame_around(ip);
            let ran = world.edge.run(&frame).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Pass, frame), "{packet:?}");
        }
        world.edge.forget_datagrams().unwrap();
    }
    assert_eq!(world.edge.drops().unwrap(), []);
    let exclusive = nlb_common::tables::Vip { flags: nlb_common::tables::Vip::EXCLUSIVE };
    for vip in VIPS {
        let address = vip.parse::<std::net::IpAddr>().unwrap().into();
        world.edge.set_vip(address, Some(exclusive)).unwrap();
        let packet = Described { payload: 100, ..Described::new(vip.parse().unwrap(), port(0), Segment::Udp) };
        for ip in [first(&packet, 64), piece(&packet, 64, true, 8), piece(&packet, 72, false, 3)] {
            assert_eq!(world.edge.run(&packet.frame_around(&ip)).unwrap().action, Action::Drop);
        }
    }
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::Refused, 2), (DropReason::FirstDropped, 4)]);
}

#[test]
fn a_protocol_that_is_not_balanced_passes_whatever_the_order() {
    let mut world = World::new().unwrap();
    for vip in VIPS {
        let packet = packet(vip, 1, Segment::Udp);
        for offset in [64, 0, 128] {
            let ip = piece(&packet, offset, true, 64);
            let mut frame = packet.frame_around(&ip);
            // ICMP or ICMPv6: for IPv6 the fragment header says so.
            let (at, protocol) = if vip.contains(':') { (54, 58) } else { (23, 1) };
            frame[at] = protocol;
            let ran = world.edge.run(&frame).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Pass, frame), "{offset}");
        }
    }
    assert_eq!(world.edge.early().unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn an_atomic_fragment_is_a_whole_packet() {
    let world = World::new().unwrap();
    for segment in [Segment::Data, Segment::Udp, Segment::Chunk] {
        let packet = packet(VIPS[1], 1, segment);
        let ip = Piece { identification: 7, offset: 0, more: false }.ip(&packet, &packet.transport());
        assert_sent(&world, &packet, &ip, 1);
    }
    assert_eq!(world.edge.datagrams().unwrap().len(), 0, "nothing follows it");
}
