//! Which listener takes a packet: that of its port, or else the narrowest range that holds the port.

use std::net::IpAddr;

use nlb_common::address::Address;
use nlb_common::hash::Affinity;
use nlb_common::layout::edge::LISTENER_FLOWS;
use nlb_common::ranges::MOST;
use nlb_common::slot::Slot;
use nlb_common::tables::{Group, Listener, ListenerKey};
use nlb_tests::packets::world::{PROTOCOLS, VIPS, target};
use nlb_tests::packets::{Described, Segment, World};
use nlb_tests::run::Action;

/// Port ranges, of which listener `n` has number `n`, and sends to target 1 or 2 by turns.
const RANGES: [(u16, u16); 8] = [
    (1, 65_535),
    (8_000, 8_999),
    (8_080, 8_089),
    (8_085, 8_085),
    (8_500, 9_500),
    (65_000, 65_535),
    (20, 21),
    (443, 443),
];

const SEGMENTS: [Segment; 4] = [Segment::Syn, Segment::Data, Segment::Udp, Segment::Chunk];

fn address(vip: &str) -> Address {
    vip.parse::<IpAddr>().unwrap().into()
}

fn listener(number: u32) -> Listener {
    let group = Group { tag: 1, first_slot: 2_000 + number % 2, ..Group::default() };
    Listener { sketch: number, ..Listener::new(number, 100 + number % 2, &group) }
}

/// A world whose targets 1 and 2 have two slots for the listeners of this file.
fn world() -> World {
    let mut world = World::new().unwrap();
    for index in [1, 2] {
        world.edge.set_target(index, target(1)).unwrap();
        world.edge.set_slot(1_999 + index, Slot::closed(index, 0)).unwrap();
    }
    world.targets[1] = target(1);
    world
}

/// How many packets each listener took.
fn counted(world: &World, listeners: u32) -> Vec<u64> {
    (0..listeners).map(|number| world.edge.listener_counters(number).unwrap().packets).collect()
}

/// Sends a packet to `port`. The listener that took it, among so many.
fn taken_by(world: &World, vip: &str, segment: Segment, port: u16, listeners: u32) -> Option<u32> {
    let before = counted(world, listeners);
    let packet = Described::new(vip.parse().unwrap(), port, segment);
    let ran = world.edge.run(&packet.frame()).unwrap();
    let after = counted(world, listeners);
    let took = (0..).zip(before.iter().zip(&after)).filter(|(_, (before, after))| before != after);
    let took: Vec<u32> = took.map(|(number, _)| number).collect();
    let hash = world.edge.keys.hash(&packet.flow(), Affinity::Flow);
    match took[..] {
        [] => {
            assert_eq!((ran.action, ran.packet), (Action::Pass, packet.frame()), "port {port}");
            None
        }
        [number] => {
            let index = 1 + number % 2;
            assert_eq!(
                (ran.action, ran.packet),
                (Action::Tx, world.tunnel_of(hash, index).frame(&[], &packet.ip(), &[]))
            );
            Some(number)
        }
        _ => panic!("one packet, and {took:?} took it"),
    }
}

/// The number of the narrowest of `ranges` that holds `port`.
fn narrowest(ranges: &[(u16, u16)], port: u16) -> Option<u32> {
    let holding = (0..).zip(ranges).filter(|(_, (first, last))| (*first..=*last).contains(&port));
    holding.min_by_key(|(_, (first, last))| last - first).map(|(number, _)| number)
}

#[test]
fn the_most_specific_listener_takes_a_port_whatever_family_and_protocol() {
    let mut world = world();
    let most = u32::try_from(RANGES.len()).unwrap();
    for (vip, protocol) in VIPS.iter().flat_map(|vip| PROTOCOLS.map(|protocol| (vip, protocol))) {
        for (number, (first, last)) in (0..).zip(RANGES) {
            let key = ListenerKey::of_ports(address(vip), protocol, first, last);
            world.edge.set_listener(key, listener(number)).unwrap();
        }
    }
    let edges = RANGES.iter().flat_map(|(first, last)| [first - 1, *first, *last, last.saturating_add(1)]);
    let ports: Vec<u16> = edges.chain([9_000, 9_499, 30_000]).collect();
    for vip in VIPS {
        for segment in SEGMENTS {
            for &port in &ports {
                let took = taken_by(&world, vip, segment, port, most);
                // The world's own listeners are at 8,001 to 8,004.
                assert_eq!(took, narrowest(&RANGES, port), "{segment:?} to port {port} of {vip}");
            }
        }
    }
}

#[test]
fn a_range_takes_its_own_address_and_protocol_alone() {
    let mut world = world();
    world.edge.set_listener(ListenerKey::of_ports(address(VIPS[0]), 6, 100, 200), listener(0)).unwrap();
    let cases = [(VIPS[0], Segment::Syn, Some(0)), (VIPS[0], Segment::Udp, None), (VIPS[1], Segment::Syn, None)];
    for (vip, segment, expected) in cases {
        assert_eq!(taken_by(&world, vip, segment, 150, 2), expected, "{segment:?} to {vip}");
    }
    // An address that ends as the VIP, of the other family.
    let like = "2001:db8::cb00:710a".parse().unwrap();
    assert_eq!(world.edge.run(&Described::new(like, 150, Segment::Syn).frame()).unwrap().action, Action::Pass);
}

#[test]
fn as_many_ranges_as_there_may_be_are_all_found_and_one_that_goes_leaves_its_ports_to_the_wider() {
    let mut world = world();
    let most = u32::try_from(MOST).unwrap();
    let step = 1_000 / u16::try_from(MOST).unwrap();
    let mut ranges: Vec<(u16, u16)> =
        (1..most).map(|n| 20_000 + u16::try_from(n).unwrap() * step).map(|first| (first, first + step - 1)).collect();
    ranges.insert(0, (20_000, 30_000));
    let key = |(first, last)| ListenerKey::of_ports(address(VIPS[1]), 6, first, last);
    for (number, range) in (0..).zip(&ranges) {
        world.edge.set_listener(key(*range), listener(number)).unwrap();
    }
    for port in (19_999..=30_001).step_by(7) {
        assert_eq!(taken_by(&world, VIPS[1], Segment::Data, port, most), narrowest(&ranges, port), "port {port}");
    }
    world.edge.remove_listener(&key(ranges[5])).unwrap();
    assert_eq!(taken_by(&world, VIPS[1], Segment::Data, ranges[5].0, most), Some(0));
    ranges
        .iter()
        .filter(|range| **range != ranges[5])
        .for_each(|range| world.edge.remove_listener(&key(*range)).unwrap());
    assert_eq!(taken_by(&world, VIPS[1], Segment::Data, ranges[7].0, most), None);
}

#[test]
fn a_range_has_the_flows_of_all_its_ports_in_its_own_sketch() {
    let mut world = world();
    world.edge.set_listener(ListenerKey::of_ports(address(VIPS[0]), 6, 100, 200), listener(1)).unwrap();
    assert!(world.edge.sketch(LISTENER_FLOWS, 1).unwrap().is_empty());
    for port in 100..=200 {
        taken_by(&world, VIPS[0], Segment::Data, port, 2);
    }
    let flows = nlb_userspace::active::estimate(&world.edge.sketch(LISTENER_FLOWS, 1).unwrap());
    assert!(flows.abs_diff(101) <= 5, "{flows}");
}
