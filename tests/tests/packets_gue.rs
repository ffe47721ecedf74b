//! Tables of packets for GUE: what the edge's program makes of them, and the target host's, byte for byte.

use std::net::IpAddr;

use etherparse::{EtherType, IpNumber};
use nlb_common::address::Address;
use nlb_common::counters::DecapOutcome;
use nlb_common::slot::{Slot, Tick};
use nlb_common::tables::Target;
use nlb_tests::packets::described::{TAGGINGS, link, networks};
use nlb_tests::packets::reference::{frame, gue};
use nlb_tests::packets::world::{VIPS, WAYS, port, target};
use nlb_tests::packets::{Described, Network, Segment, Tunnel, World};
use nlb_tests::run::{Action, INGRESS, TargetHost};

/// The host that targets by both families are on, and its slot's other target.
const HOST: [&str; 2] = ["10.0.0.77", "fd00::77:1"];
const OTHER: [&str; 2] = ["10.0.0.78", "fd00::78:1"];
const EDGES: [&str; 2] = ["10.0.255.1", "fd00::edce:1"];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn host() -> TargetHost {
    TargetHost::load(&HOST.map(ip), &[(ip("10.0.255.0"), 24), (ip("fd00::edce:0"), 112)]).unwrap()
}

fn by_gue(way: u32) -> Target {
    let target = target(way);
    Target { flags: target.flags | Target::GUE, ..target }
}

fn other(way: u32) -> Target {
    let target = by_gue(way);
    let address = OTHER[usize::from(!target.destination.is_v4())];
    Target { destination: Address::from(ip(address)), ..target }
}

/// A world, and for each way out a GUE target with its slot's other target.
fn world() -> (World, [(u32, u32); 4]) {
    let mut world = World::new().unwrap();
    let pairs = [1, 2, 3, 4].map(|way| (world.add(by_gue(way)).unwrap(), world.add(other(way)).unwrap()));
    (world, pairs)
}

fn vip(network: &Network) -> IpAddr {
    ip(VIPS[usize::from(matches!(network, Network::V6(_)))])
}

fn names_a_second(segment: Segment) -> bool {
    !segment.opens() && segment.number() == IpNumber::TCP
}

#[test]
fn every_combination_of_headers_is_framed_as_the_reference_frames_it() {
    let (mut world, pairs) = world();
    for named in [false, true] {
        for (way, &(index, second)) in WAYS.iter().zip(&pairs) {
            world.edge.set_slot(index, Slot::closed(index, if named { second } else { 0 })).unwrap();
            for network in networks(4) {
                for tags in TAGGINGS {
                    for segment in Segment::ALL {
                        let packet = Described {
                            tags: tags.to_vec(),
                            network: network.clone(),
                            padding: 6,
                            traffic_class: 0xb9,
                            ..Described::new(vip(&network), port(index), segment)
                        };
                        let ran = world.edge.run(&packet.frame()).unwrap();
                        let second = IpAddr::from(world.targets[second as usize - 1].destination);
                        let tunnel = Tunnel {
                            second: (named && names_a_second(segment)).then_some(second),
                            ..world.tunnel(&packet, index)
                        };
                        let action = if way.1 == INGRESS { Action::Tx } else { Action::Redirect };
                        let expected = tunnel.frame(tags, &packet.ip(), &packet.pad());
                        assert_eq!((ran.action, ran.packet), (action, expected), "{packet:?} to {index}");
                    }
                }
            }
        }
    }
    assert_eq!(world.edge.drops().unwrap(), []);
}

#[test]
fn the_other_target_is_named_exactly_when_it_could_serve() {
    let v6 = ip(OTHER[1]).into();
    type Change = fn(Target) -> Target;
    let cases: [(&str, bool, Change); 7] = [
        ("ready", true, |other| other),
        ("draining", true, |other| Target { flags: other.flags | Target::DRAINING, ..other }),
        ("dead", false, |other| Target { flags: other.flags | Target::DEAD, ..other }),
        ("over", false, |other| Target { flags: other.flags | Target::RESET, ..other }),
        ("not ready", false, |other| Target { flags: other.flags & !Target::READY, ..other }),
        ("IP in IP", false, |other| Target { flags: other.flags & !Target::GUE, ..other }),
        ("gone", false, |_| Target::default()),
    ];
    let (mut world, pairs) = world();
    let (index, second) = pairs[0];
    let packet = Described::new(ip(VIPS[0]), port(index), Segment::Data);
    let assert_names = |world: &World, named: Option<IpAddr>, what: &str| {
        let expected = Tunnel { second: named, ..world.tunnel(&packet, index) }.frame(&[], &packet.ip(), &[]);
        assert_eq!(world.edge.run(&packet.frame()).unwrap().packet, expected, "{what}");
    };
    world.edge.set_slot(index, Slot::closed(index, second)).unwrap();
    for (what, named, change) in cases {
        world.edge.set_target(second, change(other(1))).unwrap();
        assert_names(&world, named.then(|| ip(OTHER[0])), what);
    }
    world.edge.set_target(second, Target { destination: v6, ..other(1) }).unwrap();
    assert_names(&world, None, "of the other family");
    world.edge.set_slot(index, Slot::closed(index, index)).unwrap();
    assert_names(&world, None, "itself");
    world.edge.set_slot(index, Slot::closed(index, 0xff_ffff)).unwrap();
    assert_names(&world, None, "no such target");
}

#[test]
fn in_a_transition_a_packet_names_the_target_that_it_does_not_go_to() {
    let (mut world, pairs) = world();
    for (index, second) in pairs {
        world.edge.set_slot(index, Slot::open(index, second, Tick::at(0))).unwrap();
        for vip in VIPS {
            let packet = Described::new(ip(vip), port(index), Segment::Data);
            let ran = world.edge.run(&packet.frame()).unwrap();
            let address = |index: u32| IpAddr::from(world.targets[index as usize - 1].destination);
            let either = [(index, second), (second, index)].map(|(to, other)| {
                Tunnel { second: Some(address(other)), ..world.tunnel(&packet, to) }.frame(&[], &packet.ip(), &[])
            });
            assert!(either.contains(&ran.packet), "{:02x?} is none of {either:02x?}", ran.packet);
        }
    }
}

#[test]
fn a_target_by_ip_in_ip_is_sent_nothing_else_whatever_its_slot_holds() {
    let (mut world, pairs) = world();
    for way in 1..=4 {
        world.edge.set_slot(way, Slot::closed(way, pairs[way as usize - 1].1)).unwrap();
        let packet = Described::new(ip(VIPS[0]), port(way), Segment::Data);
        let expected = world.tunnel(&packet, way).frame(&[], &packet.ip(), &[]);
        assert_eq!(world.edge.run(&packet.frame()).unwrap().packet, expected);
    }
}

#[test]
fn what_the_edge_sends_arrives_as_the_client_sent_it() {
    let (world, pairs) = world();
    let host = host();
    let mut packets = 0;
    for network in networks(4) {
        for segment in Segment::ALL {
            for (index, _) in pairs {
                let vip = vip(&network);
                let packet = Described {
                    network: network.clone(),
                    traffic_class: 0xb9,
                    ..Described::new(vip, port(index), segment)
                };
                let arrived = host.run(&world.edge.run(&packet.frame()).unwrap().packet).unwrap();
                let Target { next_hop_mac, source_mac, .. } = target(1);
                let ether_type = if vip.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 };
                let expected = [link(next_hop_mac, source_mac, &[], ether_type), packet.ip()].concat();
                assert_eq!((arrived.action, arrived.packet), (Action::Pass, expected), "{packet:?} by {index}");
                packets += 1;
            }
        }
    }
    assert_eq!(host.outcomes().unwrap(), [(DecapOutcome::Decapsulated, packets)]);
}

/// UDP, GUE and `inner`; to be broken.
fn payload(second: Option<(IpAddr, u8)>, inner: &[u8]) -> Vec<u8> {
    [gue(50_000, second, inner), inner.to_vec()].concat()
}

fn inner(vip: &str, segment: Segment) -> Described {
    Described::new(ip(vip), 80, segment)
}

#[test]
fn gue_of_strangers_passes_untouched_and_is_counted() {
    let host = host();
    let mut packets = 0;
    for (family, source) in [(0, "10.0.254.255"), (0, "0.0.0.0"), (1, "fd00::edcf:1")] {
        for tags in TAGGINGS {
            for second in [None, Some((ip(OTHER[family]), 1))] {
                let payload = payload(second, &inner(VIPS[0], Segment::Data).ip());
                let frame = frame(tags, source, HOST[family], 0, IpNumber::UDP, &payload);
                let ran = host.run(&frame).unwrap();
                assert_eq!((ran.action, ran.packet), (Action::Pass, frame), "{source}");
                packets += 1;
            }
        }
    }
    assert_eq!(host.outcomes().unwrap(), [(DecapOutcome::UnknownEdge, packets)]);
}

#[test]
fn other_udp_and_gue_to_others_pass_uncounted() {
    let host = host();
    for family in [0, 1] {
        let payload = payload(None, &inner(VIPS[0], Segment::Data).ip());
        let to_other = frame(&[], EDGES[family], OTHER[family], 0, IpNumber::UDP, &payload);
        let mut other_port = payload.clone();
        other_port[2..4].copy_from_slice(&6081_u16.to_be_bytes());
        let other_port = frame(&[], EDGES[family], HOST[family], 0, IpNumber::UDP, &other_port);
        for frame in [to_other, other_port] {
            let ran = host.run(&frame).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Pass, frame));
        }
    }
    assert_eq!(host.outcomes().unwrap(), []);
}

#[test]
fn gue_of_an_edge_that_is_not_as_edges_send_it_is_dropped_and_counted() {
    let host = host();
    let mut packets = 0;
    for family in [0, 1] {
        for vip in VIPS {
            for second in [None, Some((ip(OTHER[family]), 1))] {
                let whole = payload(second, &inner(vip, Segment::Data).ip());
                let changed = |change: &dyn Fn(&mut Vec<u8>)| {
                    let mut payload = whole.clone();
                    change(&mut payload);
                    payload
                };
                let length = u16::try_from(whole.len()).unwrap();
                let udp_length = |length: u16| changed(&|bytes| bytes[4..6].copy_from_slice(&length.to_be_bytes()));
                let mut table = vec![
                    ("a UDP length of more than there is", udp_length(length + 1)),
                    ("a UDP length of nothing", udp_length(0)),
                    ("a UDP length that ends within GUE", udp_length(11)),
                    ("a UDP length that ends within the packet", udp_length(length - 1)),
                    ("variant 1", changed(&|bytes| bytes[8] |= 0x40)),
                    ("variant 2", changed(&|bytes| bytes[8] |= 0x80)),
                    ("a control message", changed(&|bytes| bytes[8] |= 0x20)),
                    ("another protocol", changed(&|bytes| bytes[9] = 47)),
                    ("the other family", changed(&|bytes| bytes[9] = 45 - bytes[9])),
                    ("an extension field", changed(&|bytes| bytes[10] = 0x80)),
                    ("another extension field", changed(&|bytes| bytes[11] = 1)),
                    ("the longest private data", changed(&|bytes| bytes[8] = 0x1f)),
                ];
                // Cut off anywhere behind the UDP header, with an outer header, and with both, that agree.
                for cut in 8..whole.len() {
                    table.push(("cut off", whole[..cut].to_vec()));
                    let mut agreeing = whole[..cut].to_vec();
                    agreeing[4..6].copy_from_slice(&u16::try_from(cut).unwrap().to_be_bytes());
                    table.push(("cut off, and UDP agrees", agreeing));
                }
                for (what, payload) in table {
                    let frame = frame(&[], EDGES[family], HOST[family], 0, IpNumber::UDP, &payload);
                    let ran = host.run(&frame).unwrap();
                    assert_eq!((ran.action, &ran.packet), (Action::Drop, &frame), "{what}: {payload:02x?}");
                    packets += 1;
                }
            }
        }
    }
    assert_eq!(host.outcomes().unwrap(), [(DecapOutcome::Malformed, packets)]);
}

#[test]
fn a_frame_that_is_cut_off_anywhere_passes_untouched() {
    let host = host();
    for family in [0, 1] {
        for tags in TAGGINGS {
            let payload = payload(Some((ip(OTHER[family]), 1)), &inner(VIPS[0], Segment::Data).ip());
            let whole = frame(tags, EDGES[family], HOST[family], 0, IpNumber::UDP, &payload);
            for cut in 14..whole.len() {
                let ran = host.run(&whole[..cut]).unwrap();
                assert_eq!((ran.action, &ran.packet[..]), (Action::Pass, &whole[..cut]));
            }
            // And a datagram without room for a UDP header is nobody's GUE.
            for cut in 1..8 {
                let frame = frame(tags, EDGES[family], HOST[family], 0, IpNumber::UDP, &payload[..cut]);
                assert_eq!(host.run(&frame).unwrap().action, Action::Pass);
            }
        }
    }
    assert_eq!(host.outcomes().unwrap(), []);
}

#[test]
fn private_data_of_others_is_skipped() {
    let host = host();
    for family in [0, 1] {
        for vip in VIPS {
            for words in 0..=31_u8 {
                let packet = inner(vip, Segment::Data);
                let mut headers = gue(50_000, None, &packet.ip());
                headers[8] = words;
                headers.extend(vec![0xcc; usize::from(words) * 4]);
                let length = u16::try_from(headers.len() + packet.ip().len()).unwrap();
                headers[4..6].copy_from_slice(&length.to_be_bytes());
                let payload = [headers, packet.ip()].concat();
                let ran = host.run(&frame(&[], EDGES[family], HOST[family], 0, IpNumber::UDP, &payload)).unwrap();
                assert_eq!((ran.action, ran.packet), (Action::Pass, packet.frame()), "{words} words");
            }
        }
    }
}

#[test]
fn congestion_marks_leave_the_tunnel_as_rfc_6040_says() {
    const DSCP: u8 = 0b1011_1000;
    let host = host();
    for family in [0, 1] {
        for vip in VIPS {
            for inner_ecn in 0..4_u8 {
                for outer_ecn in 0..4_u8 {
                    let packet = Described { traffic_class: DSCP | inner_ecn, ..inner(vip, Segment::Data) };
                    let payload = payload(None, &packet.ip());
                    let frame = frame(&[], EDGES[family], HOST[family], outer_ecn, IpNumber::UDP, &payload);
                    let ran = host.run(&frame).unwrap();
                    // Rows: inner Not-ECT, ECT(1), ECT(0), CE. Columns: outer Not-ECT, ECT(1), ECT(0), CE.
                    let expected = [
                        [Some(0), Some(0), Some(0), None],
                        [Some(1), Some(1), Some(1), Some(3)],
                        [Some(2), Some(1), Some(2), Some(3)],
                        [Some(3), Some(3), Some(3), Some(3)],
                    ][usize::from(inner_ecn)][usize::from(outer_ecn)];
                    match expected {
                        None => assert_eq!(ran.action, Action::Drop),
                        Some(ecn) => {
                            let expected = Described { traffic_class: DSCP | ecn, ..packet }.frame();
                            assert_eq!((ran.action, ran.packet), (Action::Pass, expected));
                        }
                    }
                }
            }
        }
    }
}
