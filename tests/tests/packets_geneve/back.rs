//! What is taken back from an appliance, and from nobody else.

use etherparse::IpNumber;
use nlb_common::drop_reason::DropReason;
use nlb_common::flow::Tracking;
use nlb_common::hash::Affinity;
use nlb_common::way::WayOutcome;
use nlb_tests::packets::described::{TAGGINGS, networks};
use nlb_tests::packets::reference::frame;
use nlb_tests::packets::{Network, icmp::Message};
use nlb_tests::run::Action;

use super::*;

fn ready() -> World {
    world(1, Affinity::Flow, Tracking::Transition as u8)
}

/// The frame in which appliance `index` sends back `ip`, with what it was told.
fn from_appliance(world: &World, index: u32, said: Said, ip: &[u8], tags: &[Tag], class: u8) -> Vec<u8> {
    let Target { source, destination, .. } = world.targets[index as usize - 1];
    let (to, from) = (IpAddr::from(source).to_string(), IpAddr::from(destination).to_string());
    frame(tags, &from, &to, class, IpNumber::UDP, &[geneve(said, ip), ip.to_vec()].concat())
}

#[test]
fn what_an_appliance_sends_back_goes_on_as_it_is() {
    on_a_router(|| {
        let world = ready();
        let mut returned = 0;
        for index in [5, 7] {
            for network in networks(4) {
                for tags in TAGGINGS {
                    for segment in [Segment::Syn, Segment::Data, Segment::Udp, Segment::Chunk] {
                        let plain = outwards(matches!(network, Network::V6(_)), segment);
                        let packet = Described {
                            tags: tags.to_vec(),
                            network: network.clone(),
                            hop_limit: 16,
                            padding: 3,
                            ..plain
                        };
                        for packet in [packet.clone(), inwards(&packet)] {
                            let sent = said(index, hash(&packet));
                            let frame = from_appliance(&world, index, sent, &packet.ip(), tags, 0);
                            let ran = world.edge.run(&[frame, packet.pad()].concat()).unwrap();
                            assert_eq!(
                                (ran.action, ran.packet),
                                (Action::Pass, packet.frame()),
                                "{packet:?} from {index}"
                            );
                            returned += 1;
                        }
                    }
                }
            }
        }
        let plain = outwards(false, Segment::Udp);
        let echo = Message::echo(true, vec![7; 9]).ip(&plain);
        let hash = both_ways(SEED, [(plain.source.0, 0), (plain.destination.0, 0)], 1);
        let ran = world.edge.run(&from_appliance(&world, 5, said(5, hash), &echo, &[], 0)).unwrap();
        assert_eq!((ran.action, ran.packet), (Action::Pass, plain.frame_around(&echo)));
        assert_eq!(world.edge.way_outcomes().unwrap(), [(WayOutcome::Returned, returned + 1)]);
        assert_eq!(world.edge.drops().unwrap(), []);
    });
}

#[test]
fn a_tunnel_of_anybody_else_is_left_as_it_is() {
    on_a_router(|| {
        let mut world = ready();
        // An appliance that there is no way to, and a place without one.
        world.edge.set_target(6, Target { flags: 0, ..appliance(2) }).unwrap();
        for v6 in [false, true] {
            let packet = outwards(v6, Segment::Data);
            let (hash, packet) = (hash(&packet), packet.ip());
            let sound = from_appliance(&world, 5, said(5, hash), &packet, &[], 0);
            // The outer header's addresses, and the first word behind the UDP header.
            let (source, destination, geneve) = (14 + 12 + 3, 14 + 16 + 3, 14 + 28);
            let with = |at: usize, byte: u8| {
                let mut frame = sound.clone();
                frame[at] = byte;
                frame
            };
            for (what, frame) in [
                ("another source", with(source, 99)),
                ("another address of the edge", with(destination, 99)),
                ("another target's number", from_appliance(&world, 5, said(7, hash), &packet, &[], 0)),
                ("a target's that is no appliance", from_appliance(&world, 5, said(1, hash), &packet, &[], 0)),
                ("a target's that there is no way to", from_appliance(&world, 6, said(6, hash), &packet, &[], 0)),
                ("no target's number", from_appliance(&world, 5, said(0, hash), &packet, &[], 0)),
                ("a number beyond the table", from_appliance(&world, 5, said(u32::MAX, hash), &packet, &[], 0)),
                ("another version", with(geneve, 0x48)),
                ("fewer options", with(geneve, 7)),
                ("a control message", with(geneve + 1, 0x80)),
                ("Ethernet inside", with(geneve + 2, 0x65)),
                ("another class of option", with(geneve + 9, 9)),
            ] {
                let ran = world.edge.run(&frame).unwrap();
                assert_eq!((ran.action, ran.packet), (Action::Pass, frame), "{what}");
            }
        }
        assert_eq!(world.edge.way_outcomes().unwrap(), [(WayOutcome::ForeignTunnel, 24)]);
        assert_eq!(world.edge.drops().unwrap(), []);
    });
}

#[test]
fn a_tunnel_that_is_routed_through_goes_to_the_appliance_like_any_packet() {
    on_a_router(|| {
        let world = ready();
        let plain = outwards(false, Segment::Udp);
        let packet = Described { destination: (plain.destination.0, 6081), ..plain };
        let expected = to_appliance(&world, 5, hash(&packet), &packet.ip(), &[], &[]);
        assert_eq!(world.edge.run(&packet.frame()).unwrap().packet, expected);
    });
}

#[test]
fn a_tunnel_from_outside_to_an_appliance_is_dropped() {
    on_a_router(|| {
        let mut world = ready();
        for v6 in [false, true] {
            let plain = outwards(v6, Segment::Udp);
            let packet = Described { destination: (plain.destination.0, 6081), ..plain.clone() };
            world.edge.shield(packet.destination.0.into(), true).unwrap();
            let ran = world.edge.run(&packet.frame()).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Drop, packet.frame()));
            let elsewhere = world.edge.run(&plain.frame()).unwrap();
            assert_eq!(elsewhere.packet, to_appliance(&world, 5, hash(&plain), &plain.ip(), &[], &[]), "no tunnel");
        }
        assert_eq!(world.edge.drops().unwrap(), [(DropReason::ForeignTunnel, 2)]);
    });
}

#[test]
fn an_appliance_sends_back_nothing_but_packets_of_the_flow_that_it_was_given() {
    on_a_router(|| {
        let world = ready();
        for v6 in [false, true] {
            let packet = outwards(v6, Segment::Data);
            let told = said(5, hash(&packet));
            let other = Described { source: (packet.source.0, 7), ..packet.clone() };
            let ip = packet.ip();
            let mut versionless = ip.clone();
            versionless[0] &= 0x0f;
            let mut longer = ip.clone();
            let length = if v6 { 5 } else { 3 };
            longer[length] += 1;
            for (what, inside) in [
                ("another flow", other.ip()),
                ("no version", versionless),
                ("a length beyond the tunnel", longer),
                ("half a header", ip[..10].to_vec()),
                ("nothing", Vec::new()),
            ] {
                let frame = from_appliance(&world, 5, told, &inside, &[], 0);
                let mut padded = frame.clone();
                padded.extend([0; 2]);
                let ran = world.edge.run(&padded).unwrap();
                assert_eq!((ran.action, ran.packet), (Action::Drop, padded), "{what}");
            }
        }
        assert_eq!(world.edge.drops().unwrap(), [(DropReason::BadTunnel, 10)]);
    });
}

#[test]
fn congestion_on_the_way_back_reaches_whoever_knows_of_it() {
    on_a_router(|| {
        let world = ready();
        let marked = Described { traffic_class: 2, ..outwards(false, Segment::Data) };
        let ran = world.edge.run(&from_appliance(&world, 5, said(5, hash(&marked)), &marked.ip(), &[], 3)).unwrap();
        assert_eq!((ran.action, ran.packet), (Action::Pass, Described { traffic_class: 3, ..marked }.frame()));
        let unmarked = outwards(false, Segment::Data);
        let frame = from_appliance(&world, 5, said(5, hash(&unmarked)), &unmarked.ip(), &[], 3);
        assert_eq!(world.edge.run(&frame).unwrap().action, Action::Drop);
        assert_eq!(world.edge.drops().unwrap(), [(DropReason::Congestion, 1)]);
    });
}
