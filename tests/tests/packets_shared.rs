//! An edge that another test has used is as good as new.

use nlb_common::active::WORDS;
use nlb_common::address::Address;
use nlb_common::counters::Counters;
use nlb_common::datagram::{Datagram, DatagramKey};
use nlb_common::flow::Pin;
use nlb_common::layout::edge::{DATAGRAMS, ESTABLISHED, HALF_OPEN, LISTENER_FLOWS, NAT_FLOWS, NAT_NEW, TARGET_FLOWS};
use nlb_common::nat::Session;
use nlb_tests::packets::world::{SEED, VIPS, port};
use nlb_tests::packets::{Described, Segment, World};
use nlb_tests::run::{Action, Edge, Ran};

fn sent() -> Vec<Described> {
    let segments = [Segment::Syn, Segment::Udp];
    VIPS.iter().flat_map(|vip| segments.map(|segment| Described::new(vip.parse().unwrap(), port(1), segment))).collect()
}

fn id(edge: &Edge) -> u32 {
    edge.program().unwrap().info().unwrap().id()
}

/// Leaves something in each kind of table, and an edge behind that is no longer used. The number of its program.
fn used() -> u32 {
    let mut world = World::new().unwrap();
    for packet in sent() {
        assert_ne!(world.edge.run(&packet.frame()).unwrap().action, Action::Pass);
        for table in [HALF_OPEN, ESTABLISHED, DATAGRAMS] {
            world.edge.set_pin(table, packet.flow(), Pin::new(1, 1, 1, 1)).unwrap();
        }
        for table in [NAT_NEW, NAT_FLOWS] {
            world.edge.set_session(table, packet.flow(), Session::default()).unwrap();
        }
        world.edge.shield(Address::from(packet.destination.0), true).unwrap();
    }
    let cut = &sent()[0].frame()[..40];
    assert_eq!(world.edge.run(cut).unwrap().action, Action::Drop);
    for identification in 0..3 {
        let key = DatagramKey { identification, ..DatagramKey::default() };
        world.edge.set_datagram(key, Datagram::default()).unwrap();
    }
    let edge = &world.edge;
    assert!(edge.drops().unwrap().len() == 1 && edge.datagrams().unwrap().len() == 3);
    assert_ne!(edge.target_counters(1).unwrap().packets, 0);
    assert_eq!(edge.pins(HALF_OPEN).unwrap().len(), sent().len());
    id(edge)
}

#[test]
fn an_edge_that_was_used_is_as_good_as_new() {
    let number = used();
    let edge = Edge::load(SEED).unwrap();
    // Loaded while that one is in use.
    let fresh = Edge::load(SEED).unwrap();
    assert_eq!(id(&edge), number, "it was used before");
    assert_ne!(id(&fresh), number, "it is another");
    for table in [HALF_OPEN, ESTABLISHED, DATAGRAMS] {
        assert!(edge.pins(table).unwrap().is_empty(), "{table}");
    }
    for table in [NAT_NEW, NAT_FLOWS] {
        assert!(edge.sessions(table).unwrap().is_empty(), "{table}");
    }
    assert!(edge.datagrams().unwrap().is_empty());
    assert_eq!(
        (edge.drops().unwrap(), edge.flow_events().unwrap(), edge.way_outcomes().unwrap()),
        (vec![], vec![], vec![])
    );
    for index in 0..8 {
        let counters = (edge.target_counters(index).unwrap(), edge.listener_counters(index).unwrap());
        assert_eq!(counters, (Counters::default(), Counters::default()), "{index}");
        for table in [LISTENER_FLOWS, TARGET_FLOWS] {
            assert_eq!(edge.sketch(table, index).unwrap().0, [0; WORDS], "{table} {index}");
        }
    }
    for packet in sent() {
        let ran = |edge: &Edge| edge.run(&packet.frame()).map(|Ran { action, packet, .. }| (action, packet)).unwrap();
        assert_eq!(ran(&edge), (Action::Pass, packet.frame()), "there is no listener");
        assert_eq!(ran(&edge), ran(&fresh));
    }
}
