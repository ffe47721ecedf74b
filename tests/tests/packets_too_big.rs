//! Packets that don't fit the way to their target, for the edge's program: their senders are told what fits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nlb_common::drop_reason::DropReason;
use nlb_common::tables::Target;
use nlb_common::way::WayOutcome;
use nlb_tests::packets::described::{TAGGINGS, networks};
use nlb_tests::packets::icmp::{Message, told};
use nlb_tests::packets::world::{VIPS, port, target};
use nlb_tests::packets::{Described, Network, Segment, World};
use nlb_tests::run::Action;

/// As much of a packet as an answer quotes: 576 bytes in all, or 1,280.
const QUOTE: [usize; 2] = [548, 1_232];

/// A client that nobody has seen yet: for IPv6 in a /64 of its own.
fn client(v6: bool, number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    if v6 {
        Ipv6Addr::new(0x2001, 0xdb8, 0xc, number, 0, 0, 0, 7).into()
    } else {
        Ipv4Addr::new(198, 18, high, low).into()
    }
}

fn answered(packet: &Described, mtu: u16) -> Vec<u8> {
    let ip = packet.ip();
    let quoted = ip.len().min(QUOTE[usize::from(packet.source.0.is_ipv6())]);
    told(packet, &Message::too_big(mtu, &ip[..quoted]))
}

#[test]
fn a_packet_that_just_fits_goes_on_and_a_longer_one_is_answered_with_what_fits() {
    let mut world = World::new().unwrap();
    let mut number = 0;
    let mut told = 0;
    for (mtu, gue) in [(1_480, 0), (1_460, Target::GUE), (1_280, 0), (700, 0), (300, 0)] {
        let of = |way| Target { mtu, flags: Target::READY | gue, ..target(way) };
        let targets = [1, 2, 3, 4].map(|way| world.add(of(way)).unwrap());
        for network in networks(3) {
            let v6 = matches!(network, Network::V6(_));
            for tags in TAGGINGS {
                for segment in [Segment::Data, Segment::Udp] {
                    number += 1;
                    let packet = Described {
                        tags: tags.to_vec(),
                        network: network.clone(),
                        traffic_class: 0xbb,
                        padding: usize::from(number % 3),
                        payload: 0,
                        ..Described::new(
                            VIPS[usize::from(v6)].parse().unwrap(),
                            port(targets[usize::from(number % 4)]),
                            segment,
                        )
                    };
                    let packet = Described { source: (client(v6, number), 51_234), ..packet };
                    let Some(room) = usize::from(mtu).checked_sub(packet.ip().len()) else { continue };
                    let fits = Described { payload: room, ..packet.clone() };
                    let index = targets[usize::from(number % 4)];
                    let tunnelled = world.tunnel(&fits, index).frame(&fits.tags, &fits.ip(), &fits.pad());
                    assert_eq!(world.edge.run(&fits.frame()).unwrap().packet, tunnelled, "{fits:?}");
                    let longer = Described { payload: room + 1 + usize::from(number % 7), ..packet };
                    let ran = world.edge.run(&longer.frame()).unwrap();
                    assert_eq!((ran.action, ran.packet), (Action::Tx, answered(&longer, mtu)), "{longer:?}");
                    told += 1;
                }
            }
        }
    }
    assert_eq!(world.edge.way_outcomes().unwrap(), [(WayOutcome::TooBig, told)]);
    assert_eq!(world.edge.drops().unwrap(), []);
}

#[test]
fn a_source_is_told_so_often_and_no_more_and_others_are_told_all_the_same() {
    const SENT: u16 = 500;
    let mut world = World::new().unwrap();
    let index = world.add(Target { mtu: 1_400, ..target(1) }).unwrap();
    for vip in VIPS {
        let v6 = vip.contains(':');
        let packet = Described { payload: 1_440, ..Described::new(vip.parse().unwrap(), port(index), Segment::Data) };
        let from = |source| Described { source: (source, 7), ..packet.clone() };
        let before = world.edge.drops().unwrap().iter().map(|(_, packets)| packets).sum::<u64>();
        let mut answers = 0;
        for number in 0..SENT {
            // Addresses of one /64 are one source.
            let source = if v6 { Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, number).into() } else { client(v6, 9) };
            match world.edge.run(&from(source).frame()).unwrap().action {
                Action::Tx => answers += 1,
                action => assert_eq!(action, Action::Drop),
            }
        }
        let drops = world.edge.drops().unwrap();
        assert!((50..SENT).contains(&answers), "{answers} answers");
        assert_eq!(drops, [(DropReason::TooBig, before + u64::from(SENT - answers))]);
        assert_eq!(world.edge.run(&from(client(v6, 10)).frame()).unwrap().action, Action::Tx, "another source");
    }
}

#[test]
fn nobody_is_told_who_is_not_a_single_host() {
    let mut world = World::new().unwrap();
    let index = world.add(Target { mtu: 1_400, ..target(1) }).unwrap();
    for (vip, source) in [(VIPS[0], "255.255.255.255"), (VIPS[0], "0.0.0.0"), (VIPS[1], "ff02::1"), (VIPS[1], "::")] {
        let packet = Described { payload: 1_440, ..Described::new(vip.parse().unwrap(), port(index), Segment::Udp) };
        let packet = Described { source: (source.parse().unwrap(), 7), ..packet };
        let ran = world.edge.run(&packet.frame()).unwrap();
        assert_eq!((ran.action, ran.packet), (Action::Drop, packet.frame()), "{source}");
    }
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::TooBig, 4)]);
    assert_eq!(world.edge.way_outcomes().unwrap(), []);
}
