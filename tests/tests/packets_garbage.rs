//! Bytes that nobody would send: the program does with them what the parser on the host says, and nothing worse.

use nlb_common::drop_reason::DropReason;
use nlb_common::hash::Affinity;
use nlb_common::packet::{NotOurs, Packet, Stop};
use nlb_tests::packets::described::{TAGGINGS, networks};
use nlb_tests::packets::garbage::Garbage;
use nlb_tests::packets::world::{VIPS, WAYS, port};
use nlb_tests::packets::{Described, Network, Segment, Tag, World};
use nlb_tests::run::{Action, INGRESS};

/// What the program should do with `frame`, by the parser on the host and what the world's tables hold.
fn expected(world: &World, frame: &[u8]) -> (Action, Vec<u8>, Option<DropReason>) {
    let dropped = |reason| (Action::Drop, frame.to_vec(), Some(reason));
    let passed = (Action::Pass, frame.to_vec(), None);
    let packet = match Packet::parse(frame) {
        Ok(packet) => packet,
        Err(Stop::Pass(_)) => return passed,
        Err(Stop::Drop(reason)) => return dropped(reason),
    };
    let Some(index) = world.claims(&packet.network, packet.transport.destination_port) else { return passed };
    if let Err(reason) = packet.transport.segment.opens() {
        return dropped(reason);
    }
    let (link, rest) = frame.split_at(packet.link.length);
    let tags: Vec<Tag> = link[12..]
        .chunks_exact(4)
        .map(|tag| Tag {
            announced_by: u16::from_be_bytes([tag[0], tag[1]]),
            vlan: u16::from_be_bytes([tag[2] & 0xf, tag[3]]),
            priority: tag[2] >> 5,
        })
        .collect();
    let (ip, padding) = rest.split_at(packet.network.length);
    let tunnel = world.tunnel_of(world.edge.keys.hash(&packet.flow(), Affinity::Flow), index);
    let action = if WAYS[index as usize - 1].1 == INGRESS { Action::Tx } else { Action::Redirect };
    (action, tunnel.frame(&tags, ip, padding), None)
}

/// Runs every frame, and compares action, bytes and counters. How many had each action. Fragments are left out: what becomes of
/// them hangs on those before.
fn compare(world: &World, frames: impl Iterator<Item = Vec<u8>>) -> [usize; 5] {
    let mut actions = [0; 5];
    let mut drops = vec![0; DropReason::ALL.len()];
    let is_whole = |frame: &Vec<u8>| Packet::parse(&frame[..]) != Err(Stop::Pass(NotOurs::Fragment));
    for frame in frames.filter(is_whole) {
        let (action, bytes, reason) = expected(world, &frame);
        let ran = world.edge.run(&frame).unwrap();
        assert_eq!((ran.action, &ran.packet), (action, &bytes), "{frame:02x?}");
        actions[action as usize] += 1;
        if let Some(reason) = reason {
            drops[reason as usize] += 1;
        }
    }
    for reason in DropReason::ALL {
        let counted = world.edge.drops().unwrap();
        let counted = counted.iter().find(|(dropped, _)| dropped == reason).map_or(0, |(_, packets)| *packets);
        assert_eq!(counted, drops[*reason as usize], "{}", reason.name());
    }
    actions
}

#[test]
fn random_bytes_are_treated_as_the_host_reads_them() {
    let world = World::new().unwrap();
    let mut garbage = Garbage::new(0x5eed_0001);
    let frames = (0..20_000).map(|_| {
        let length = 14 + garbage.below(150);
        let mut frame = garbage.bytes(length);
        frame[0] &= !1;
        if garbage.below(8) > 0 {
            let ether_types = [[0x08, 0x00], [0x86, 0xdd], [0x81, 0x00], [0x88, 0xa8]];
            frame[12..14].copy_from_slice(&ether_types[garbage.below(4)]);
        }
        if let Some(first) = frame.get_mut(14) {
            *first = garbage.byte();
        }
        frame
    });
    let actions = compare(&world, frames);
    assert!(actions[Action::Pass as usize] > 0 && actions[Action::Drop as usize] > 0, "{actions:?}");
}

#[test]
fn damaged_packets_are_treated_as_the_host_reads_them() {
    let world = World::new().unwrap();
    let mut garbage = Garbage::new(0x5eed_0002);
    let networks = networks(10);
    let frames = (0..40_000).map(|_| {
        let network = networks[garbage.below(networks.len())].clone();
        let vip = VIPS[usize::from(matches!(network, Network::V6(_)))].parse().unwrap();
        let index = 1 + u32::try_from(garbage.below(4)).unwrap();
        let packet = Described {
            tags: TAGGINGS[garbage.below(3)].to_vec(),
            network,
            payload: garbage.below(40),
            padding: garbage.below(3),
            ..Described::new(vip, port(index), Segment::ALL[garbage.below(4)])
        };
        let mut frame = packet.frame();
        // Tags are compared by their fields, so the bit that those leave out stays as it is.
        let spared: Vec<usize> = (1..=packet.tags.len()).map(|tag| 10 + 4 * tag).collect();
        for _ in 0..garbage.below(5) {
            let at = garbage.below(frame.len().min(160));
            if at > 0 && !spared.contains(&at) {
                frame[at] = garbage.byte();
            }
        }
        if garbage.below(10) == 0 {
            frame.truncate(14 + garbage.below(frame.len() - 14));
        }
        frame
    });
    let actions = compare(&world, frames);
    for action in [Action::Pass, Action::Drop, Action::Tx, Action::Redirect] {
        assert!(actions[action as usize] > 1_000, "{actions:?}");
    }
}
