//! Datagrams in fragments: all of one reach the same target, in whatever order they come.

mod malformed;
mod order;
mod rules;

use nlb_common::tables::Target;
use nlb_tests::packets::world::{VIPS, WAYS, port, target};
use nlb_tests::packets::{Described, Segment, World};
use nlb_tests::run::{Action, INGRESS};

/// Protocols that are balanced.
const SEGMENTS: [Segment; 3] = [Segment::Data, Segment::Udp, Segment::Chunk];

/// How packets travel, but for translation.
const FORWARDINGS: [u8; 3] = [Target::IPIP, Target::GUE, Target::L2];

/// A packet to target `index` whose payload three pieces have room in.
fn packet(vip: &str, index: u32, segment: Segment) -> Described {
    Described { payload: 100, ..Described::new(vip.parse().unwrap(), port(index), segment) }
}

/// A target in that way out, to which packets travel so.
fn by(way: u32, forwarding: u8) -> Target {
    let target = target(way);
    Target { flags: target.flags | forwarding, ..target }
}

fn way_out(target: &Target) -> Action {
    if target.interface == INGRESS { Action::Tx } else { Action::Redirect }
}

/// Runs a piece of `packet` and demands that it goes to target `index` as the packet would.
fn assert_sent(world: &World, packet: &Described, ip: &[u8], index: u32) {
    let ran = world.edge.run(&packet.frame_around(ip)).unwrap();
    let tunnel = world.tunnel(packet, index);
    let expected = tunnel.frame(&packet.tags, ip, &packet.pad());
    assert_eq!((ran.action, ran.packet), (way_out(tunnel.target), expected), "{packet:?} to {index}: {ip:02x?}");
}

/// Runs a piece and demands that it is kept for later.
fn assert_kept(world: &mut World, packet: &Described, ip: &[u8]) {
    let frame = packet.frame_around(ip);
    assert_eq!(world.edge.run(&frame).unwrap().action, Action::Drop, "{packet:?}: {ip:02x?}");
    assert_eq!(world.edge.early().unwrap(), [frame]);
}

/// Every VIP with every balanced protocol.
fn services() -> impl Iterator<Item = (&'static str, Segment)> {
    VIPS.into_iter().flat_map(|vip| SEGMENTS.map(|segment| (vip, segment)))
}

/// The number of the way out, of which there is one for each.
fn ways() -> std::ops::RangeInclusive<u32> {
    1..=u32::try_from(WAYS.len()).unwrap()
}
