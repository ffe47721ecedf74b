//! The reset that a client gets, byte for byte against one that a packet library has built.

use etherparse::TcpHeader;
use nlb_common::slot::Slot;
use nlb_common::tables::Target;
use nlb_tests::packets::described::{EDGE_MAC, ROUTER_MAC, TAGGINGS, link, networks};
use nlb_tests::packets::reference::reset;
use nlb_tests::packets::world::{VIPS, port, target};
use nlb_tests::packets::{Described, Network, Segment, World};
use nlb_tests::run::Action;

/// A world whose first listener resets everything.
fn resetting() -> World {
    let mut world = World::new().unwrap();
    world.edge.set_target(1, Target { flags: Target::READY | Target::DRAINING | Target::RESET, ..target(1) }).unwrap();
    world.edge.set_slot(1, Slot::closed(1, 0).with_pins(true)).unwrap();
    world
}

/// The frame that answers `packet` with the TCP header `asked`.
fn answer(packet: &Described, asked: &TcpHeader, data: usize) -> Vec<u8> {
    let (ether_type, ip) = reset(packet.destination, packet.source, packet.traffic_class, asked, data);
    [link(ROUTER_MAC, EDGE_MAC, &packet.tags, ether_type), ip].concat()
}

fn assert_answered(world: &World, packet: &Described, asked: &TcpHeader, data: usize) {
    let transport = [&asked.to_bytes()[..], &vec![0xa5; data]].concat();
    let frame = packet.frame_around(&packet.ip_around(&transport));
    let ran = world.edge.run(&frame).unwrap();
    assert_eq!((ran.action, ran.packet), (Action::Tx, answer(packet, asked, data)), "{packet:?} {asked:?}");
}

#[test]
fn whatever_headers_a_packet_has_its_reset_is_plain() {
    let world = resetting();
    for network in networks(8) {
        for tags in TAGGINGS {
            for (padding, traffic_class) in [(0, 0), (9, 0xb9)] {
                let vip = VIPS[usize::from(matches!(network, Network::V6(_)))].parse().unwrap();
                let packet = Described {
                    tags: tags.to_vec(),
                    network: network.clone(),
                    padding,
                    traffic_class,
                    ..Described::new(vip, port(1), Segment::Data)
                };
                let mut asked = TcpHeader::new(packet.source.1, packet.destination.1, 0x0102_0304, 0x7fff);
                asked.ack = true;
                asked.acknowledgment_number = 0xfffe_fdfc;
                assert_answered(&world, &packet, &asked, 11);
            }
        }
    }
}

#[test]
fn sequence_numbers_are_those_that_the_client_takes_for_genuine() {
    let world = resetting();
    for vip in VIPS {
        let packet = Described::new(vip.parse().unwrap(), port(1), Segment::Data);
        for sequence in [0, 1, 0x7fff_ffff, u32::MAX - 700, u32::MAX] {
            for acknowledgement in [0, 0x8000_0000, u32::MAX] {
                for flags in 0..8 {
                    for options in [0, 12, 40] {
                        for data in [0, 1, 2, 700] {
                            let mut asked = TcpHeader::new(packet.source.1, packet.destination.1, sequence, 7);
                            asked.acknowledgment_number = acknowledgement;
                            (asked.ack, asked.syn, asked.fin) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
                            asked.set_options_raw(&vec![1; options]).unwrap();
                            assert_answered(&world, &packet, &asked, data);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_reset_is_not_counted_as_sent_to_a_target() {
    let world = resetting();
    let packet = Described::new(VIPS[0].parse().unwrap(), port(1), Segment::Data);
    assert_eq!(world.edge.run(&packet.frame()).unwrap().action, Action::Tx);
    assert_eq!(world.edge.target_counters(1).unwrap().packets, 0);
    assert_eq!(world.edge.listener_counters(1).unwrap().packets, 0);
    assert_eq!(world.edge.drops().unwrap(), []);
}
