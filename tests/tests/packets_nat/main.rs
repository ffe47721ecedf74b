//! Tables of packets for translated flows, both ways: packet in, action and packet out, and what is remembered.

mod errors;
mod families;
mod family_errors;
mod fit;
mod headers;
mod pieces;
mod ports;
mod rules;
mod source_routes;

use std::net::IpAddr;

use etherparse::EtherType;
use nlb_common::flow::Tracking;
use nlb_common::slot::Slot;
use nlb_common::tables::{Group, Target};
use nlb_tests::packets::described::{EDGE_MAC, ROUTER_MAC, Tag, link};
use nlb_tests::packets::translated;
use nlb_tests::packets::world::{VIPS, port, target};
use nlb_tests::packets::{Described, Segment, World};
use nlb_tests::run::{INGRESS, Ran};

/// A world, and for each way out a target by that kind of translation, with listener, group and a ring of one slot.
fn world(forwarding: u8) -> (World, [u32; 4]) {
    let mut world = World::new().unwrap();
    let indexes = [1, 2, 3, 4].map(|way| {
        let target = target(way);
        // The world's targets have two addresses: with one port, a client's could not have two listeners.
        let port = (8_080 + u16::try_from(way).unwrap()).to_be();
        let index = world.add(Target { flags: target.flags | forwarding, port, ..target }).unwrap();
        let tracking = Tracking::Translated as u8;
        world.edge.set_group(index, Group { tag: 1, first_slot: index, tracking, ..Group::default() }).unwrap();
        world.edge.set_slot(index, Slot::closed(index, 0).with_pins(true)).unwrap();
        index
    });
    (world, indexes)
}

fn ether_type(packet: &Described) -> EtherType {
    if packet.source.0.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 }
}

/// The VIP of the target's family.
fn vip_of(target: &Target) -> IpAddr {
    VIPS[usize::from(!target.destination.is_v4())].parse().unwrap()
}

/// A client's packet to the listener of target `index`.
fn request(world: &World, index: u32, segment: Segment) -> Described {
    Described::new(vip_of(&world.targets[index as usize - 1]), port(index), segment)
}

/// A frame with right checksums.
fn frame(packet: &Described) -> Vec<u8> {
    packet.frame_around(&translated::ip(packet, 0))
}

/// `packet` as it should arrive at `target`, which sees it come from `source`.
fn arriving(packet: &Described, target: &Target, source: (IpAddr, u16)) -> Described {
    let destination = (target.destination.into(), u16::from_be(target.port));
    Described { source, destination, ..packet.clone() }
}

/// The frame that should leave for the target.
fn to_target(packet: &Described, target: &Target, source: (IpAddr, u16)) -> Vec<u8> {
    let tags: &[Tag] = if target.interface == INGRESS { &packet.tags } else { &[] };
    let link = link(target.next_hop_mac, target.source_mac, tags, ether_type(packet));
    [link, translated::ip(&arriving(packet, target, source), 1), packet.pad()].concat()
}

/// The target's answer to what arrived.
fn answer(arrived: &Described, segment: Segment) -> Described {
    Described { source: arrived.destination, destination: arrived.source, segment, ..arrived.clone() }
}

/// The frame in which the client of `request` should get the target's `answer`.
fn to_client(request: &Described, answer: &Described) -> Vec<u8> {
    let packet = Described { source: request.destination, destination: request.source, ..answer.clone() };
    let link = link(ROUTER_MAC, EDGE_MAC, &request.tags, ether_type(&packet));
    [link, translated::ip(&packet, 1), answer.pad()].concat()
}

fn run(world: &World, packet: &Described) -> Ran {
    world.edge.run(&frame(packet)).unwrap()
}

/// The source that the target sees in a frame that left for it.
fn source_in(left: &[u8], packet: &Described, target: &Target) -> (IpAddr, u16) {
    let tags = if target.interface == INGRESS { packet.tags.len() } else { 0 };
    let at = 14 + 4 * tags + packet.header_length() + packet.extensions_length();
    (target.source.into(), u16::from_be_bytes([left[at], left[at + 1]]))
}
