//! Tables of ICMP and ICMPv6 errors for the edge's program: those about a flow reach the flow's target.

use std::net::IpAddr;

use nlb_common::flow::Pin;
use nlb_common::hash::Affinity;
use nlb_common::layout::edge::{DATAGRAMS, ESTABLISHED};
use nlb_common::slot::{Slot, Tick};
use nlb_common::tables::Target;
use nlb_common::way::WayOutcome;
use nlb_tests::packets::described::{TAGGINGS, networks};
use nlb_tests::packets::icmp::Message;
use nlb_tests::packets::pieces::in_three;
use nlb_tests::packets::world::{VIPS, WAYS, port, target};
use nlb_tests::packets::{Described, Extension, Kind, Network, Segment, Tunnel, World};
use nlb_tests::run::{Action, INGRESS};

/// Types and codes of errors: unreachable, fragmentation needed or packet too big, time exceeded, parameter problem.
const ERRORS: [[(u8, u8); 4]; 2] = [[(3, 1), (3, 4), (11, 0), (12, 0)], [(1, 0), (2, 0), (3, 0), (4, 1)]];

/// A router that has something to say.
const ROUTERS: [&str; 2] = ["192.0.2.254", "2001:db8:ff::fe"];

fn family(network: &Network) -> usize {
    usize::from(matches!(network, Network::V6(_)))
}

/// A packet of a flow to the port of target `index`, and the same flow's answer.
fn flow(network: &Network, index: u32, segment: Segment) -> (Described, Described) {
    let asked = Described::new(VIPS[family(network)].parse().unwrap(), port(index), segment);
    let (source, destination) = (asked.destination, asked.source);
    let answer = Described { source, destination, network: network.clone(), payload: 400, ..asked.clone() };
    (asked, answer)
}

/// What carries an error about an answer of a VIP.
fn carrier(answer: &Described) -> Described {
    let router: IpAddr = ROUTERS[usize::from(answer.source.0.is_ipv6())].parse().unwrap();
    let network = if answer.source.0.is_ipv6() { Network::V6(Vec::new()) } else { Network::V4 { options: 0 } };
    Described { source: (router, 0), destination: answer.source, network, padding: 3, ..answer.clone() }
}

fn assert_taken(world: &World, asked: &Described, carrier: &Described, message: &Message, index: u32) {
    let ran = world.edge.run(&message.frame(carrier)).unwrap();
    let hash = world.edge.keys.hash(&asked.flow(), Affinity::Flow);
    let expected = world.tunnel_of(hash, index).frame(&carrier.tags, &message.ip(carrier), &carrier.pad());
    let action = if WAYS[(index - 1) as usize % WAYS.len()].1 == INGRESS { Action::Tx } else { Action::Redirect };
    assert_eq!((ran.action, ran.packet), (action, expected), "{message:?} in {carrier:?}");
}

#[test]
fn an_error_about_a_flow_goes_whole_to_the_flows_target_however_little_it_quotes() {
    let mut world = World::new().unwrap();
    for way in [1, 3] {
        world.add(Target { flags: Target::READY | Target::GUE, ..target(way) }).unwrap();
    }
    let mut taken = 0;
    for network in networks(8) {
        for (number, kind) in ERRORS[family(&network)].into_iter().enumerate() {
            for segment in [Segment::Data, Segment::Udp] {
                let index = 1 + u32::try_from(number).unwrap();
                let index = if segment == Segment::Udp { index } else { 1 + index % 6 };
                let (asked, answer) = flow(&network, index, segment);
                let whole = answer.ip();
                let least = answer.header_length() + answer.extensions_length() + 8;
                for quoted in [least, least + 1, whole.len()] {
                    let tags = TAGGINGS[taken % 3].to_vec();
                    let carrier = Described { tags, ..carrier(&answer) };
                    let message = Message::of(kind, [0, 0, 5, 0xdc], whole[..quoted].to_vec());
                    assert_taken(&world, &asked, &carrier, &message, index);
                    taken += 1;
                }
            }
        }
    }
    assert_eq!(world.edge.way_outcomes().unwrap(), [(WayOutcome::Error, taken as u64)]);
    assert_eq!(world.edge.drops().unwrap(), []);
}

#[test]
fn an_error_about_a_remembered_flow_follows_it_and_leaves_the_memory_as_it_was() {
    let mut world = World::new().unwrap();
    let previous = 2;
    world.edge.set_slot(1, Slot::open(1, previous, Tick::at(1))).unwrap();
    for network in [Network::V4 { options: 0 }, Network::V6(Vec::new())] {
        for (segment, table) in [(Segment::Data, ESTABLISHED), (Segment::Udp, DATAGRAMS)] {
            let (asked, answer) = flow(&network, 1, segment);
            let message = Message::of(ERRORS[family(&network)][0], [0; 4], answer.ip());
            assert_taken(&world, &asked, &carrier(&answer), &message, previous);
            assert!(world.edge.pins(table).unwrap().is_empty(), "an error remembers nobody");
            let pin = Pin::new(3, target(3).tag, 1, 0);
            world.edge.set_pin(table, asked.flow(), pin).unwrap();
            assert_taken(&world, &asked, &carrier(&answer), &message, 3);
            assert_eq!(world.edge.pins(table).unwrap(), [(asked.flow(), pin)].into());
            world.edge.remove_pin(table, &asked.flow()).unwrap();
        }
    }
}

#[test]
fn an_error_about_a_connection_by_gue_names_the_slots_other_target() {
    let mut world = World::new().unwrap();
    let by_gue = |way| Target { flags: Target::READY | Target::GUE, ..target(way) };
    let [index, second, third] = [1, 2, 1].map(|way| world.add(by_gue(way)).unwrap());
    let [other_family, dead] = [by_gue(3), Target { flags: by_gue(1).flags | Target::DEAD, ..by_gue(1) }]
        .map(|target| world.add(target).unwrap());
    let slots = [
        (Slot::closed(index, 0), index, None),
        (Slot::closed(index, second), index, Some(second)),
        (Slot::open(index, second, Tick::at(1)), second, Some(index)),
        (Slot::closed(index, other_family), index, None),
        (Slot::closed(index, dead), index, None),
        (Slot::open(index, dead, Tick::at(1)), index, None),
    ];
    for network in [Network::V4 { options: 0 }, Network::V6(Vec::new())] {
        for (segment, table) in [(Segment::Data, ESTABLISHED), (Segment::Udp, DATAGRAMS)] {
            let (asked, answer) = flow(&network, index, segment);
            let message = Message::of(ERRORS[family(&network)][1], [0, 0, 5, 0], answer.ip());
            let carrier = carrier(&answer);
            let assert_named = |world: &World, to: u32, named: Option<u32>, what: &str| {
                let hash = world.edge.keys.hash(&asked.flow(), Affinity::Flow);
                let named = named.filter(|_| segment == Segment::Data);
                let named = named.map(|named| IpAddr::from(world.targets[named as usize - 1].destination));
                let tunnel = Tunnel { second: named, ..world.tunnel_of(hash, to) };
                let ran = world.edge.run(&message.frame(&carrier)).unwrap();
                assert_eq!(ran.packet, tunnel.frame(&[], &message.ip(&carrier), &carrier.pad()), "{segment:?}, {what}");
            };
            for (slot, to, named) in slots {
                world.edge.set_slot(index, slot).unwrap();
                assert_named(&world, to, named, &format!("{slot:?}"));
            }
            world.edge.set_slot(index, Slot::open(index, second, Tick::at(1))).unwrap();
            for (held, named) in [(index, second), (second, index), (third, index)] {
                world.edge.set_pin(table, asked.flow(), Pin::new(held, by_gue(1).tag, 1, 0)).unwrap();
                assert_named(&world, held, Some(named), &format!("held by {held}"));
            }
            world.edge.remove_pin(table, &asked.flow()).unwrap();
        }
    }
}

#[test]
fn an_error_about_an_answer_that_was_cut_goes_where_its_first_piece_says() {
    let world = World::new().unwrap();
    let options = Extension { kind: Kind::Destination, units: 0 };
    let networks = [0, 8].map(|options| Network::V4 { options });
    for network in networks.into_iter().chain([Vec::new(), vec![options]].map(Network::V6)) {
        for segment in [Segment::Data, Segment::Udp] {
            let (asked, answer) = flow(&network, 1, segment);
            let [first, second, _] = in_three(&answer, 5, [24, 64]);
            let carrier = carrier(&answer);
            let message = |quoted: &[u8]| Message::of(ERRORS[family(&network)][1], [0, 0, 5, 0xdc], quoted.to_vec());
            for quoted in [&first[..], &first[..first.len() - 24 + 8]] {
                assert_taken(&world, &asked, &carrier, &message(quoted), 1);
            }
            let frame = message(&second).frame(&carrier);
            let ran = world.edge.run(&frame).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Pass, frame), "{network:?}");
        }
    }
}

#[test]
fn what_quotes_no_answer_of_a_vip_passes_untouched() {
    let world = World::new().unwrap();
    for network in [Network::V4 { options: 0 }, Network::V4 { options: 8 }, Network::V6(Vec::new())] {
        let kind = ERRORS[family(&network)][0];
        let (asked, answer) = flow(&network, 1, Segment::Data);
        let header = answer.header_length();
        let whole = answer.ip();
        let changed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut quoted = whole.clone();
            change(&mut quoted);
            quoted
        };
        let (protocol_at, later) = if answer.source.0.is_ipv4() { (9, 7) } else { (6, 6) };
        let strange = Described { destination: asked.source, source: asked.destination, ..asked.clone() };
        let table = [
            ("nothing", Vec::new()),
            ("a part of a header", whole[..header - 1].to_vec()),
            ("one port", whole[..header + 3].to_vec()),
            ("another IP version", changed(&|quoted| quoted[0] ^= 0x10)),
            ("another protocol", changed(&|quoted| quoted[protocol_at] = 132)),
            ("a later fragment", changed(&|quoted| quoted[later] = 44)),
            ("a port of nobody", Described { source: (answer.source.0, 7_999), ..answer.clone() }.ip()),
            (
                "what a client sent",
                Described { source: strange.destination, destination: strange.source, ..strange }.ip(),
            ),
        ];
        for (what, quoted) in table {
            let frame = Message::of(kind, [0; 4], quoted).frame(&carrier(&answer));
            let ran = world.edge.run(&frame).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Pass, frame), "{what}, {network:?}");
        }
        let others = (0..=u8::MAX).filter(|kind| ERRORS[family(&network)].iter().all(|(error, _)| error != kind));
        for kind in others {
            let frame = Message::of((kind, 1), [0; 4], whole.clone()).frame(&carrier(&answer));
            let ran = world.edge.run(&frame).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Pass, frame), "type {kind}, {network:?}");
        }
    }
    assert_eq!(world.edge.way_outcomes().unwrap(), []);
}
