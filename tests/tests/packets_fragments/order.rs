//! Three pieces in every order: what came before the first is handed in once more, as an agent does.

use nlb_common::flow::{Pin, Tracking};
use nlb_common::layout::edge::{DATAGRAMS, ESTABLISHED};
use nlb_common::slot::{Slot, Tick};
use nlb_common::tables::Group;
use nlb_common::way::WayOutcome;
use nlb_tests::packets::described::TAGGINGS;
use nlb_tests::packets::pieces::{ORDERS, in_three};
use nlb_tests::packets::{Described, Extension, Kind, Network, Segment, World};

use crate::{FORWARDINGS, assert_kept, assert_sent, by, packet, services, ways};

/// Sends pieces in that order; each must go to target `index`, at once or when it comes again.
fn assert_whole(world: &mut World, packet: &Described, pieces: &[Vec<u8>; 3], order: [usize; 3], index: u32) {
    let mut early = Vec::new();
    let mut first_came = false;
    for number in order {
        first_came |= number == 0;
        if first_came {
            assert_sent(world, packet, &pieces[number], index);
        } else {
            assert_kept(world, packet, &pieces[number]);
            early.push(number);
        }
    }
    for number in early {
        assert_sent(world, packet, &pieces[number], index);
    }
    assert_eq!(world.edge.early().unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn every_order_of_pieces_reaches_the_flows_target_by_every_way() {
    let mut world = World::new().unwrap();
    let mut identification = 0;
    for forwarding in FORWARDINGS {
        for way in ways() {
            let index = world.add(by(way, forwarding)).unwrap();
            for (vip, segment) in services() {
                for order in ORDERS {
                    identification += 1;
                    let packet = Described {
                        tags: TAGGINGS[identification as usize % TAGGINGS.len()].to_vec(),
                        traffic_class: 0xb9,
                        padding: identification as usize % 3,
                        ..packet(vip, index, segment)
                    };
                    let pieces = in_three(&packet, identification, [24, 64]);
                    assert_whole(&mut world, &packet, &pieces, order, index);
                }
            }
        }
    }
    let sent = u64::from(identification) * 3;
    // Of each six orders, two have one piece before the first, two have both.
    let early = u64::from(identification);
    assert_eq!(world.edge.way_outcomes().unwrap(), [(WayOutcome::Fragment, sent), (WayOutcome::Early, early)]);
    assert_eq!(world.edge.drops().unwrap(), []);
}

#[test]
fn extension_headers_and_options_before_the_pieces_change_nothing() {
    let mut world = World::new().unwrap();
    let chain = |kinds: &[Kind]| Network::V6(kinds.iter().map(|&kind| Extension { kind, units: 1 }).collect());
    let networks = [
        Network::V4 { options: 4 },
        Network::V4 { options: 40 },
        chain(&[Kind::HopByHop]),
        chain(&[Kind::HopByHop, Kind::Destination, Kind::Routing]),
        chain(&[Kind::Authentication]),
    ];
    let mut identification = 0;
    for network in networks {
        let vip = nlb_tests::packets::world::VIPS[usize::from(matches!(network, Network::V6(_)))];
        for order in ORDERS {
            identification += 1;
            let packet = Described { network: network.clone(), ..packet(vip, 1, Segment::Udp) };
            let pieces = in_three(&packet, identification, [8, 16]);
            assert_whole(&mut world, &packet, &pieces, order, 1);
        }
    }
}

#[test]
fn pieces_of_a_pinned_flow_reach_its_target_and_not_the_slots() {
    let mut world = World::new().unwrap();
    let mut identification = 0;
    for (vip, segment) in services() {
        // Of a transition from 3 to 2, and after it; pinned to 4.
        for slot in [Slot::open(2, 3, Tick::at(1)), Slot::closed(2, 3).with_pins(true)] {
            world.edge.set_slot(1, slot).unwrap();
            for order in ORDERS {
                identification += 1;
                let packet = packet(vip, 1, segment);
                let table = if segment == Segment::Data { ESTABLISHED } else { DATAGRAMS };
                let pin = Pin::new(4, world.targets[3].tag, 1, 0);
                world.edge.set_pin(table, packet.flow(), pin).unwrap();
                let pieces = in_three(&packet, identification, [24, 64]);
                assert_whole(&mut world, &packet, &pieces, order, 4);
            }
        }
    }
}

#[test]
fn a_first_piece_is_remembered_as_any_packet_of_its_flow() {
    let mut world = World::new().unwrap();
    let group = Group { tag: 1, first_slot: 1, tracking: Tracking::All as u8, ..Group::default() };
    world.edge.set_group(1, group).unwrap();
    world.edge.set_slot(1, Slot::closed(2, 0).with_pins(true)).unwrap();
    for (number, (vip, segment)) in (0..).zip(services()) {
        let packet = packet(vip, 1, segment);
        let pieces = in_three(&packet, number, [24, 64]);
        assert_whole(&mut world, &packet, &pieces, ORDERS[number as usize], 2);
        let table = if segment == Segment::Data { ESTABLISHED } else { DATAGRAMS };
        assert_eq!(world.edge.pins(table).unwrap()[&packet.flow()].target, 2);
    }
}

#[test]
fn datagrams_that_come_at_once_are_told_apart() {
    let mut world = World::new().unwrap();
    for (vip, segment) in services() {
        let packets = [1, 2, 3, 4].map(|index| {
            let mut packet = packet(vip, index, segment);
            // The first two differ in the client, the others in the identification.
            packet.source.1 = 50_000 + u16::try_from(index).unwrap();
            if index == 1 {
                packet.source.0 =
                    if packet.source.0.is_ipv4() { [198, 51, 100, 8].into() } else { "2001:db8:c::8".parse().unwrap() };
            }
            packet
        });
        let cut = |number: usize| in_three(&packets[number], [7, 7, 8, 9][number], [24, 64]);
        for (part, order) in [(0, [0, 1, 2, 3]), (2, [3, 0, 2, 1]), (1, [3, 0, 2, 1])] {
            for number in order {
                assert_sent(&world, &packets[number], &cut(number)[part], u32::try_from(number).unwrap() + 1);
            }
        }
        world.edge.forget_datagrams().unwrap();
    }
}
