//! Active flows: what the estimates say, held against the flows that the program in the kernel has really been given.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use nlb_common::active::{Cell, Sketch};
use nlb_common::address::Address;
use nlb_common::flow::{Pin, Tracking};
use nlb_common::hash::Affinity;
use nlb_common::layout::edge::{ESTABLISHED, LISTENER_FLOWS, TARGET_FLOWS};
use nlb_common::slot::{Slot, Tick};
use nlb_common::tables::{Group, Listener, ListenerKey, Target};
use nlb_tests::packets::world::{self, VIPS};
use nlb_tests::packets::{Described, Segment};
use nlb_tests::run::{Action, Edge};
use nlb_userspace::active::estimate;

const TARGETS: u32 = 4;
const GROUP: u32 = 1;
/// A port whose listener has a sketch of its own, and one whose listener has none.
const OWN: (u16, u32) = (80, 7);
const NONE: u16 = 443;

/// A group whose targets share a ring of 64 slots, behind two listeners of either family and protocol.
fn edge(seed: u64, affinity: Affinity) -> Edge {
    fill(Edge::load(seed).unwrap(), affinity)
}

fn fill(mut edge: Edge, affinity: Affinity) -> Edge {
    for index in 1..=TARGETS {
        let destination = Address::v4(u32::from_be_bytes([10, 0, 1, u8::try_from(index).unwrap()]).to_be());
        edge.set_target(index, Target { destination, tag: index.into(), ..world::target(1) }).unwrap();
    }
    for slot in 0..64 {
        edge.set_slot(slot, Slot::closed(1 + slot % TARGETS, 0)).unwrap();
    }
    let group = Group { tag: 1, slot_mask: 63, affinity: affinity as u8, ..Group::default() };
    edge.set_group(GROUP, group).unwrap();
    for (vip, protocol) in VIPS.iter().flat_map(|vip| world::PROTOCOLS.map(|protocol| (vip, protocol))) {
        for (port, sketch) in [OWN, (NONE, Listener::NO_SKETCH)] {
            let key = ListenerKey::new(vip.parse::<IpAddr>().unwrap().into(), protocol, port);
            edge.set_listener(key, Listener { sketch, ..Listener::new(1, GROUP, &group) }).unwrap();
        }
    }
    edge
}

/// A packet of the flow with that number.
fn packet(vip: usize, port: u16, segment: Segment, number: u32) -> Described {
    let mut packet = Described::new(VIPS[vip].parse().unwrap(), port, segment);
    let ([_, a, b, c], port) = ((number / 40).to_be_bytes(), 2_000 + u16::try_from(number % 40).unwrap());
    let address = match packet.source.0 {
        IpAddr::V4(_) => [198, a, b, c].into(),
        IpAddr::V6(_) => [0x2001, 0xdb8, 0, 0, 0, 0, a.into(), u16::from_be_bytes([b, c])].into(),
    };
    packet.source = (address, port);
    packet
}

/// Sends packets; how many went to each target.
fn send(edge: &Edge, packets: impl Iterator<Item = Described>) -> BTreeMap<u32, u64> {
    let mut sent = BTreeMap::new();
    for packet in packets {
        let ran = edge.run(&packet.frame()).unwrap();
        assert_eq!(ran.action, Action::Tx);
        // The last byte of the outer destination.
        *sent.entry(ran.packet[33].into()).or_default() += 1;
    }
    sent
}

fn of_target(edge: &Edge, index: u32) -> u64 {
    estimate(&edge.sketch(TARGET_FLOWS, index).unwrap())
}

fn of_listener(edge: &Edge) -> u64 {
    estimate(&edge.sketch(LISTENER_FLOWS, OWN.1).unwrap())
}

/// Within five percent; of fewer than twenty flows, two may have the same cell.
#[track_caller]
fn assert_near(found: u64, flows: u64, what: &str) {
    assert!(found.abs_diff(flows) <= (flows / 20).max(1), "{what}: {found} for {flows}");
}

#[test]
fn estimates_are_within_five_percent_from_a_hundred_to_a_hundred_thousand_flows() {
    for (seed, number) in [(1, 100), (2, 1_000), (3, 10_000), (4, 40_000), (5, 100_000)] {
        let edge = edge(seed, Affinity::Flow);
        let sent = send(&edge, (0..number).map(|number| packet(0, OWN.0, Segment::Data, number)));
        assert_near(of_listener(&edge), number.into(), "the listener");
        let mut together = Sketch::EMPTY;
        for (&index, &flows) in &sent {
            assert_near(of_target(&edge, index), flows, &format!("target {index} of {number} flows"));
            together.add(&edge.sketch(TARGET_FLOWS, index).unwrap());
        }
        assert_eq!(sent.len(), TARGETS as usize);
        assert!(together == edge.sketch(LISTENER_FLOWS, OWN.1).unwrap(), "the targets' flows are the listener's");
    }
}

#[test]
fn a_flow_counts_once_whatever_it_sends_and_whatever_family_and_protocol_it_is_of() {
    let edge = edge(1, Affinity::Flow);
    let mut flows = 0;
    for segment in [Segment::Data, Segment::Udp] {
        for vip in [0, 1] {
            for _ in 0..3 {
                send(&edge, (0..2_000).map(|number| packet(vip, OWN.0, segment, number)));
            }
            flows += 2_000;
            assert_near(of_listener(&edge), flows, &format!("{segment:?} to {}", VIPS[vip]));
        }
    }
}

#[test]
fn a_flood_of_syns_is_no_activity() {
    let edge = edge(2, Affinity::Flow);
    for vip in [0, 1] {
        send(&edge, (0..5_000).map(|number| packet(vip, OWN.0, Segment::Syn, number)));
    }
    let all: BTreeSet<_> = (1..=TARGETS).map(|index| of_target(&edge, index)).chain([of_listener(&edge)]).collect();
    assert_eq!(all, BTreeSet::from([0]));
}

#[test]
fn clients_with_affinity_have_as_many_flows_as_they_have() {
    let edge = edge(3, Affinity::SourceIp);
    for vip in [0, 1] {
        let before = of_listener(&edge);
        let one_client = (1..=8_000_u16).map(|source_port| {
            let mut packet = packet(vip, OWN.0, Segment::Data, 0);
            packet.source.1 = source_port;
            packet
        });
        let sent = send(&edge, one_client);
        let [(&target, _)] = sent.iter().collect::<Vec<_>>()[..] else { panic!("{sent:?}") };
        assert_near(of_listener(&edge) - before, 8_000, "the listener");
        assert!(of_target(&edge, target) >= 7_600);
    }
}

#[test]
fn a_pinned_flow_is_one_of_the_target_that_serves_it() {
    let mut edge = edge(4, Affinity::Flow);
    // All slots are on their way from target 1 to target 2; the first half of the flows are pinned to target 3.
    for slot in 0..64 {
        edge.set_slot(slot, Slot::open(2, 1, Tick::at(7))).unwrap();
    }
    let group = Group { tag: 1, slot_mask: 63, tracking: Tracking::Transition as u8, ..Group::default() };
    edge.set_group(GROUP, group).unwrap();
    let flows = || (0..800).map(|number| packet(0, OWN.0, Segment::Data, number));
    for flow in flows().take(400) {
        edge.set_pin(ESTABLISHED, flow.flow(), Pin::new(3, 3, 0, 1)).unwrap();
    }
    send(&edge, flows());
    assert_near(of_target(&edge, 3), 400, "those that are pinned");
    assert_near(of_target(&edge, 1), 400, "those that were there before the change");
    assert_eq!(of_target(&edge, 2), 0);
    assert_near(of_listener(&edge), 800, "all");
}

#[test]
fn without_a_sketch_nothing_is_marked_and_no_packet_lost() {
    let room = [(TARGET_FLOWS, 3), (LISTENER_FLOWS, 8)];
    let edge = fill(Edge::load_sized(5, false, &room).unwrap(), Affinity::Flow);
    let sent = send(&edge, (0..400).map(|number| packet(0, NONE, Segment::Data, number)));
    assert_eq!(sent.values().sum::<u64>(), 400);
    assert_eq!(sent.len(), TARGETS as usize);
    for index in [1, 2] {
        assert_near(of_target(&edge, index), sent[&index], "a target that has one");
    }
    assert!((0..8).all(|index| edge.sketch(LISTENER_FLOWS, index).unwrap().is_empty()));
    assert_eq!(edge.drops().unwrap(), []);
}

#[test]
fn the_program_sets_the_cells_that_the_agent_reads() {
    let edge = edge(6, Affinity::Flow);
    let mut expected = Sketch::EMPTY;
    let packets: Vec<_> = (0..300).map(|number| packet(1, OWN.0, Segment::Udp, number)).collect();
    for packet in &packets {
        expected.set(Cell::of(edge.keys.hash(&packet.flow(), Affinity::Flow)));
    }
    send(&edge, packets.into_iter());
    assert!(edge.sketch(LISTENER_FLOWS, OWN.1).unwrap() == expected);
}
