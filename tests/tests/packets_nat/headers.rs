//! What becomes of a packet's headers, there and back.

use etherparse::IpNumber;
use nlb_common::counters::Counters;
use nlb_common::drop_reason::DropReason;
use nlb_common::tables::Target;
use nlb_tests::packets::Network;
use nlb_tests::packets::described::{TAGGINGS, networks};
use nlb_tests::packets::world::WAYS;
use nlb_tests::run::Action;

use super::*;

/// What can be translated.
pub(super) fn translatable() -> impl Iterator<Item = Segment> {
    Segment::ALL.into_iter().filter(|segment| segment.number() != IpNumber::SCTP)
}

/// Every combination of headers and tags, each with an answer.
fn there_and_back(forwarding: u8) {
    let (world, indexes) = world(forwarding);
    for (way, index) in WAYS.iter().zip(indexes) {
        let target = world.targets[index as usize - 1];
        let action = if way.1 == INGRESS { Action::Tx } else { Action::Redirect };
        let mut counted = Counters::default();
        for network in networks(4).into_iter().filter(|network| way.0 == matches!(network, Network::V4 { .. })) {
            for (tags, answered) in TAGGINGS.into_iter().zip(TAGGINGS.into_iter().cycle().skip(1)) {
                for segment in translatable() {
                    let asked = request(&world, index, segment);
                    let asked = Described {
                        tags: tags.to_vec(),
                        network: network.clone(),
                        padding: 6,
                        traffic_class: 0xb9,
                        ..asked
                    };
                    let there = run(&world, &asked);
                    let source = match forwarding {
                        Target::NAT => asked.source,
                        _ => source_in(&there.packet, &asked, &target),
                    };
                    assert_eq!((there.action, there.packet), (action, to_target(&asked, &target, source)), "{asked:?}");
                    counted.packets += 1;
                    counted.bytes += asked.ip().len() as u64;
                    counted.new_flows += u64::from(segment == Segment::Syn);

                    let said = answer(&arriving(&asked, &target, source), segment);
                    let said = Described { tags: answered.to_vec(), payload: 5, ..said };
                    let back = run(&world, &said);
                    assert_eq!((back.action, back.packet), (Action::Tx, to_client(&asked, &said)), "{said:?}");
                }
            }
        }
        assert_eq!(world.edge.target_counters(index).unwrap(), counted);
    }
    assert_eq!(world.edge.drops().unwrap(), []);
}

#[test]
fn every_combination_of_headers_is_translated_there_and_back() {
    there_and_back(Target::NAT);
}

#[test]
fn so_it_is_from_a_port_of_the_edges_own() {
    there_and_back(Target::NAT_SOURCE);
}

#[test]
fn udp_without_checksum_is_translated_without() {
    let (world, indexes) = world(Target::NAT);
    let target = world.targets[indexes[0] as usize - 1];
    let asked = request(&world, indexes[0], Segment::Udp);
    let without = |mut frame: Vec<u8>| {
        frame[14 + 20 + 6..][..2].fill(0);
        frame
    };
    let ran = world.edge.run(&without(frame(&asked))).unwrap();
    assert_eq!(ran.packet, without(to_target(&asked, &target, asked.source)));
}

#[test]
fn what_is_of_no_translated_flow_passes_untouched() {
    let (world, indexes) = world(Target::NAT);
    for index in indexes {
        let target = world.targets[index as usize - 1];
        for segment in translatable() {
            let asked = request(&world, index, segment);
            let stray = answer(&arriving(&asked, &target, asked.source), segment);
            let ran = run(&world, &stray);
            assert_eq!((ran.action, ran.packet), (Action::Pass, frame(&stray)), "{stray:?}");
        }
    }
    assert_eq!(world.edge.drops().unwrap(), []);
}

#[test]
fn a_packet_without_a_hop_left_goes_no_further() {
    let (world, indexes) = world(Target::NAT);
    for index in [indexes[0], indexes[2]] {
        let asked = request(&world, index, Segment::Data);
        let hops = if asked.source.0.is_ipv4() { 14 + 8 } else { 14 + 7 };
        for left in [0, 1] {
            let mut frame = frame(&asked);
            frame[hops] = left;
            assert_eq!(world.edge.run(&frame).unwrap().action, Action::Drop);
        }
    }
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::HopLimit, 4)]);
}

#[test]
fn a_packet_that_its_target_could_not_answer_is_not_translated_into_the_other_family() {
    let (world, indexes) = world(Target::NAT);
    for index in indexes {
        let other = VIPS[usize::from(world.targets[index as usize - 1].destination.is_v4())];
        let asked = Described::new(other.parse().unwrap(), port(index), Segment::Syn);
        assert_eq!(run(&world, &asked).action, Action::Drop);
    }
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::OtherFamily, 4)]);
}
