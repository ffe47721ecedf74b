//! Tables of ICMP and ICMPv6 messages for the edge's program: what a VIP answers, and what passes.

use std::net::IpAddr;

use nlb_common::address::Address;
use nlb_common::way::WayOutcome;
use nlb_tests::packets::described::{TAGGINGS, networks};
use nlb_tests::packets::icmp::{Message, returned, way_back};
use nlb_tests::packets::world::{VIPS, port};
use nlb_tests::packets::{Described, Network, Segment, World};
use nlb_tests::run::Action;

fn carrier(vip: &str) -> Described {
    Described::new(vip.parse().unwrap(), port(1), Segment::Udp)
}

fn payload(length: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(length).collect()
}

fn assert_passed(world: &World, frame: &[u8], what: &str) {
    let ran = world.edge.run(frame).unwrap();
    assert_eq!((ran.action, ran.packet.as_slice()), (Action::Pass, frame), "{what}: {frame:02x?}");
}

#[test]
fn an_echo_to_a_vip_is_answered_by_the_same_packet_turned_round() {
    let world = World::new().unwrap();
    let mut asked = 0;
    for network in networks(8) {
        let vip = VIPS[usize::from(matches!(network, Network::V6(_)))];
        for tags in TAGGINGS {
            for (length, padding, traffic_class) in [(0, 0, 0), (1, 17, 0xb8), (56, 0, 3), (400, 3, 0xff)] {
                let there =
                    Described { tags: tags.to_vec(), network: network.clone(), padding, traffic_class, ..carrier(vip) };
                let ran = world.edge.run(&Message::echo(false, payload(length)).frame(&there)).unwrap();
                let answer = Message::echo(true, payload(length)).ip(&way_back(&there));
                assert_eq!((ran.action, ran.packet), (Action::Tx, returned(&there, &answer)), "{there:?}, {length}");
                asked += 1;
            }
        }
    }
    assert_eq!(world.edge.way_outcomes().unwrap(), [(WayOutcome::Echo, asked)]);
    assert_eq!(world.edge.drops().unwrap(), []);
}

#[test]
fn a_broken_checksum_stays_as_broken_as_it_was() {
    let world = World::new().unwrap();
    for vip in VIPS {
        let there = carrier(vip);
        let at = there.link_length() + there.header_length() + 2;
        let mut asked = Message::echo(false, payload(56)).frame(&there);
        let mut expected = returned(&there, &Message::echo(true, payload(56)).ip(&way_back(&there)));
        for frame in [&mut asked, &mut expected] {
            // Added by one's complement, as sums of checksums are.
            let (sum, carry) = u16::from_be_bytes([frame[at], frame[at + 1]]).overflowing_add(0x1111);
            frame[at..at + 2].copy_from_slice(&(sum + u16::from(carry)).to_be_bytes());
        }
        let ran = world.edge.run(&asked).unwrap();
        assert_eq!((ran.action, ran.packet), (Action::Tx, expected));
    }
}

#[test]
fn whatever_is_no_echo_to_a_vip_from_a_single_host_passes_untouched() {
    let world = World::new().unwrap();
    let echo = Message::echo(false, payload(56));
    for (vip, stranger) in VIPS.into_iter().zip(["203.0.113.11", "2001:db8:f::11"]) {
        assert_passed(&world, &echo.frame(&carrier(stranger)), "to an address of nobody");
        assert_passed(&world, &Message::echo(true, payload(56)).frame(&carrier(vip)), "an answer");
        let there = carrier(vip);
        let at = there.link_length() + there.header_length();
        let request = echo.frame(&there);
        for kind in (0..=u8::MAX).filter(|kind| *kind != request[at]) {
            let mut frame = request.clone();
            frame[at] = kind;
            assert_passed(&world, &frame, "another type");
        }
        let mut frame = request.clone();
        frame[at + 1] = 1;
        assert_passed(&world, &frame, "another code");
        let whole = echo.ip(&there)[there.header_length()..].to_vec();
        for length in 1..8 {
            let number = if there.source.0.is_ipv4() { 1 } else { 58 };
            let short = there.ip_carrying(number.into(), &whole[..length]);
            assert_passed(&world, &there.frame_around(&short), "shorter than its header");
        }
    }
    for (vip, sources) in [
        (VIPS[0], ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"]),
        (VIPS[1], ["::", "::1", "ff02::1", "ff0e::1"]),
    ] {
        for source in sources {
            let there = Described { source: (source.parse().unwrap(), 1), ..carrier(vip) };
            assert_passed(&world, &echo.frame(&there), source);
        }
    }
    assert_eq!(world.edge.way_outcomes().unwrap(), []);
}

#[test]
fn an_address_is_answered_for_as_long_as_it_is_a_vip() {
    let mut world = World::new().unwrap();
    for vip in VIPS {
        let frame = Message::echo(false, payload(8)).frame(&carrier(vip));
        assert_eq!(world.edge.run(&frame).unwrap().action, Action::Tx);
        world.edge.set_vip(Address::from(vip.parse::<IpAddr>().unwrap()), None).unwrap();
        assert_passed(&world, &frame, "no VIP any more");
    }
}
