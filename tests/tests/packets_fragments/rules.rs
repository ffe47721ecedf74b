//! What holds for packets of a flow holds for all pieces of its datagrams; and what is remembered has an end.

use std::net::IpAddr;

use nix::time::{ClockId, clock_gettime};
use nlb_common::address::Address;
use nlb_common::counters::Counters;
use nlb_common::datagram::{Datagram, Early};
use nlb_common::drop_reason::DropReason;
use nlb_common::guard::Guard;
use nlb_common::layout::edge::FRAGMENTS;
use nlb_common::tables::{Group, Listener, ListenerKey, Target};
use nlb_common::way::WayOutcome;
use nlb_tests::packets::icmp::{Message, told};
use nlb_tests::packets::pieces::in_three;
use nlb_tests::packets::world::{VIPS, port, target};
use nlb_tests::packets::{Described, Segment, World};
use nlb_tests::run::{Action, Edge};

use crate::{assert_kept, assert_sent, packet, services};

fn assert_dropped(world: &World, packet: &Described, ip: &[u8], reason: DropReason) {
    let count = || {
        let drops = world.edge.drops().unwrap();
        drops.iter().find(|(dropped, _)| *dropped == reason).map_or(0, |(_, packets)| *packets)
    };
    let before = count();
    let frame = packet.frame_around(ip);
    let ran = world.edge.run(&frame).unwrap();
    assert_eq!((ran.action, ran.packet), (Action::Drop, frame), "{reason:?} {packet:?}");
    assert_eq!(count(), before + 1, "{reason:?} {packet:?}");
}

fn seconds() -> u32 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap().tv_sec().try_into().unwrap()
}

#[test]
fn every_piece_is_counted_for_its_listener_and_target() {
    let world = World::new().unwrap();
    let (mut expected, mut number) = (Counters::default(), 0);
    for vip in VIPS {
        for segment in Segment::ALL {
            number += 1;
            let packet = packet(vip, 1, segment);
            for ip in in_three(&packet, number, [24, 64]) {
                assert_sent(&world, &packet, &ip, 1);
                expected += Counters { packets: 1, bytes: ip.len() as u64, new_flows: 0 };
            }
            expected.new_flows += u64::from(segment.opens());
        }
    }
    assert_eq!(world.edge.target_counters(1).unwrap(), expected);
    assert_eq!(world.edge.listener_counters(1).unwrap(), expected);
}

#[test]
fn an_access_list_holds_for_pieces_without_ports_too() {
    const LISTS: [u32; 2] = [7, 8];
    let mut world = World::new().unwrap();
    for (list, allowed) in LISTS.into_iter().zip([true, false]) {
        let everybody = ["0.0.0.0/0", "::/0"].map(|network| (network.parse().unwrap(), allowed));
        world.edge.set_access(list, &everybody).unwrap();
    }
    let group = Group { tag: 1, first_slot: 1, ..Group::default() };
    let guard = |world: &mut World, vip: &str, access| {
        let key = ListenerKey::new(Address::from(vip.parse::<IpAddr>().unwrap()), 17, port(1));
        let guard = Guard { access, ..Guard::NONE };
        world.edge.set_listener(key, Listener { guard, ..Listener::new(1, 1, &group) }).unwrap();
    };
    for vip in VIPS {
        let packet = packet(vip, 1, Segment::Udp);
        let [first, second, third] = in_three(&packet, 1, [24, 64]);
        guard(&mut world, vip, LISTS[0]);
        assert_sent(&world, &packet, &first, 1);
        assert_sent(&world, &packet, &second, 1);
        guard(&mut world, vip, LISTS[1]);
        assert_dropped(&world, &packet, &third, DropReason::SourceDenied);
        assert_dropped(&world, &packet, &first, DropReason::SourceDenied);
        assert_dropped(&world, &packet, &second, DropReason::FirstDropped);
    }
}

#[test]
fn of_pieces_that_do_not_fit_the_first_one_is_answered_and_no_other() {
    const MTU: u16 = 100;
    let mut world = World::new().unwrap();
    let index = world.add(Target { mtu: MTU, ..target(1) }).unwrap();
    for (number, (vip, segment)) in (0..).zip(services()) {
        let packet = Described { payload: 400, ..packet(vip, index, segment) };
        let [first, second, third] = in_three(&packet, number, [200, 392]);
        let ran = world.edge.run(&packet.frame_around(&first)).unwrap();
        assert_eq!((ran.action, ran.packet), (Action::Tx, told(&packet, &Message::too_big(MTU, &first))));
        assert_dropped(&world, &packet, &second, DropReason::FirstDropped);
        assert_dropped(&world, &packet, &third, DropReason::FirstDropped);
        // The last is short enough, and its first one goes through.
        let [first, second, third] = in_three(&packet, 100 + number, [40, 392]);
        assert_sent(&world, &packet, &first, index);
        assert_dropped(&world, &packet, &second, DropReason::TooBig);
        assert_sent(&world, &packet, &third, index);
    }
}

#[test]
fn a_first_piece_counts_for_half_a_minute() {
    let mut world = World::new().unwrap();
    for (number, (vip, segment)) in (0..).zip(services()) {
        let packet = packet(vip, 1, segment);
        let [first, second, third] = in_three(&packet, number, [24, 64]);
        assert_sent(&world, &packet, &first, 1);
        let (key, datagram) = world.edge.datagrams().unwrap().into_iter().next().unwrap();
        for (age, counts) in [(Datagram::LIFETIME - 2, true), (Datagram::LIFETIME + 2, false)] {
            world.edge.set_datagram(key, Datagram { seen: seconds().wrapping_sub(age), ..datagram }).unwrap();
            if counts {
                assert_sent(&world, &packet, &second, 1);
            } else {
                assert_kept(&mut world, &packet, &third);
            }
        }
        world.edge.forget_datagrams().unwrap();
    }
}

#[test]
fn what_an_agent_has_given_up_is_dropped_and_counted() {
    let mut world = World::new().unwrap();
    for (vip, segment) in services() {
        let packet = packet(vip, 1, segment);
        let [first, second, third] = in_three(&packet, 1, [24, 64]);
        assert_sent(&world, &packet, &first, 1);
        let key = *world.edge.datagrams().unwrap().keys().next().unwrap();
        world.edge.set_datagram(key, Datagram::ended(Datagram::MISSED, seconds())).unwrap();
        assert_dropped(&world, &packet, &second, DropReason::EarlyFragment);
        // Late as it is, it counts.
        assert_sent(&world, &packet, &first, 1);
        assert_sent(&world, &packet, &third, 1);
        world.edge.forget_datagrams().unwrap();
    }
}

#[test]
fn an_index_that_was_given_to_another_target_brings_nothing_to_it() {
    let mut world = World::new().unwrap();
    let packet = packet(VIPS[0], 1, Segment::Udp);
    let [first, second, third] = in_three(&packet, 1, [24, 64]);
    assert_sent(&world, &packet, &first, 1);
    world.edge.set_target(1, Target { tag: 0x0dd, ..target(1) }).unwrap();
    assert_dropped(&world, &packet, &second, DropReason::NoTarget);
    world.edge.set_target(1, Target::default()).unwrap();
    assert_dropped(&world, &packet, &third, DropReason::NoTarget);
}

#[test]
fn a_full_table_forgets_the_oldest_and_confuses_nothing() {
    const DATAGRAMS: u16 = 2_000;
    let mut world = World::around(Edge::load_sized(8, false, &[(FRAGMENTS, 256)]).unwrap()).unwrap();
    let of = |number: u16| {
        let mut packet = packet(VIPS[usize::from(number % 2)], 1 + u32::from(number % 4), Segment::Udp);
        packet.source.1 = 10_000 + number;
        packet
    };
    for number in 0..DATAGRAMS {
        let packet = of(number);
        assert_sent(&world, &packet, &in_three(&packet, number.into(), [24, 64])[0], 1 + u32::from(number % 4));
    }
    let mut known = 0;
    for number in 0..DATAGRAMS {
        let packet = of(number);
        let [_, second, third] = in_three(&packet, number.into(), [24, 64]);
        let frame = packet.frame_around(&third);
        if world.edge.run(&frame).unwrap().action == Action::Drop {
            assert_eq!(world.edge.early().unwrap(), [frame], "datagram {number}");
        } else {
            known += 1;
            assert_sent(&world, &packet, &second, 1 + u32::from(number % 4));
        }
    }
    assert!((50..=256).contains(&known), "{known} of {DATAGRAMS} are known");
}

#[test]
fn early_pieces_that_nobody_takes_are_dropped_and_counted() {
    let mut world = World::new().unwrap();
    let packet = packet(VIPS[0], 1, Segment::Udp);
    for number in 0..1_000 {
        let [_, second, _] = in_three(&packet, number, [24, 64]);
        assert_eq!(world.edge.run(&packet.frame_around(&second)).unwrap().action, Action::Drop);
    }
    let kept = world.edge.early().unwrap().len() as u64;
    assert!((400..600).contains(&kept), "{kept} of 1 MiB");
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::EarlyFragment, 1_000 - kept)]);
    assert_eq!(world.edge.way_outcomes().unwrap(), [(WayOutcome::Early, kept)]);
    // There is room again, but not for giants.
    let long = |length| Described { payload: length, ..packet.clone() };
    let frame_of = |packet: &Described| in_three(packet, 5_000, [24, 32])[2].clone();
    let packet = long(Early::LONGEST - 14 - 20 + 32 - 8);
    assert_kept(&mut world, &packet, &frame_of(&packet));
    let packet = long(Early::LONGEST - 14 - 20 + 32 - 8 + 1);
    assert_dropped(&world, &packet, &frame_of(&packet), DropReason::EarlyFragment);
}
