//! Which appliance a flow gets: by its affinity, and while a change of appliances is in transition.

use nlb_common::flow::Tracking;
use nlb_common::hash::Affinity;
use nlb_common::layout::edge::{DATAGRAMS, ESTABLISHED, HALF_OPEN};
use nlb_common::slot::{Slot, Tick};
use nlb_tests::packets::hash::both_ways;
use nlb_tests::run::Action;

use super::*;

const SLOTS: u32 = 256;

/// The appliance that `packet` goes to, as its tunnel says.
fn appliance_of(world: &World, packet: &Described) -> u32 {
    let ran = world.edge.run(&packet.frame()).unwrap();
    assert_eq!(ran.action, Action::Tx, "{packet:?}");
    // Behind Ethernet, IPv4 and 36 bytes.
    u32::from_be_bytes(ran.packet[14 + 20 + 36..][..4].try_into().unwrap())
}

/// Appliances by the same way out, 5 and 6, which share the ring.
fn shared(affinity: Affinity, tracking: Tracking) -> World {
    let mut world = world(SLOTS, affinity, tracking as u8);
    world.edge.set_target(6, Target { tag: 0x99, ..appliance(1) }).unwrap();
    for slot in (1..SLOTS).step_by(2) {
        world.edge.set_slot(GROUP + slot, Slot::closed(6, 0)).unwrap();
    }
    world
}

#[test]
fn a_flow_gets_the_slot_of_what_its_affinity_looks_at() {
    on_a_router(|| {
        for affinity in [Affinity::Flow, Affinity::SourceIpDestIpProto, Affinity::SourceIpDestIp] {
            let world = shared(affinity, Tracking::Transition);
            for v6 in [false, true] {
                for port in 1_000..1_050 {
                    for segment in [Segment::Data, Segment::Udp, Segment::Chunk] {
                        let plain = outwards(v6, segment);
                        let packet = Described { source: (plain.source.0, port), ..plain };
                        let ends = [packet.source.0, packet.destination.0].map(|end| (end, 0));
                        let slot = match affinity {
                            Affinity::SourceIpDestIp => both_ways(SEED, ends, 0),
                            Affinity::SourceIpDestIpProto => both_ways(SEED, ends, segment.number().0),
                            _ => hash(&packet),
                        };
                        let expected = if slot % 2 == 0 { 5 } else { 6 };
                        for packet in [packet.clone(), inwards(&packet)] {
                            assert_eq!(appliance_of(&world, &packet), expected, "{affinity:?} {packet:?}");
                        }
                    }
                }
            }
        }
    });
}

/// A world whose slots go over from appliance 5 to 6.
fn in_transition(affinity: Affinity, tracking: Tracking) -> World {
    let mut world = shared(affinity, tracking);
    for slot in 0..SLOTS {
        world.edge.set_slot(GROUP + slot, Slot::open(6, 5, Tick::at(0))).unwrap();
    }
    world
}

#[test]
fn in_a_transition_flows_of_before_stay_and_new_ones_go_over_in_both_directions() {
    on_a_router(|| {
        let mut world = in_transition(Affinity::Flow, Tracking::Transition);
        let plain = outwards(false, Segment::Data);
        let of = |port, segment| Described { source: (plain.source.0, port), segment, ..plain.clone() };
        // Whichever direction is seen first.
        assert_eq!(appliance_of(&world, &of(1, Segment::Data)), 5);
        assert_eq!(appliance_of(&world, &inwards(&of(2, Segment::Data))), 5);
        assert_eq!(world.edge.pins(ESTABLISHED).unwrap().len(), 2);
        assert_eq!(appliance_of(&world, &of(3, Segment::Syn)), 6);
        assert_eq!(world.edge.pins(HALF_OPEN).unwrap().len(), 1);
        assert_eq!(appliance_of(&world, &inwards(&of(3, Segment::SynAck))), 6);
        assert_eq!(appliance_of(&world, &inwards(&of(4, Segment::Syn))), 6);
        assert_eq!(appliance_of(&world, &of(5, Segment::Udp)), 5);
        assert_eq!((world.edge.pins(HALF_OPEN).unwrap().len(), world.edge.pins(ESTABLISHED).unwrap().len()), (1, 3));
        assert_eq!(world.edge.pins(DATAGRAMS).unwrap().len(), 1);
        // Once it is over, each stays where it is.
        for slot in 0..SLOTS {
            world.edge.set_slot(GROUP + slot, Slot::closed(6, 5).with_pins(true)).unwrap();
        }
        for (port, expected) in [(1, 5), (2, 5), (3, 6), (4, 6)] {
            for packet in [of(port, Segment::Data), inwards(&of(port, Segment::Data))] {
                assert_eq!(appliance_of(&world, &packet), expected, "port {port}");
            }
        }
        assert_eq!(appliance_of(&world, &inwards(&of(5, Segment::Udp))), 5);
        assert_eq!(appliance_of(&world, &of(6, Segment::Data)), 6);
    });
}

#[test]
fn all_flows_are_remembered_where_all_are_to_be() {
    on_a_router(|| {
        let mut world = shared(Affinity::Flow, Tracking::All);
        for slot in 0..SLOTS {
            world.edge.set_slot(GROUP + slot, Slot::closed(5, 0).with_pins(true)).unwrap();
        }
        let packets = [Segment::Syn, Segment::Udp, Segment::Chunk].map(|segment| outwards(false, segment));
        for packet in &packets {
            assert_eq!(appliance_of(&world, packet), 5);
        }
        assert_eq!((world.edge.pins(HALF_OPEN).unwrap().len(), world.edge.pins(DATAGRAMS).unwrap().len()), (1, 2));
        for slot in 0..SLOTS {
            world.edge.set_slot(GROUP + slot, Slot::closed(6, 5).with_pins(true)).unwrap();
        }
        for packet in packets.iter().map(inwards) {
            let segment = if packet.segment == Segment::Syn { Segment::SynAck } else { packet.segment };
            assert_eq!(appliance_of(&world, &Described { segment, ..packet.clone() }), 5, "{packet:?}");
        }
    });
}

#[test]
fn what_a_coarse_affinity_holds_together_stays_together_in_a_transition() {
    on_a_router(|| {
        for (affinity, remembered) in [(Affinity::SourceIpDestIp, 1), (Affinity::SourceIpDestIpProto, 2)] {
            let world = in_transition(affinity, Tracking::Transition);
            let plain = outwards(false, Segment::Data);
            for segment in [Segment::Data, Segment::Syn, Segment::SynAck, Segment::Udp] {
                for port in 1..20 {
                    let packet = Described { source: (plain.source.0, port), segment, ..plain.clone() };
                    assert_eq!(appliance_of(&world, &packet), 5, "{packet:?}");
                    assert_eq!(appliance_of(&world, &inwards(&packet)), 5, "{packet:?}");
                }
            }
            assert_eq!(world.edge.pins(DATAGRAMS).unwrap().len(), remembered);
            assert_eq!(
                (world.edge.pins(HALF_OPEN).unwrap().len(), world.edge.pins(ESTABLISHED).unwrap().len()),
                (0, 0)
            );
        }
    });
}

#[test]
fn a_listener_and_a_gateway_never_take_each_others_pins() {
    on_a_router(|| {
        let mut world = in_transition(Affinity::Flow, Tracking::Transition);
        let vip = Described::new(ip(nlb_tests::packets::world::VIPS[0]), 8_001, Segment::Data);
        let pin = world.edge.pins(ESTABLISHED).unwrap();
        assert!(pin.is_empty());
        // The VIP's answer is routed through, from a target that the edge is the router of.
        assert_eq!(appliance_of(&world, &inwards(&vip)), 5);
        world.edge.set_slot(1, Slot::open(1, 1, Tick::at(0)).with_pins(true)).unwrap();
        let tunnelled = world.tunnel(&vip, 1).frame(&[], &vip.ip(), &[]);
        assert_eq!(world.edge.run(&vip.frame()).unwrap().packet, tunnelled);
    });
}
