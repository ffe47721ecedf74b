//! What the tables hold when there is more than they hold, and when several CPUs write them at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nlb_common::flow::FlowEvent;
use nlb_common::layout::edge::{ESTABLISHED, HALF_OPEN, SLOTS};
use nlb_common::slot::{Slot, Tick};
use nlb_tests::packets::world::{VIPS, port};
use nlb_tests::packets::{Described, Segment, World};
use nlb_tests::run::Edge;

use crate::{new_world, world_around};

fn packet(number: u16, segment: Segment) -> Described {
    let mut packet = Described::new(VIPS[0].parse().unwrap(), port(1), segment);
    packet.source.1 = number;
    packet
}

/// Runs `packet` and demands that it is tunnelled to target `index`.
fn assert_sent(world: &World, packet: &Described, index: u32) {
    let ran = world.edge.run(&packet.frame()).unwrap();
    assert_eq!(ran.packet, world.tunnel(packet, index).frame(&[], &packet.ip(), &[]), "{packet:?}");
}

fn events(world: &World, event: FlowEvent) -> u64 {
    world.edge.flow_events().unwrap().iter().find(|(counted, _)| *counted == event).map_or(0, |(_, times)| *times)
}

#[test]
fn when_the_table_is_full_flows_are_forwarded_all_the_same_and_counted() {
    const ROOM: u16 = 16;
    let edge = Edge::load_sized(41, false, &[(ESTABLISHED, ROOM.into())]).unwrap();
    let mut world = world_around(edge);
    world.edge.set_slot(1, Slot::open(1, 2, Tick::at(1))).unwrap();
    for number in 1..=2 * ROOM {
        assert_sent(&world, &packet(number, Segment::Data), 2);
    }
    assert_eq!(world.edge.pins(ESTABLISHED).unwrap().len(), usize::from(ROOM));
    assert_eq!((events(&world, FlowEvent::Pinned), events(&world, FlowEvent::Full)), (ROOM.into(), ROOM.into()));
    // A flow that can't move on stays half-open, and with its target.
    let new = 1_000;
    assert_sent(&world, &packet(new, Segment::Syn), 1);
    world.edge.set_slot(1, Slot::open(3, 2, Tick::at(1))).unwrap();
    for _ in 0..3 {
        assert_sent(&world, &packet(new, Segment::Data), 1);
    }
    assert!(world.edge.pins(HALF_OPEN).unwrap().contains_key(&packet(new, Segment::Data).flow()));
    assert_eq!(events(&world, FlowEvent::Full), u64::from(ROOM) + 3);
}

#[test]
fn a_flood_of_syns_pushes_out_no_established_flow() {
    let mut world = new_world();
    world.edge.set_slot(1, Slot::open(1, 2, Tick::at(1))).unwrap();
    let old = 1..=100;
    let new = 101..=200;
    for number in old.clone() {
        assert_sent(&world, &packet(number, Segment::Data), 2);
    }
    for number in new.clone() {
        assert_sent(&world, &packet(number, Segment::Syn), 1);
        assert_sent(&world, &packet(number, Segment::Data), 1);
    }
    for number in 1_000..=21_000 {
        assert_sent(&world, &packet(number, Segment::Syn), 1);
    }
    assert!(world.edge.pins(HALF_OPEN).unwrap().len() <= 1_024);
    assert_eq!(world.edge.pins(ESTABLISHED).unwrap().len(), 200);
    world.edge.set_slot(1, Slot::open(3, 4, Tick::at(1))).unwrap();
    old.for_each(|number| assert_sent(&world, &packet(number, Segment::Data), 2));
    new.for_each(|number| assert_sent(&world, &packet(number, Segment::Data), 1));
    assert_eq!(events(&world, FlowEvent::Full), 0);
}

#[test]
fn a_flow_that_several_cpus_pin_at_once_has_one_target() {
    let mut world = new_world();
    world.edge.set_slot(1, Slot::open(1, 4, Tick::at(1))).unwrap();
    let slots = world.edge.ebpf().take_map(SLOTS).unwrap();
    let mut slots = aya::maps::Array::<_, Slot>::try_from(slots).unwrap();
    let over = AtomicBool::new(false);
    let world = &world;
    let targets: Vec<BTreeSet<u32>> = thread::scope(|scope| {
        let changing = scope.spawn(|| {
            for current in (1..=3).cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                slots.set(1, Slot::open(current, 4, Tick::at(1)), 0).unwrap();
            }
        });
        let senders: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || {
                    let sent = |number| {
                        let mut to = BTreeSet::new();
                        for segment in [Segment::Syn, Segment::Data, Segment::Syn, Segment::Data] {
                            let packet = packet(number, segment);
                            let ran = world.edge.run(&packet.frame()).unwrap();
                            let target = (1..=4).find(|&index| {
                                ran.packet == world.tunnel(&packet, index).frame(&[], &packet.ip(), &[])
                            });
                            to.insert(target.unwrap());
                        }
                        to
                    };
                    (1..=800).map(sent).collect::<Vec<_>>()
                })
            })
            .collect();
        let sent: Vec<Vec<_>> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        changing.join().unwrap();
        (0..800).map(|flow| sent.iter().flat_map(|sender| sender[flow].clone()).collect()).collect()
    });
    let moved: Vec<_> = targets.iter().filter(|targets| targets.len() != 1).collect();
    assert!(moved.is_empty(), "{moved:?}");
    let used: BTreeSet<_> = targets.iter().flatten().collect();
    assert!(used.len() > 1, "the slot has not changed meanwhile: {used:?}");
}
