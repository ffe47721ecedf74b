//! Tables of packets for gateways: what goes to an appliance, byte for byte, and what is taken back from one. In a network
//! namespace that is a router, for only what a host would forward is a gateway's.

mod back;
mod flows;
mod there;

use std::net::IpAddr;
use std::process::Command;

use ipnet::IpNet;
use nix::sched::{CloneFlags, unshare};
use nlb_common::hash::Affinity;
use nlb_common::slot::Slot;
use nlb_common::tables::{Group, Listener, ListenerKey, Target};
use nlb_tests::packets::described::Tag;
use nlb_tests::packets::hash::both_ways;
use nlb_tests::packets::reference::{Said, geneve};
use nlb_tests::packets::world::target;
use nlb_tests::packets::{Described, Segment, Tunnel, World};
use nlb_tests::run::{Edge, INGRESS};

const SEED: u64 = 0x9a7e;
/// The gateway's networks: the clients of [`Described::new`] are in them.
const NETWORKS: [&str; 2] = ["198.51.100.0/24", "2001:db8:c::/48"];
/// Whom they talk to, behind the router.
const SERVERS: [&str; 2] = ["203.0.113.99", "2001:db8:99::1"];
/// The router's own addresses.
const OWN: [&str; 2] = ["198.51.100.1", "2001:db8:c::1"];
const ENDPOINT: u64 = 0x1122_3344_5566_7788;
const GROUP: u32 = 40;
const COUNTERS: u32 = 41;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn command(words: &str) {
    let mut words = words.split_whitespace();
    assert!(Command::new(words.next().unwrap()).args(words).status().unwrap().success());
}

fn forwards(does: bool) {
    for path in ["ipv4/conf/all", "ipv6/conf/all"] {
        std::fs::write(format!("/proc/sys/net/{path}/forwarding"), u8::from(does).to_string()).unwrap();
    }
}

/// Runs a test on a router of its own, whose default route leads to a neighbour.
fn on_a_router(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace needs root");
            command("ip link set lo up");
            command("ip link add eth0 type veth peer name far");
            command("ip link set far up");
            command("ip link set eth0 up");
            command(&format!("ip address add {}/24 dev eth0", OWN[0]));
            command(&format!("ip address add {}/48 dev eth0 nodad", OWN[1]));
            command("ip route add default via 198.51.100.254");
            command("ip -6 route add default via 2001:db8:c::254");
            forwards(true);
            test();
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// The key of a gateway.
fn key(network: &str) -> ListenerKey {
    let network: IpNet = network.parse().unwrap();
    let mapped = if network.addr().is_ipv4() { 96 } else { 0 };
    ListenerKey::of_network(network.addr().into(), mapped + network.prefix_len())
}

fn appliance(way: u32) -> Target {
    let target = target(way);
    Target { flags: target.flags | Target::GENEVE, ..target }
}

/// A world with an appliance for each way out, from number 5 on, and a gateway for both networks whose ring of `slots` slots is the
/// first appliance's.
fn world(slots: u32, affinity: Affinity, tracking: u8) -> World {
    let mut world = World::around(Edge::load(SEED).unwrap()).unwrap();
    for way in 1..=4 {
        world.add(appliance(way)).unwrap();
    }
    let (slot_mask, affinity) = (slots - 1, affinity as u8);
    let group = Group { tag: 7, first_slot: GROUP, slot_mask, affinity, tracking, ..Group::default() };
    world.edge.set_group(GROUP, group).unwrap();
    for slot in 0..slots {
        world.edge.set_slot(GROUP + slot, Slot::closed(5, 0)).unwrap();
    }
    for network in NETWORKS {
        let gateway = Listener { endpoint: ENDPOINT, sketch: 3, ..Listener::new(COUNTERS, GROUP, &group) };
        world.edge.set_listener(key(network), gateway).unwrap();
    }
    world
}

/// A packet from within the gateway's network.
fn outwards(v6: bool, segment: Segment) -> Described {
    Described::new(ip(SERVERS[usize::from(v6)]), 443, segment)
}

/// The same flow's other direction.
fn inwards(packet: &Described) -> Described {
    Described { source: packet.destination, destination: packet.source, ..packet.clone() }
}

/// The hash of the flow of `packet`, which shows its ports if it is TCP or UDP.
fn hash(packet: &Described) -> u64 {
    let number = packet.segment.number().0;
    let port = |port| if number == 132 { 0 } else { port };
    both_ways(SEED, [packet.source, packet.destination].map(|(end, at)| (end, port(at))), number)
}

fn said(index: u32, hash: u64) -> Said {
    Said { endpoint: ENDPOINT, attachment: [INGRESS, index], hash }
}

/// The frame in which `packet` should go to appliance `index`, when it came with those tags and padding.
fn to_appliance(world: &World, index: u32, hash: u64, packet: &[u8], tags: &[Tag], padding: &[u8]) -> Vec<u8> {
    let target = &world.targets[index as usize - 1];
    let tunnel = Tunnel { target, hash, ingress: INGRESS, second: None };
    tunnel.frame_with(tags, &geneve(said(index, hash), packet), packet, padding)
}
