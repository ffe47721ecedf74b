//! Packets that have addresses of a source route left to visit don't change their family (RFC 7915, sections 4.1 and 5.1.1).

use nlb_common::drop_reason::DropReason;
use nlb_tests::packets::Network;
use nlb_tests::packets::described::{Extension, Kind};
use nlb_tests::packets::icmp::Message;
use nlb_tests::run::Action;

use super::errors::carrier;
use super::families::{arrived, between, request_of_the_other};
use super::*;

/// Eight bytes of options: a loose and a strict route with an address left, each of one.
const LEFT: [[u8; 8]; 2] = [[131, 7, 4, 10, 0, 0, 1, 0], [1, 137, 7, 4, 10, 0, 0, 1]];
/// Routes that were gone along, and another option that looks like one.
const VISITED: [[u8; 8]; 3] = [[131, 7, 8, 10, 0, 0, 1, 0], [1, 137, 7, 8, 10, 0, 0, 1], [148, 8, 131, 7, 4, 0, 0, 0]];

/// The frame with these options, for which it has room.
fn with(packet: &Described, options: [u8; 8]) -> Vec<u8> {
    let mut frame = frame(packet);
    let at = packet.link_length() + 20;
    frame[at..at + 8].copy_from_slice(&options);
    frame
}

fn roomy(packet: Described) -> Described {
    Described { network: Network::V4 { options: 8 }, ..packet }
}

#[test]
fn an_ipv4_packet_with_addresses_left_to_visit_is_dropped_and_others_lose_their_options() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    let dropped = |frame: &[u8]| assert_eq!(world.edge.run(frame).unwrap().action, Action::Drop, "{frame:x?}");
    for segment in [Segment::Data, Segment::Udp] {
        let asked = roomy(request_of_the_other(&world, indexes[2], segment));
        let plain = run(&world, &asked).packet;
        LEFT.iter().for_each(|&options| dropped(&with(&asked, options)));
        for options in VISITED {
            let ran = world.edge.run(&with(&asked, options)).unwrap();
            assert_eq!((ran.action, &ran.packet), (Action::Tx, &plain), "{options:?}");
        }
        // And on its way back.
        let asked = request_of_the_other(&world, indexes[0], segment);
        let left = run(&world, &asked).packet;
        let said = roomy(answer(&arrived(&left, &asked, &world.targets[indexes[0] as usize - 1]), segment));
        LEFT.iter().for_each(|&options| dropped(&with(&said, options)));
        for options in VISITED {
            let ran = world.edge.run(&with(&said, options)).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Tx, run(&world, &said).packet), "{options:?}");
        }
    }
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::OtherFamily, 8)]);
}

#[test]
fn an_error_message_with_addresses_left_to_visit_is_dropped() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    let asked = request_of_the_other(&world, indexes[2], Segment::Data);
    let arrived = arrived(&run(&world, &asked).packet, &asked, &world.targets[indexes[2] as usize - 1]);
    // The client's, about an answer.
    let heard = between(&answer(&arrived, Segment::Data), asked.destination, asked.source);
    let message = Message::of((3, 3), [0; 4], translated::ip(&heard, 0));
    let carrying = roomy(carrier(&heard, asked.source.0, asked.destination.0, &[]));
    let mut frame = message.frame(&carrying);
    let at = carrying.link_length() + 20;
    for (options, action) in [(LEFT[0], Action::Drop), (VISITED[0], Action::Tx)] {
        frame[at..at + 8].copy_from_slice(&options);
        assert_eq!(world.edge.run(&frame).unwrap().action, action);
    }
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::OtherFamily, 1)]);
}

#[test]
fn within_ipv4_options_go_on_with_the_packet() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    let asked = roomy(request(&world, indexes[0], Segment::Data));
    let ran = world.edge.run(&with(&asked, LEFT[0])).unwrap();
    assert_eq!((ran.action, &ran.packet[14 + 20..][..8]), (Action::Tx, &LEFT[0][..]));
}

#[test]
fn an_ipv6_packet_with_nodes_left_to_visit_is_left_to_the_stack() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    let network = Network::V6(vec![Extension { kind: Kind::Routing, units: 2 }]);
    let asked = Described { network, ..request_of_the_other(&world, indexes[0], Segment::Data) };
    let mut frame = frame(&asked);
    frame[asked.link_length() + 40 + 3] = 1;
    let ran = world.edge.run(&frame).unwrap();
    assert_eq!((ran.action, ran.packet), (Action::Pass, frame));
}
