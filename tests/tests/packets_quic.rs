//! QUIC on the loaded program: packets by connection id, against a reading of the headers that shares nothing with it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use etherparse::UdpHeader;
use nlb_common::address::Address;
use nlb_common::flow::{Pin, Tracking};
use nlb_common::hash::Affinity;
use nlb_common::layout::edge;
use nlb_common::quic::{QuicRule, ServerId, ServerKey};
use nlb_common::slot::{Slot, Tick};
use nlb_common::tables::{Group, Listener, ListenerKey, Target};
use nlb_tests::packets::described::{TAGGINGS, networks};
use nlb_tests::packets::garbage::Garbage;
use nlb_tests::packets::world::{VIPS, WAYS};
use nlb_tests::packets::{Described, Network, Segment, World};
use nlb_tests::run::{Action, INGRESS};

const QUIC: u16 = 443;
const LISTENER: u32 = 30;
const FIRST_SLOT: u32 = 40;
const SLOTS: u32 = 8;
/// The target of all slots; the others are named by server ids alone.
const BY_HASH: u32 = 1;
/// Versions 1 and 2, version negotiation, one that is reserved to be unknown, and the last.
const VERSIONS: [u32; 5] = [1, 0x6b33_43cf, 0, 0x1a2a_3a4a, u32::MAX];

/// Who is named by an id of which rotation.
type Servers = BTreeMap<(u8, Vec<u8>), u32>;

/// A world with a listener of QUIC at both VIPs.
struct Scene {
    world: World,
    length: u8,
    servers: Servers,
    rules: BTreeMap<&'static str, u64>,
}

impl Scene {
    fn new(length: u8, tracking: Tracking, affinity: Affinity) -> Self {
        let mut world = World::new().unwrap();
        for slot in 0..SLOTS {
            world.edge.set_slot(FIRST_SLOT + slot, Slot::closed(BY_HASH, 0)).unwrap();
        }
        let mut scene = Self { world, length, servers: Servers::new(), rules: BTreeMap::new() };
        scene.listen(tracking, affinity, 0);
        scene
    }

    fn listen(&mut self, tracking: Tracking, affinity: Affinity, more_ports: u16) {
        let (tracking, affinity) = (tracking as u8, affinity as u8);
        let group =
            Group { tag: 9, first_slot: FIRST_SLOT, slot_mask: SLOTS - 1, affinity, tracking, ..Group::default() };
        for vip in VIPS {
            let address = Address::from(vip.parse::<IpAddr>().unwrap());
            let key = ListenerKey::of_ports(address, 17, QUIC, QUIC + more_ports);
            let listener = Listener { server_id_length: self.length, ..Listener::new(LISTENER, 9, &group) };
            self.world.edge.set_listener(key, listener).unwrap();
        }
    }

    fn name(&mut self, rotation: u8, id: &[u8], target: u32) {
        let key = ServerKey::new(LISTENER, ServerId::new(rotation, id));
        self.world.edge.set_quic_server(key, Some(target)).unwrap();
        self.servers.insert((rotation, id.to_vec()), target);
    }

    fn flags(&mut self, target: u32, flags: u8) {
        let entry = Target { flags, ..self.world.targets[target as usize - 1] };
        self.world.edge.set_target(target, entry).unwrap();
    }

    /// Runs a datagram, which must go to that target by that rule.
    fn expect(&mut self, packet: &Described, datagram: &[u8], rule: &'static str, target: u32) {
        self.expect_at(packet, datagram, rule, target, Affinity::Flow);
    }

    fn expect_at(&mut self, packet: &Described, datagram: &[u8], rule: &'static str, target: u32, affinity: Affinity) {
        let ip = packet.ip_around(&udp(packet, datagram));
        let ran = self.world.edge.run(&packet.frame_around(&ip)).unwrap();
        let action = if WAYS[target as usize - 1].1 == INGRESS { Action::Tx } else { Action::Redirect };
        let hash = self.world.edge.keys.hash(&packet.flow(), affinity);
        let frame = self.world.tunnel_of(hash, target).frame(&packet.tags, &ip, &packet.pad());
        assert_eq!((ran.action, ran.packet), (action, frame), "{datagram:02x?} in {packet:?} to {target}");
        *self.rules.entry(rule).or_default() += 1;
    }

    fn counted(&self) {
        let counted: BTreeMap<_, _> =
            self.world.edge.quic_rules().unwrap().into_iter().map(|(rule, packets)| (rule.name(), packets)).collect();
        assert_eq!(counted, self.rules);
        assert_eq!(self.world.edge.drops().unwrap(), []);
    }
}

fn udp(packet: &Described, datagram: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + datagram.len()).unwrap();
    let header =
        UdpHeader { source_port: packet.source.1, destination_port: packet.destination.1, length, checksum: 0xbeef };
    [&header.to_bytes()[..], datagram].concat()
}

fn to(network: &Network) -> Described {
    let vip = VIPS[usize::from(matches!(network, Network::V6(_)))].parse().unwrap();
    Described { network: network.clone(), ..Described::new(vip, QUIC, Segment::Udp) }
}

fn plain() -> Described {
    to(&Network::V4 { options: 0 })
}

/// A packet with a short header, and what can't be read behind the id.
fn short(id: &[u8]) -> Vec<u8> {
    [&[0x40], id, &[0xee; 24]].concat()
}

/// A packet with a long header.
fn long(version: u32, id: &[u8]) -> Vec<u8> {
    let length = u8::try_from(id.len()).unwrap();
    [&[0xc3][..], &version.to_be_bytes(), &[length], id, &[8], &[0xaa; 8], &[0xee; 40]].concat()
}

/// A connection id of a server: any five bits behind the rotation, and a nonce.
fn id(rotation: u8, five: u8, server: &[u8]) -> Vec<u8> {
    [&[rotation << 5 | five & 0x1f], server, &[0x90, 0x91, 0x92, 0x93]].concat()
}

/// What the draft says of a datagram, by slices.
fn reference(datagram: &[u8], length: usize, servers: &Servers) -> (&'static str, Option<u32>) {
    let Some(first) = datagram.first().filter(|_| datagram.len() >= 17) else { return ("unroutable", None) };
    let (is_long, id) = match first & 0x80 {
        0 => (false, &datagram[1..]),
        _ if usize::from(datagram[5]) < 1 + length => return ("begins", None),
        _ => (true, &datagram[6..]),
    };
    if id.len() < 16 || id[0] >= 0b1110_0000 {
        return (if is_long { "begins" } else { "unroutable" }, None);
    }
    match servers.get(&(id[0] >> 5, id[1..=length].to_vec())) {
        Some(target) => ("server_id", Some(*target)),
        None => (if is_long { "begins" } else { "unknown_server" }, None),
    }
}

/// Of few rotations, ids and lengths, so that all of them meet.
fn random(garbage: &mut Garbage, length: usize) -> Vec<u8> {
    let below = |garbage: &mut Garbage, limit| u8::try_from(garbage.below(limit)).unwrap();
    let mut header = if garbage.once_in(2) {
        vec![below(garbage, 0x80)]
    } else {
        [&[0x80 | below(garbage, 0x80)], &garbage.bytes(4)[..], &[below(garbage, 24)]].concat()
    };
    header.push(below(garbage, 8) << 5 | below(garbage, 32));
    header.resize(header.len() + length, below(garbage, 3));
    header.extend(garbage.bytes(24));
    header.truncate(garbage.below(60));
    header
}

#[test]
fn a_connection_goes_to_the_target_that_its_id_names_by_any_header() {
    let all: Vec<u8> = (0xe0..0xef).collect();
    let mut scene = Scene::new(1, Tracking::None, Affinity::Flow);
    for length in 1..=15 {
        scene.length = length;
        scene.listen(Tracking::None, Affinity::Flow, 0);
        let servers: Vec<Vec<u8>> = (1..=4_u8)
            .map(|target| {
                let mut id = all[..length.into()].to_vec();
                *id.last_mut().unwrap() = target;
                id
            })
            .collect();
        for rotation in [0, 3, 6] {
            for (server, target) in servers.iter().zip([2, 3, 4, 1]) {
                scene.name(rotation, server, target);
            }
        }
        // All of them once, and some for each length.
        let networks = networks(8);
        for (number, network) in (0_u8..).zip(networks.iter().step_by(if length == 8 { 1 } else { 7 })) {
            for tags in TAGGINGS {
                let mut packet = Described { tags: tags.to_vec(), padding: 6, ..to(network) };
                packet.source.1 = 1024 + u16::from(number);
                for rotation in [0, 3, 6] {
                    let (server, target) = servers.iter().zip([2, 3, 4, 1]).nth(usize::from(number) % 4).unwrap();
                    let id = id(rotation, number, server);
                    scene.expect(&packet, &short(&id), "server_id", target);
                    scene.expect(&packet, &long(VERSIONS[usize::from(number) % 5], &id), "server_id", target);
                }
            }
        }
        scene.counted();
    }
}

#[test]
fn what_names_nobody_goes_by_its_flows_hash() {
    let mut scene = Scene::new(2, Tracking::None, Affinity::Flow);
    scene.name(0, &[7, 7], 2);
    let server = |rotation| id(rotation, 0, &[7, 7]);
    let cut = |datagram: Vec<u8>, length| datagram[..length].to_vec();
    let mut own = long(1, &server(0));
    own[5] = 2;
    for (datagram, rule) in [
        (short(&server(1)), "unknown_server"),
        (short(&server(7)), "unroutable"),
        (short(&id(0, 0, &[7, 8])), "unknown_server"),
        (short(&id(0, 0, &[0, 7])), "unknown_server"),
        (long(1, &server(1)), "begins"),
        (long(1, &server(7)), "begins"),
        (long(1, &id(0, 0, &[8, 7])), "begins"),
        (long(1, &[]), "begins"),
        (long(1, &[0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0]), "begins"),
        // The id that the header announces ends within the server's.
        (own, "begins"),
        (Vec::new(), "unroutable"),
        (cut(short(&server(0)), 1), "unroutable"),
        (cut(short(&server(0)), 16), "unroutable"),
        (cut(long(1, &server(0)), 16), "unroutable"),
        (cut(long(1, &server(0)), 21), "begins"),
    ] {
        // Of what pads the frame nothing is read.
        scene.expect(&Described { padding: 40, ..plain() }, &datagram, rule, BY_HASH);
    }
    scene.expect(&plain(), &cut(short(&server(0)), 17), "server_id", 2);
    scene.expect(&plain(), &cut(long(1, &server(0)), 22), "server_id", 2);
    scene.counted();
}

#[test]
fn random_datagrams_are_read_as_the_reference_reads_them() {
    let mut scene = Scene::new(1, Tracking::None, Affinity::Flow);
    for length in [1, 2, 5, 15] {
        scene.length = length;
        scene.listen(Tracking::None, Affinity::Flow, 0);
        for (rotation, byte, target) in [(0, 0, 2), (0, 1, 3), (1, 0, 4), (5, 1, 2)] {
            scene.name(rotation, &vec![byte; length.into()], target);
        }
        let mut garbage = Garbage::new(u64::from(length));
        for number in 0..4_000 {
            let datagram = random(&mut garbage, length.into());
            let mut packet = plain();
            packet.source.1 = 1_024 + number;
            let (rule, named) = reference(&datagram, length.into(), &scene.servers);
            scene.expect(&packet, &datagram, rule, named.unwrap_or(BY_HASH));
        }
        scene.counted();
    }
    assert!(QuicRule::ALL.iter().all(|rule| scene.rules[rule.name()] > 1_000), "{:?}", scene.rules);
}

#[test]
fn a_target_that_drains_keeps_its_connections_and_one_that_serves_no_more_does_not() {
    let mut scene = Scene::new(1, Tracking::None, Affinity::Flow);
    scene.name(0, &[9], 2);
    let datagrams = [short(&id(0, 0, &[9])), long(1, &id(0, 0, &[9]))];
    for (flags, named) in [
        (Target::READY, true),
        (Target::READY | Target::DRAINING, true),
        (Target::READY | Target::DRAINING | Target::RESET, false),
        (Target::READY | Target::DEAD, false),
        (Target::READY | Target::DRAINING | Target::DEAD, false),
    ] {
        scene.flags(2, flags);
        let [short, long] = &datagrams;
        let (target, rules) = if named { (2, ["server_id"; 2]) } else { (BY_HASH, ["unknown_server", "begins"]) };
        scene.expect(&plain(), short, rules[0], target);
        scene.expect(&plain(), long, rules[1], target);
    }
    scene.world.edge.set_target(2, Target::default()).unwrap();
    scene.expect(&plain(), &datagrams[0], "unknown_server", BY_HASH);
    scene.flags(2, Target::READY);
    let key = ServerKey::new(LISTENER, ServerId::new(0, &[9]));
    scene.world.edge.set_quic_server(key, None).unwrap();
    scene.expect(&plain(), &datagrams[0], "unknown_server", BY_HASH);
    scene.counted();
}

#[test]
fn an_id_of_another_listener_names_nobody() {
    let mut scene = Scene::new(1, Tracking::None, Affinity::Flow);
    let key = ServerKey::new(LISTENER + 1, ServerId::new(0, &[9]));
    scene.world.edge.set_quic_server(key, Some(2)).unwrap();
    scene.expect(&plain(), &short(&id(0, 0, &[9])), "unknown_server", BY_HASH);
    scene.counted();
}

#[test]
fn a_named_target_needs_no_memory_and_heeds_none() {
    let mut scene = Scene::new(1, Tracking::None, Affinity::Flow);
    scene.name(0, &[9], 2);
    for tracking in [Tracking::None, Tracking::Transition, Tracking::All] {
        scene.listen(tracking, Affinity::Flow, 0);
        let before = scene.world.edge.flow_events().unwrap();
        let flow = plain().flow();
        for slot in [Slot::closed(BY_HASH, 0).with_pins(true), Slot::open(BY_HASH, 3, Tick::at(1))] {
            for number in 0..SLOTS {
                scene.world.edge.set_slot(FIRST_SLOT + number, slot).unwrap();
            }
            let tag = scene.world.targets[3].tag;
            scene.world.edge.set_pin(edge::DATAGRAMS, flow, Pin::new(4, tag, FIRST_SLOT, 0)).unwrap();
            scene.expect(&plain(), &short(&id(0, 0, &[9])), "server_id", 2);
            assert_eq!(scene.world.edge.flow_events().unwrap(), before, "no flow is looked up");
        }
        // What names nobody is a flow like any other.
        let by_flow = if tracking == Tracking::None { BY_HASH } else { 4 };
        scene.expect(&plain(), &short(&id(0, 0, &[8])), "unknown_server", by_flow);
        scene.counted();
    }
}

#[test]
fn listeners_of_many_ports_and_with_affinity_read_ids_as_well() {
    let mut scene = Scene::new(3, Tracking::None, Affinity::Flow);
    scene.name(2, &[1, 2, 3], 3);
    for affinity in [Affinity::Flow, Affinity::SourceIp, Affinity::SourceIpPort, Affinity::SourceSubnet] {
        scene.listen(Tracking::None, affinity, 0);
        scene.listen(Tracking::None, affinity, 10);
        for port in [QUIC, QUIC + 10] {
            let mut packet = plain();
            packet.destination.1 = port;
            scene.expect_at(&packet, &short(&id(2, 0, &[1, 2, 3])), "server_id", 3, affinity);
            scene.expect_at(&packet, &short(&id(2, 0, &[1, 2, 4])), "unknown_server", BY_HASH, affinity);
        }
        scene.counted();
    }
}

#[test]
fn listeners_without_quic_read_no_ids() {
    let mut scene = Scene::new(1, Tracking::None, Affinity::Flow);
    scene.name(0, &[9], 2);
    scene.length = 0;
    scene.listen(Tracking::None, Affinity::Flow, 0);
    let packet = plain();
    let datagram = short(&id(0, 0, &[9]));
    scene.expect(&packet, &datagram, "server_id", BY_HASH);
    assert_eq!(scene.world.edge.quic_rules().unwrap(), []);
}
