//! Packets for a port without listener, for the edge's program: an exclusive VIP refuses them, any other lets them pass.

use std::net::IpAddr;

use etherparse::TcpHeader;
use nlb_common::address::Address;
use nlb_common::drop_reason::DropReason;
use nlb_common::tables::Vip;
use nlb_common::way::WayOutcome;
use nlb_tests::packets::described::{TAGGINGS, networks};
use nlb_tests::packets::icmp::{Message, returned, told};
use nlb_tests::packets::reference::reset;
use nlb_tests::packets::world::VIPS;
use nlb_tests::packets::{Described, Network, Segment, World};
use nlb_tests::run::Action;

/// As much of a packet as an error message quotes: 576 bytes in all, or 1,280.
const QUOTE: [usize; 2] = [548, 1_232];
/// The port of nobody.
const PORT: u16 = 7_999;

fn world(flags: u32) -> World {
    let mut world = World::new().unwrap();
    for vip in VIPS {
        world.edge.set_vip(Address::from(vip.parse::<IpAddr>().unwrap()), Some(Vip { flags })).unwrap();
    }
    world
}

/// A packet of a client of its own.
fn packet(network: &Network, segment: Segment, client: u16) -> Described {
    let v6 = matches!(network, Network::V6(_));
    let [high, low] = client.to_be_bytes();
    let source: IpAddr = if v6 { [0x2001, 0xdb8, 0xc, client, 0, 0, 0, 7].into() } else { [198, 18, high, low].into() };
    let packet = Described::new(VIPS[usize::from(v6)].parse().unwrap(), PORT, segment);
    Described { source: (source, 51_234), network: network.clone(), ..packet }
}

fn refused(packet: &Described) -> Vec<u8> {
    if packet.segment == Segment::Udp {
        let ip = packet.ip();
        let quoted = ip.len().min(QUOTE[usize::from(packet.source.0.is_ipv6())]);
        told(packet, &Message::port_unreachable(&ip[..quoted]))
    } else {
        let (asked, data) = TcpHeader::from_slice(&packet.transport()).map(|(tcp, data)| (tcp, data.len())).unwrap();
        let (_, answer) = reset(packet.destination, packet.source, packet.traffic_class, &asked, data);
        returned(&Described { padding: 0, ..packet.clone() }, &answer)
    }
}

#[test]
fn an_exclusive_vip_resets_tcp_and_calls_udp_unreachable() {
    let world = world(Vip::EXCLUSIVE);
    let (mut client, mut resets, mut unreachable) = (0, 0, 0);
    for network in networks(3) {
        for tags in TAGGINGS {
            for segment in [Segment::Syn, Segment::SynAck, Segment::Data, Segment::Fin, Segment::Udp] {
                for payload in [0, 1, 2, 3, 600, 1_300] {
                    client += 1;
                    let packet = Described {
                        tags: tags.to_vec(),
                        payload,
                        padding: payload % 3,
                        traffic_class: 0xbb,
                        ..packet(&network, segment, client)
                    };
                    let ran = world.edge.run(&packet.frame()).unwrap();
                    assert_eq!((ran.action, ran.packet), (Action::Tx, refused(&packet)), "{packet:?}");
                    *(if segment == Segment::Udp { &mut unreachable } else { &mut resets }) += 1;
                }
            }
        }
    }
    let counted = [(WayOutcome::Reset, resets), (WayOutcome::Unreachable, unreachable)];
    assert_eq!(world.edge.way_outcomes().unwrap(), counted);
    assert_eq!(world.edge.drops().unwrap(), []);
}

#[test]
fn what_an_exclusive_vip_cannot_answer_is_dropped() {
    let world = world(Vip::EXCLUSIVE);
    for (number, network) in [Network::V4 { options: 0 }, Network::V6(Vec::new())].into_iter().enumerate() {
        let reset = packet(&network, Segment::Rst, 1);
        let group = if number == 0 { "255.255.255.255" } else { "ff02::1" };
        let nobody = |segment| Described { source: (group.parse().unwrap(), 1), ..packet(&network, segment, 1) };
        for packet in [reset, nobody(Segment::Syn), nobody(Segment::Udp)] {
            let ran = world.edge.run(&packet.frame()).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Drop, packet.frame()), "{packet:?}");
        }
        let short = packet(&network, Segment::Data, 1);
        let frame = short.frame_around(&short.ip_cut(12));
        assert_eq!(world.edge.run(&frame).unwrap().action, Action::Drop);
    }
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::TruncatedTransport, 2), (DropReason::Refused, 6)]);
    assert_eq!(world.edge.way_outcomes().unwrap(), []);
}

#[test]
fn udp_is_told_so_often_and_no_more() {
    const SENT: u64 = 500;
    let world = world(Vip::EXCLUSIVE);
    for network in [Network::V4 { options: 0 }, Network::V6(Vec::new())] {
        let before = world.edge.drops().unwrap().iter().map(|(_, packets)| packets).sum::<u64>();
        let frame = packet(&network, Segment::Udp, 1).frame();
        let answers = (0..SENT).filter(|_| world.edge.run(&frame).unwrap().action == Action::Tx).count() as u64;
        assert!((50..SENT).contains(&answers), "{answers} answers");
        assert_eq!(world.edge.drops().unwrap(), [(DropReason::Refused, before + SENT - answers)]);
    }
}

#[test]
fn any_other_address_passes_what_no_listener_takes() {
    for flags in [0, !Vip::EXCLUSIVE] {
        let world = world(flags);
        for network in [Network::V4 { options: 0 }, Network::V6(Vec::new())] {
            for segment in Segment::ALL {
                let frame = packet(&network, segment, 1).frame();
                let ran = world.edge.run(&frame).unwrap();
                assert_eq!((ran.action, ran.packet), (Action::Pass, frame), "{network:?} {segment:?}");
            }
        }
    }
    let world = world(Vip::EXCLUSIVE);
    for stranger in ["203.0.113.11", "2001:db8:f::11"] {
        let frame = Described::new(stranger.parse().unwrap(), PORT, Segment::Syn).frame();
        assert_eq!(world.edge.run(&frame).unwrap().action, Action::Pass, "{stranger}");
    }
}
