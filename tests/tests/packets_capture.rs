//! Captures: packets as they came and as they left, those that the filter names, and nothing changed for any of them.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use nlb_common::capture::{MOST, Order};
use nlb_common::drop_reason::DropReason;
use nlb_common::slot::Slot;
use nlb_common::way::WayOutcome;
use nlb_tests::packets::corpus;
use nlb_tests::packets::icmp::Message;
use nlb_tests::packets::world::{VIPS, port};
use nlb_tests::packets::{Described, Segment, World};
use nlb_tests::run::{Action, Captured, Edge, INGRESS, Ran, SHORTEST};
use nlb_userspace::capture::{Condition, Filter, FilteredTarget};
use nlb_userspace::dataplane::CapturedFrame;
use nlb_userspace::model::Ports;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const ROOM: u32 = 1 << 20;

/// Everything, for ever.
fn everything() -> Order {
    Order { until: u64::MAX, chance: Order::one_in(1), keep: 256, ..Order::default() }
}

fn world(room: u32, order: Order) -> (World, Captured) {
    let (mut edge, captured) = Edge::load_capturing(1, room).unwrap();
    edge.set_order(order).unwrap();
    (World::around(edge).unwrap(), captured)
}

fn packet(vip: usize, index: u32, segment: Segment) -> Described {
    Described::new(VIPS[vip].parse().unwrap(), port(index), segment)
}

fn frame(bytes: &[u8]) -> CapturedFrame {
    CapturedFrame { length: u32::try_from(bytes.len()).unwrap(), bytes: bytes.to_vec() }
}

#[test]
fn a_packet_is_captured_as_it_came_and_as_it_left() {
    let (world, mut captured) = world(ROOM, everything());
    for vip in [0, 1] {
        for index in 1..=4 {
            for segment in [Segment::Syn, Segment::Data, Segment::Udp] {
                let sent = packet(vip, index, segment).frame();
                let Ran { action, packet: left, .. } = world.edge.run_captured(&sent).unwrap();
                let [found] = &captured.take()[..] else { panic!("one packet, one record") };
                assert_eq!((&found.before, &found.after), (&frame(&sent), &Some(frame(&left))), "{vip}, {index}");
                assert_eq!(found.action, if action == Action::Tx { 3 } else { 4 });
                assert_eq!((found.interface, found.reason, found.outcome), (INGRESS, None, None));
                assert!(found.received <= found.decided && found.received > Duration::ZERO);
            }
        }
    }
}

#[test]
fn why_a_packet_was_dropped_and_what_a_way_did_is_told() {
    let (mut world, mut captured) = world(ROOM, everything());
    world.edge.set_slot(2, Slot::EMPTY).unwrap();
    let plain = packet(0, 1, Segment::Data);
    let mut nobodys = plain.clone();
    nobodys.destination.1 = 7_999;
    let no_target = packet(0, 2, Segment::Data);
    let mut broken = plain.frame();
    broken[14] = 0x41;
    let echo = Message::echo(false, vec![7; 20]).frame(&packet(1, 1, Segment::Udp));
    for (what, sent, action, reason, outcome) in [
        ("passed", nobodys.frame(), 2, None, None),
        ("no target", no_target.frame(), 1, Some(DropReason::NoTarget), None),
        ("a broken header", broken, 1, Some(DropReason::BadNetwork), None),
        ("an echo", echo, 3, None, Some(WayOutcome::Echo)),
        ("sent", plain.frame(), 3, None, None),
    ] {
        world.edge.run_captured(&sent).unwrap();
        let [found] = &captured.take()[..] else { panic!("one packet, one record") };
        assert_eq!((found.action, found.reason, found.outcome), (action, reason, outcome), "{what}");
        assert_eq!((&found.before, found.after.is_some()), (&frame(&sent), action == 3), "{what}");
    }
}

#[test]
fn a_captured_packet_goes_the_way_that_it_would_have_gone() {
    let (captured, mut records) = world(ROOM, everything());
    let plain = World::new().unwrap();
    for (_, sent) in corpus::files().into_iter().filter(|(_, sent)| sent.len() >= SHORTEST) {
        let [with, without] = [captured.edge.run_captured(&sent), plain.edge.run(&sent)].map(Result::unwrap);
        assert_eq!((with.action, with.packet), (without.action, without.packet), "{sent:02x?}");
        assert_eq!(records.take().len(), 1);
    }
    assert_eq!(captured.edge.drops().unwrap(), plain.edge.drops().unwrap());
    assert_eq!(captured.edge.way_outcomes().unwrap(), plain.edge.way_outcomes().unwrap());
}

#[test]
fn no_more_is_kept_of_a_frame_than_was_asked_for() {
    let (mut world, mut captured) = world(ROOM, everything());
    let mut long = packet(0, 1, Segment::Data);
    long.payload = 900;
    let sent = long.frame();
    for keep in [1, 14, 100, sent.len() - 1, sent.len(), sent.len() + 1, MOST] {
        world.edge.set_order(Order { keep: u32::try_from(keep).unwrap(), ..everything() }).unwrap();
        let left = world.edge.run_captured(&sent).unwrap().packet;
        let [found] = &captured.take()[..] else { panic!("one packet, one record") };
        let cut = |bytes: &[u8]| CapturedFrame { bytes: bytes[..keep.min(bytes.len())].to_vec(), ..frame(bytes) };
        assert_eq!((&found.before, found.after.as_ref()), (&cut(&sent), Some(&cut(&left))), "{keep}");
    }
}

#[test]
fn an_order_that_has_ended_captures_nothing_and_stops_nothing() {
    let (mut world, mut captured) = world(ROOM, Order { until: 1, ..everything() });
    let sent = packet(0, 1, Segment::Data).frame();
    let ran = world.edge.run_captured(&sent).unwrap();
    assert_eq!((ran.action, captured.take().len()), (Action::Tx, 0));
    world.edge.set_order(everything()).unwrap();
    world.edge.run_captured(&sent).unwrap();
    assert_eq!(captured.take().len(), 1);
}

#[test]
fn a_sample_is_about_as_large_as_was_asked_for() {
    let (mut world, mut captured) = world(ROOM, everything());
    let sent = packet(0, 1, Segment::Data).frame();
    for (one_in, least, most) in [(1, 2_000, 2_000), (10, 120, 280), (1_000_000, 0, 2)] {
        world.edge.set_order(Order { chance: Order::one_in(one_in), ..everything() }).unwrap();
        let mut found = 0;
        for _ in 0..2_000 {
            world.edge.run_captured(&sent).unwrap();
            found += captured.take().len();
        }
        assert!((least..=most).contains(&found), "1/{one_in} of 2,000 packets were {found}");
    }
}

#[test]
fn what_finds_no_room_is_counted_and_goes_its_way() {
    let (world, mut captured) = world(4_096, everything());
    let sent = packet(0, 1, Segment::Data).frame();
    for _ in 0..100 {
        assert_eq!(world.edge.run_captured(&sent).unwrap().action, Action::Tx);
    }
    let lost = world.edge.capture_lost().unwrap();
    assert!(lost > 50);
    assert_eq!(captured.take().len() as u64 + lost, 100);
}

/// Whether a packet meets a condition, by the condition's words.
fn meets(condition: &Condition, packet: &Described) -> bool {
    let ends = [packet.source.0, packet.destination.0];
    match condition {
        Condition::Host(address) => ends.contains(address),
        Condition::Net(net) => ends.iter().any(|end| net.contains(end)),
        Condition::Port(ports) => [packet.source.1, packet.destination.1].iter().any(|&port| ports.contains(port)),
        Condition::Proto(number) => packet.segment.number().0 == *number,
        Condition::Vip(address) => packet.destination.0 == *address,
        // That port has no target in this test.
        Condition::Dropped => packet.destination.1 == port(2),
        Condition::Listener(_) | Condition::Target(_) => unreachable!("not made here"),
    }
}

fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    let addresses = || {
        let all = ["198.51.100.7", "2001:db8:c::7", VIPS[0], VIPS[1], "192.0.2.99"];
        prop::sample::select(all.map(|text| text.parse::<IpAddr>().unwrap()).to_vec())
    };
    let net = (addresses(), 0_u8..=128).prop_map(|(address, length)| {
        let length = if address.is_ipv4() { length % 33 } else { length };
        Condition::Net(IpNet::new(address, length).unwrap().trunc())
    });
    let ports = prop::sample::select(vec![(8_001, 8_001), (8_002, 8_003), (51_234, 51_234), (1, 65_535), (1, 1_024)]);
    let end = prop_oneof![addresses().prop_map(Condition::Host), net];
    let port = ports.prop_map(|(first, last)| Condition::Port(Ports::new(first, last).unwrap()));
    let proto = prop::sample::select(vec![6_u8, 17, 132, 1]).prop_map(Condition::Proto);
    (
        prop::collection::vec(end, 0..=2),
        prop::collection::vec(port, 0..=2),
        prop::option::of(proto),
        prop::option::of(addresses().prop_map(Condition::Vip)),
        prop::option::of(Just(Condition::Dropped)),
    )
        .prop_map(|(ends, ports, proto, vip, dropped)| {
            ends.into_iter().chain(ports).chain(proto).chain(vip).chain(dropped).collect()
        })
}

#[test]
fn the_kernel_captures_what_the_filters_words_say() {
    let (mut world, mut captured) = world(ROOM, everything());
    world.edge.set_slot(2, Slot::EMPTY).unwrap();
    let mut packets = Vec::new();
    for vip in [0, 1] {
        for index in [1, 2] {
            for segment in [Segment::Data, Segment::Udp, Segment::Chunk] {
                packets.push(packet(vip, index, segment));
            }
        }
    }
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let world = std::cell::RefCell::new(&mut world);
    let captured = std::cell::RefCell::new(&mut captured);
    let held = std::cell::Cell::new([0_u32; 2]);
    let outcome = runner.run(&conditions(), |conditions| {
        let text = conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        let filter: Filter = text.parse().unwrap();
        prop_assert_eq!(filter.conditions(), &conditions[..], "read as it was written");
        let mut world = world.borrow_mut();
        world.edge.set_order(Order { pattern: filter.pattern(&[]).unwrap(), ..everything() }).unwrap();
        for packet in &packets {
            world.edge.run_captured(&packet.frame()).unwrap();
            let found = !captured.borrow_mut().take().is_empty();
            let expected = conditions.iter().all(|condition| meets(condition, packet));
            prop_assert_eq!(found, expected, "`{}` and {:?}", &text, packet);
            let mut counts = held.get();
            counts[usize::from(expected)] += 1;
            held.set(counts);
        }
        Ok(())
    });
    outcome.unwrap();
    assert!(held.get().iter().all(|&count| count > 200), "both happen: {:?}", held.get());
}

#[test]
fn a_target_is_no_matter_of_the_kernel() {
    let filter: Filter = "target 10.0.0.5:80".parse().unwrap();
    assert_eq!(filter.pattern(&[]).unwrap(), Filter::default().pattern(&[]).unwrap());
    assert_eq!(filter.target(), Some(FilteredTarget { address: "10.0.0.5".parse().unwrap(), port: Some(80) }));
}
