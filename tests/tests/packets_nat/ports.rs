//! Which ports source NAT gives out.

use std::collections::BTreeSet;

use nlb_common::drop_reason::DropReason;
use nlb_common::hash::Affinity;
use nlb_common::layout::edge::{NAT_FLOWS, NAT_NEW};
use nlb_common::nat::{FIRST_PORT, PORTS, Session, TRIES, port as tried};
use nlb_common::tables::Target;
use nlb_tests::run::Action;

use super::*;

fn asked_from(world: &World, index: u32, source_port: u16, segment: Segment) -> Described {
    let mut asked = request(world, index, segment);
    asked.source.1 = source_port;
    asked
}

#[test]
fn each_flow_has_a_port_of_its_own_and_keeps_it() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    for index in indexes {
        let target = world.targets[index as usize - 1];
        let port_of = |source_port, segment| {
            let asked = asked_from(&world, index, source_port, segment);
            source_in(&run(&world, &asked).packet, &asked, &target).1
        };
        let ports: Vec<u16> = (1..=100).map(|source_port| port_of(source_port, Segment::Syn)).collect();
        assert!(ports.iter().all(|port| (FIRST_PORT..FIRST_PORT + PORTS).contains(port)), "{ports:?}");
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 100, "a port is given out twice: {ports:?}");
        for segment in [Segment::Syn, Segment::Data, Segment::Fin] {
            let again: Vec<u16> = (1..=100).map(|source_port| port_of(source_port, segment)).collect();
            assert_eq!(again, ports, "{segment:?}");
        }
    }
}

/// Takes the first `count` ports that a flow would try, in that table.
fn take(world: &mut World, table: &str, asked: &Described, target: &Target, count: u32) -> Vec<u16> {
    let hash = world.edge.keys.hash(&asked.flow(), Affinity::Flow);
    let ports: Vec<u16> = (0..count).map(|attempt| tried(hash, attempt)).collect();
    for &destination_port in &ports {
        let key = nlb_common::hash::Flow {
            source: target.destination,
            destination: target.source,
            source_port: target.port,
            destination_port,
            ..asked.flow()
        };
        world.edge.set_session(table, key, Session::default()).unwrap();
    }
    ports
}

#[test]
fn a_port_that_is_taken_in_either_table_is_passed_over() {
    for table in [NAT_NEW, NAT_FLOWS] {
        let (mut world, indexes) = world(Target::NAT_SOURCE);
        let target = world.targets[indexes[0] as usize - 1];
        let asked = asked_from(&world, indexes[0], 7, Segment::Syn);
        let taken = take(&mut world, table, &asked, &target, TRIES - 1);
        let port = source_in(&run(&world, &asked).packet, &asked, &target).1.to_be();
        assert!(!taken.contains(&port), "{table}");
        assert_eq!(port, tried(world.edge.keys.hash(&asked.flow(), Affinity::Flow), TRIES - 1));
    }
}

#[test]
fn a_flow_that_finds_no_port_is_dropped_and_counted() {
    let (mut world, indexes) = world(Target::NAT_SOURCE);
    let target = world.targets[indexes[0] as usize - 1];
    let asked = asked_from(&world, indexes[0], 7, Segment::Syn);
    take(&mut world, NAT_FLOWS, &asked, &target, TRIES);
    let ran = run(&world, &asked);
    assert_eq!((ran.action, ran.packet), (Action::Drop, frame(&asked)));
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::NoPort, 1)]);
    assert_eq!(world.edge.sessions(NAT_NEW).unwrap().len(), 0);
}

#[test]
fn two_flows_whose_answers_would_be_the_same_are_told_apart_or_refused() {
    // One client's port, two listeners, one target.
    let (mut world, indexes) = world(Target::NAT);
    let (first, second) = (indexes[0], indexes[1]);
    world.edge.set_slot(second, Slot::closed(first, 0).with_pins(true)).unwrap();
    assert_eq!(run(&world, &asked_from(&world, first, 7, Segment::Syn)).action, Action::Tx);
    assert_eq!(run(&world, &asked_from(&world, second, 7, Segment::Syn)).action, Action::Drop);
    assert_eq!(run(&world, &asked_from(&world, second, 8, Segment::Syn)).action, Action::Tx);
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::NoPort, 1)]);
}
