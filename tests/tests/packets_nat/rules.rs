//! Which target a translated flow has, and how long it is remembered where.

use nlb_common::drop_reason::DropReason;
use nlb_common::flow::Pin;
use nlb_common::layout::edge::{NAT_FLOWS, NAT_NEW};
use nlb_tests::packets::reference::Tunnel;
use nlb_tests::run::Action;

use super::*;

/// A world with two targets for the listener of the first one, by IPv4 and out of the same interface.
fn pair(forwarding: u8) -> (World, u32, u32) {
    let (mut world, indexes) = world(forwarding);
    let address: IpAddr = "10.0.0.78".parse().unwrap();
    let first = world.targets[indexes[0] as usize - 1];
    let second = world.add(Target { destination: address.into(), tag: 0x51, ..first }).unwrap();
    (world, indexes[0], second)
}

fn asked(world: &World, index: u32, source_port: u16, segment: Segment) -> Described {
    let mut asked = request(world, index, segment);
    asked.source.1 = source_port;
    asked
}

/// The target that a packet goes to.
fn goes_to(world: &World, packet: &Described) -> IpAddr {
    let ran = run(world, packet);
    assert_eq!(ran.action, Action::Tx, "{packet:?}");
    let octets: [u8; 4] = ran.packet[14 + 16..][..4].try_into().unwrap();
    octets.into()
}

fn address(world: &World, index: u32) -> IpAddr {
    world.targets[index as usize - 1].destination.into()
}

fn set_flags(world: &mut World, index: u32, flags: u8) {
    let target = world.targets[index as usize - 1];
    world.edge.set_target(index, Target { flags: target.flags | flags, ..target }).unwrap();
}

#[test]
fn a_flow_keeps_its_target_whatever_becomes_of_its_slot() {
    for forwarding in [Target::NAT, Target::NAT_SOURCE] {
        let (mut world, first, second) = pair(forwarding);
        let old = |segment| asked(&world, first, 7, segment);
        let (syn, data) = (old(Segment::Syn), old(Segment::Data));
        let (udp, new) = (old(Segment::Udp), asked(&world, first, 8, Segment::Syn));
        for packet in [&syn, &udp] {
            assert_eq!(goes_to(&world, packet), address(&world, first));
        }
        for slot in [Slot::closed(second, 0), Slot::closed(second, 0).with_pins(true), Slot::EMPTY.with_pins(true)] {
            world.edge.set_slot(first, slot).unwrap();
            if slot.is_pinned() {
                assert_eq!(goes_to(&world, &data), address(&world, first), "{slot:?}");
                assert_eq!(goes_to(&world, &udp), address(&world, first), "{slot:?}");
            }
            if slot.current() != 0 {
                assert_eq!(goes_to(&world, &new), address(&world, second), "{slot:?}");
            }
        }
    }
}

#[test]
fn a_dead_targets_flows_are_selected_anew_and_a_draining_one_gets_no_new_ones() {
    let (mut world, first, second) = pair(Target::NAT);
    let (syn, data) = (asked(&world, first, 7, Segment::Syn), asked(&world, first, 7, Segment::Data));
    assert_eq!(goes_to(&world, &syn), address(&world, first));
    assert_eq!(goes_to(&world, &data), address(&world, first));
    world.edge.set_slot(first, Slot::closed(second, 0).with_pins(true)).unwrap();
    set_flags(&mut world, first, Target::DRAINING);
    assert_eq!(goes_to(&world, &data), address(&world, first), "it serves what it has");
    assert_eq!(goes_to(&world, &syn), address(&world, second), "a new connection under an old name");
    assert_eq!(goes_to(&world, &data), address(&world, second));
    world.edge.set_slot(first, Slot::closed(first, 0).with_pins(true)).unwrap();
    set_flags(&mut world, first, 0);
    set_flags(&mut world, second, Target::DEAD);
    assert_eq!(goes_to(&world, &data), address(&world, first));
    assert_eq!(world.edge.sessions(NAT_NEW).unwrap().len() + world.edge.sessions(NAT_FLOWS).unwrap().len(), 2);
}

#[test]
fn a_flow_that_is_not_remembered_goes_where_its_slot_says() {
    let (mut world, first, second) = pair(Target::NAT);
    let open = Slot::open(second, first, nlb_common::slot::Tick::at(0));
    world.edge.set_slot(first, open).unwrap();
    assert_eq!(goes_to(&world, &asked(&world, first, 7, Segment::Data)), address(&world, first));
    assert_eq!(goes_to(&world, &asked(&world, first, 8, Segment::Syn)), address(&world, second));
    assert_eq!(goes_to(&world, &asked(&world, first, 9, Segment::Udp)), address(&world, second));
}

#[test]
fn flows_that_are_over_are_reset_or_dropped() {
    let (mut world, first, _) = pair(Target::NAT);
    let (syn, data) = (asked(&world, first, 7, Segment::Syn), asked(&world, first, 7, Segment::Data));
    let udp = asked(&world, first, 7, Segment::Udp);
    for packet in [&syn, &data, &udp] {
        goes_to(&world, packet);
    }
    set_flags(&mut world, first, Target::DRAINING | Target::RESET);
    let ran = run(&world, &data);
    assert_eq!(ran.action, Action::Tx);
    assert_eq!(ran.packet.len(), 14 + 40);
    assert_eq!(ran.packet[14 + 20 + 13], 0x04, "a RST");
    assert_eq!(ran.packet[14 + 12..][..8], [&[203, 0, 113, 10][..], &[198, 51, 100, 7]].concat());
    assert_eq!(run(&world, &udp).action, Action::Drop);
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::TargetDrained, 1)]);
    assert_eq!(world.edge.sessions(NAT_FLOWS).unwrap().len(), 0);
}

#[test]
fn a_flow_is_an_attempt_until_the_client_goes_on_or_by_udp_the_target_answers() {
    for forwarding in [Target::NAT, Target::NAT_SOURCE] {
        let (world, indexes) = world(forwarding);
        for index in [indexes[0], indexes[2]] {
            let target = world.targets[index as usize - 1];
            let tables = || [NAT_NEW, NAT_FLOWS].map(|table| world.edge.sessions(table).unwrap().len());
            let before = tables()[1];
            let say = |segment| {
                let asked = request(&world, index, segment);
                let left = run(&world, &asked).packet;
                let source = if forwarding == Target::NAT { asked.source } else { source_in(&left, &asked, &target) };
                answer(&arriving(&asked, &target, source), segment)
            };
            for attempt in [Segment::Syn, Segment::Syn] {
                let answer = say(attempt);
                assert_eq!(tables(), [2, before]);
                run(&world, &Described { segment: Segment::SynAck, ..answer });
                assert_eq!(tables(), [2, before]);
            }
            say(Segment::Data);
            assert_eq!(tables(), [0, before + 2]);
            for _ in 0..2 {
                say(Segment::Udp);
                assert_eq!(tables(), [2, before + 2]);
            }
            run(&world, &say(Segment::Udp));
            assert_eq!(tables(), [0, before + 4]);
        }
    }
}

#[test]
fn either_sides_end_is_noted_and_a_new_connection_takes_it_back() {
    for by_target in [false, true] {
        for end in [Segment::Fin, Segment::Rst] {
            let (world, indexes) = world(Target::NAT);
            let index = indexes[0];
            let target = world.targets[index as usize - 1];
            let asked = |segment| request(&world, index, segment);
            let ends = || {
                world.edge.sessions(NAT_FLOWS).unwrap().values().filter(|entry| entry.pin.flags & Pin::FIN != 0).count()
            };
            run(&world, &asked(Segment::Syn));
            run(&world, &asked(Segment::Data));
            assert_eq!(ends(), 0);
            let data = asked(Segment::Data);
            let ending = if by_target { answer(&arriving(&data, &target, data.source), end) } else { asked(end) };
            run(&world, &ending);
            assert_eq!(ends(), 2, "{end:?}");
            run(&world, &asked(Segment::Syn));
            assert_eq!(ends(), 0, "{end:?}");
        }
    }
}

#[test]
fn what_was_pushed_out_of_one_way_is_completed_by_a_packet_of_the_other() {
    let (mut world, indexes) = world(Target::NAT);
    let index = indexes[0];
    let target = world.targets[index as usize - 1];
    let asked = request(&world, index, Segment::Data);
    run(&world, &asked);
    run(&world, &asked);
    let both = world.edge.sessions(NAT_FLOWS).unwrap();
    assert_eq!(both.len(), 2);
    let said = answer(&arriving(&asked, &target, asked.source), Segment::Data);
    for (lost, sent) in [(said.flow(), &asked), (asked.flow(), &said)] {
        world.edge.remove_session(NAT_FLOWS, &lost).unwrap();
        // As if it had been seen in an earlier second.
        let (kept, mut session) = world.edge.sessions(NAT_FLOWS).unwrap().into_iter().next().unwrap();
        session.pin.seen -= 1;
        world.edge.set_session(NAT_FLOWS, kept, session).unwrap();
        run(&world, sent);
        let again = world.edge.sessions(NAT_FLOWS).unwrap();
        assert_eq!(again.len(), 2);
        assert_eq!(again[&lost].peer, both[&lost].peer);
    }
}

#[test]
fn a_group_that_is_not_translated_is_not_asked_what_is_remembered() {
    let (world, _) = world(Target::NAT);
    for way in 1..=4 {
        let packet = Described::new(VIPS[0].parse().unwrap(), port(way), Segment::Data);
        let expected = Tunnel { second: None, ..world.tunnel(&packet, way) }.frame(&[], &packet.ip(), &[]);
        assert_eq!(world.edge.run(&packet.frame()).unwrap().packet, expected);
    }
    assert_eq!(world.edge.flow_events().unwrap(), []);
}
