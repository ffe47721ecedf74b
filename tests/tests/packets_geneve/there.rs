//! What goes to an appliance, and how.

use etherparse::{EtherType, IpNumber};
use nlb_common::active::{Cell, Sketch};
use nlb_common::counters::Counters;
use nlb_common::drop_reason::DropReason;
use nlb_common::flow::Tracking;
use nlb_common::hash::Affinity;
use nlb_common::layout::edge::{LISTENER_FLOWS, TARGET_FLOWS};
use nlb_common::slot::Slot;
use nlb_common::way::WayOutcome;
use nlb_tests::packets::Network;
use nlb_tests::packets::described::{EDGE_MAC, ROUTER_MAC, TAGGINGS, link, networks};
use nlb_tests::packets::icmp::{Message, told};
use nlb_tests::packets::world::{VIPS, WAYS};
use nlb_tests::run::Action;

use super::*;

const STEADY: u8 = Tracking::Transition as u8;

#[test]
fn every_combination_of_headers_goes_to_the_appliance_in_both_directions() {
    on_a_router(|| {
        let mut world = world(1, Affinity::Flow, STEADY);
        for (index, way) in (5..).zip(WAYS) {
            world.edge.set_slot(GROUP, Slot::closed(index, 0)).unwrap();
            let action = if way.1 == INGRESS { Action::Tx } else { Action::Redirect };
            let mut counted = Counters::default();
            for network in networks(4) {
                for tags in TAGGINGS {
                    for segment in Segment::ALL {
                        let plain = outwards(matches!(network, Network::V6(_)), segment);
                        let packet = Described {
                            tags: tags.to_vec(),
                            network: network.clone(),
                            traffic_class: 0xb9,
                            padding: 6,
                            ..plain
                        };
                        for packet in [packet.clone(), inwards(&packet)] {
                            let ran = world.edge.run(&packet.frame()).unwrap();
                            let (ip, pad) = (packet.ip(), packet.pad());
                            let frame = to_appliance(&world, index, hash(&packet), &ip, tags, &pad);
                            assert_eq!((ran.action, ran.packet), (action, frame), "{packet:?} to {index}");
                            counted.packets += 1;
                            counted.bytes += ip.len() as u64;
                            counted.new_flows += u64::from(segment == Segment::Syn);
                        }
                    }
                }
            }
            assert_eq!(world.edge.target_counters(index).unwrap(), counted);
        }
        assert_eq!(world.edge.drops().unwrap(), []);
    });
}

/// IP packets that show no ports, each with the number that its flow has as protocol.
fn portless(v6: bool) -> Vec<(&'static str, u8, Vec<u8>)> {
    let plain = outwards(v6, Segment::Udp);
    let carrying = |number: u8| plain.ip_carrying(IpNumber(number), &[0xab; 40]);
    let mut packets = vec![
        ("ESP", 50, carrying(50)),
        ("GRE", 47, carrying(47)),
        ("IPv4 within", 4, carrying(4)),
        ("an unknown protocol", 253, carrying(253)),
        ("an echo request", if v6 { 58 } else { 1 }, Message::echo(false, vec![1, 2, 3]).ip(&plain)),
    ];
    if v6 {
        // A routing header with a node to visit; a fragment that is not the first; nothing.
        packets.push(("underway", 43, plain.ip_carrying(IpNumber(43), &[[17, 0, 0, 1], [0; 4], [9; 4]].concat())));
        packets.push((
            "a fragment",
            44,
            plain.ip_carrying(IpNumber(44), &[[17, 0, 1, 0], [0, 0, 0, 7], [9; 4]].concat()),
        ));
        packets.push(("nothing", 59, plain.ip_carrying(IpNumber(59), &[])));
    } else {
        for (what, fragment) in [("a first fragment", 0x2000_u16), ("a later fragment", 0x0010)] {
            let mut packet = plain.ip();
            packet[6..8].copy_from_slice(&fragment.to_be_bytes());
            packets.push((what, 17, packet));
        }
    }
    packets
}

#[test]
fn every_protocol_goes_to_the_appliance_of_its_addresses_and_protocol() {
    on_a_router(|| {
        let world = world(1, Affinity::Flow, STEADY);
        for v6 in [false, true] {
            let plain = outwards(v6, Segment::Udp);
            let ether_type = if v6 { EtherType::IPV6 } else { EtherType::IPV4 };
            for (what, number, packet) in portless(v6) {
                let hash = both_ways(SEED, [(plain.source.0, 0), (plain.destination.0, 0)], number);
                let frame = [link(EDGE_MAC, ROUTER_MAC, &[], ether_type), packet.clone()].concat();
                let ran = world.edge.run(&frame).unwrap();
                assert_eq!(
                    (ran.action, ran.packet),
                    (Action::Tx, to_appliance(&world, 5, hash, &packet, &[], &[])),
                    "{what}"
                );
            }
        }
        assert_eq!(world.edge.drops().unwrap(), []);
    });
}

#[test]
fn an_error_goes_where_the_flow_goes_that_it_is_about() {
    on_a_router(|| {
        let mut world = world(1, Affinity::Flow, STEADY);
        world.edge.set_slot(GROUP, Slot::closed(6, 0)).unwrap();
        for v6 in [false, true] {
            for segment in [Segment::Data, Segment::Udp] {
                let sent = outwards(v6, segment);
                for quoted in [sent.clone(), inwards(&sent)] {
                    let router = if v6 { "2001:db8:ff::fe" } else { "192.0.2.254" };
                    let carrier = Described { source: (ip(router), 0), destination: quoted.source, ..quoted.clone() };
                    let message = Message::too_big(1_400, &quoted.ip()[..quoted.header_length() + 8]);
                    let ran = world.edge.run(&message.frame(&carrier)).unwrap();
                    let expected = to_appliance(&world, 6, hash(&sent), &message.ip(&carrier), &[], &[]);
                    assert_eq!((ran.action, ran.packet), (Action::Redirect, expected), "{carrier:?}");
                }
            }
        }
    });
}

#[test]
fn what_is_for_the_edge_itself_or_a_vip_or_nobody_passes_untouched() {
    on_a_router(|| {
        let world = world(1, Affinity::Flow, STEADY);
        let passes = |packet: &Described| {
            let ran = world.edge.run(&packet.frame()).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Pass, packet.frame()), "{packet:?}");
        };
        for v6 in [false, true] {
            let number = usize::from(v6);
            for segment in Segment::ALL {
                let plain = outwards(v6, segment);
                passes(&Described { destination: (ip(OWN[number]), 22), ..plain.clone() });
                passes(&Described { destination: (ip(VIPS[number]), 22), ..plain.clone() });
                let stranger = ip(["192.0.2.7", "2001:db8:7::7"][number]);
                passes(&Described { source: (stranger, 9), ..plain.clone() });
            }
        }
        forwards(false);
        for v6 in [false, true] {
            passes(&outwards(v6, Segment::Data));
            passes(&inwards(&outwards(v6, Segment::Data)));
        }
    });
}

#[test]
fn the_longest_prefix_of_either_end_takes_a_packet() {
    on_a_router(|| {
        let mut world = world(1, Affinity::Flow, STEADY);
        let group = Group { tag: 8, first_slot: GROUP + 1, ..Group::default() };
        world.edge.set_slot(GROUP + 1, Slot::closed(7, 0)).unwrap();
        for network in ["203.0.113.96/29", "2001:db8:99::/64", "0.0.0.0/0", "::/0"] {
            let gateway = Listener { endpoint: ENDPOINT, ..Listener::new(COUNTERS + 1, GROUP + 1, &group) };
            world.edge.set_listener(key(network), gateway).unwrap();
        }
        for v6 in [false, true] {
            let packet = outwards(v6, Segment::Data);
            for packet in [packet.clone(), inwards(&packet)] {
                let frame = to_appliance(&world, 7, hash(&packet), &packet.ip(), &[], &[]);
                assert_eq!(world.edge.run(&packet.frame()).unwrap().packet, frame, "{packet:?}");
            }
            let elsewhere =
                Described { destination: (ip(["8.8.8.8", "2001:db8:8::8"][usize::from(v6)]), 53), ..packet };
            let frame = to_appliance(&world, 5, hash(&elsewhere), &elsewhere.ip(), &[], &[]);
            assert_eq!(world.edge.run(&elsewhere.frame()).unwrap().packet, frame, "{elsewhere:?}");
        }
    });
}

#[test]
fn a_packet_that_does_not_fit_the_way_to_its_appliance_is_answered() {
    on_a_router(|| {
        let mut world = world(1, Affinity::Flow, STEADY);
        world.edge.set_target(5, Target { mtu: 1_300, ..appliance(1) }).unwrap();
        for v6 in [false, true] {
            let plain = outwards(v6, Segment::Data);
            let room = 1_300 - Described { payload: 0, ..plain.clone() }.ip().len();
            let fits = Described { payload: room, ..plain.clone() };
            let frame = to_appliance(&world, 5, hash(&fits), &fits.ip(), &[], &[]);
            assert_eq!(world.edge.run(&fits.frame()).unwrap().packet, frame);
            let longer = Described { payload: room + 1, ..plain };
            let quoted = if v6 { 1_232 } else { 548 };
            let answer = told(&longer, &Message::too_big(1_300, &longer.ip()[..quoted]));
            let ran = world.edge.run(&longer.frame()).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Tx, answer));
        }
        assert_eq!(world.edge.way_outcomes().unwrap(), [(WayOutcome::TooBig, 2)]);
    });
}

#[test]
fn nothing_goes_to_a_target_that_is_no_appliance() {
    on_a_router(|| {
        let mut world = world(1, Affinity::Flow, STEADY);
        world.edge.set_slot(GROUP, Slot::closed(1, 0)).unwrap();
        assert_eq!(world.edge.run(&outwards(false, Segment::Data).frame()).unwrap().action, Action::Drop);
        assert_eq!(world.edge.drops().unwrap(), [(DropReason::NoTarget, 1)]);
    });
}

#[test]
fn both_directions_are_one_active_flow() {
    on_a_router(|| {
        let world = world(1, Affinity::Flow, STEADY);
        let packet = outwards(false, Segment::Data);
        let mut flow = Sketch::EMPTY;
        flow.set(Cell::of(hash(&packet)));
        for packet in [outwards(false, Segment::Syn), packet.clone(), inwards(&packet)] {
            world.edge.run(&packet.frame()).unwrap();
        }
        for (table, index) in [(TARGET_FLOWS, 5), (LISTENER_FLOWS, 3)] {
            assert_eq!(world.edge.sketch(table, index).unwrap(), flow, "{table}");
        }
    });
}
