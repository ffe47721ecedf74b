//! Tables of packets for the edge's program: packet in, action and packet out, byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use nlb_common::counters::Counters;
use nlb_common::drop_reason::DropReason;
use nlb_common::hash::Affinity;
use nlb_common::slot::Slot;
use nlb_common::tables::{Group, Target};
use nlb_tests::packets::described::{TAGGINGS, networks};
use nlb_tests::packets::hash::hash as reference_hash;
use nlb_tests::packets::world::{SEED, VIPS, WAYS, port, target};
use nlb_tests::packets::{Described, Extension, Kind, Network, Segment, World};
use nlb_tests::run::{Action, INGRESS, Ran};

/// Extension headers that are followed: as the documentation says.
const BOUND: usize = 8;

fn vip(network: &Network) -> IpAddr {
    VIPS[usize::from(matches!(network, Network::V6(_)))].parse().unwrap()
}

fn way_out(index: u32) -> Action {
    if WAYS[index as usize - 1].1 == INGRESS { Action::Tx } else { Action::Redirect }
}

/// Runs `packet` and demands that it is tunnelled to target `index`.
fn assert_tunnelled(world: &World, packet: &Described, index: u32) -> Ran {
    let ran = world.edge.run(&packet.frame()).unwrap();
    let expected = world.tunnel(packet, index).frame(&packet.tags, &packet.ip(), &packet.pad());
    assert_eq!(ran.action, way_out(index), "{packet:?} to target {index}");
    assert_eq!(ran.packet, expected, "{packet:?} to target {index}");
    ran
}

#[test]
fn every_combination_of_headers_reaches_every_kind_of_target() {
    let world = World::new().unwrap();
    for network in networks(BOUND) {
        for tags in TAGGINGS {
            for segment in Segment::ALL {
                for index in 1..=4 {
                    let packet = Described {
                        tags: tags.to_vec(),
                        network: network.clone(),
                        ..Described::new(vip(&network), port(index), segment)
                    };
                    assert_tunnelled(&world, &packet, index);
                }
            }
        }
    }
    assert_eq!(world.edge.drops().unwrap(), []);
}

#[test]
fn every_traffic_class_is_copied_whole() {
    let world = World::new().unwrap();
    for vip in VIPS {
        for traffic_class in 0..=u8::MAX {
            for index in [1, 3] {
                let packet = Described::new(vip.parse().unwrap(), port(index), Segment::Data);
                assert_tunnelled(&world, &Described { traffic_class, ..packet }, index);
            }
        }
    }
}

#[test]
fn the_outer_source_varies_within_its_prefix_and_only_by_flow() {
    let mut world = World::new().unwrap();
    for (way, widths) in [(1, 0..=32_u8), (3, 0..=64)] {
        for source_bits in widths {
            let index = world.add(Target { source_bits, ..target(way) }).unwrap();
            for vip in VIPS {
                for source_port in [1, 2, 51_234] {
                    let mut packet = Described::new(vip.parse().unwrap(), port(index), Segment::Data);
                    packet.source.1 = source_port;
                    let ran = world.edge.run(&packet.frame()).unwrap();
                    assert_eq!(
                        ran.packet,
                        world.tunnel(&packet, index).frame(&[], &packet.ip(), &[]),
                        "{source_bits} bits"
                    );
                }
            }
        }
    }
}

#[test]
fn what_pads_the_frame_stays_behind_the_packet_and_counts_for_nothing() {
    let world = World::new().unwrap();
    for vip in VIPS {
        for padding in 0..=46 {
            for index in 1..=4 {
                let packet = Described::new(vip.parse().unwrap(), port(index), Segment::Udp);
                let packet = Described { padding, payload: 0, ..packet };
                let before = world.edge.target_counters(index).unwrap();
                assert_tunnelled(&world, &packet, index);
                let after = world.edge.target_counters(index).unwrap();
                assert_eq!(after.bytes - before.bytes, packet.ip().len() as u64);
            }
        }
    }
}

#[test]
fn the_slot_is_the_hashes_and_its_current_target_is_chosen() {
    const SLOTS: u32 = 64;
    for affinity in [Affinity::Flow, Affinity::SourceIp, Affinity::SourceIpPort, Affinity::SourceSubnet] {
        let mut world = World::new().unwrap();
        let group = Group {
            tag: 1,
            first_slot: 1_000,
            slot_mask: SLOTS - 1,
            affinity: affinity as u8,
            tracking: 0,
            padding: [0; 6],
        };
        world.edge.set_group(1, group).unwrap();
        // `previous` and the flags change nothing as long as there is no flow table.
        for slot in 0..SLOTS {
            let word = Slot::closed(1 + slot % 4, 1 + (slot + 1) % 4).0;
            let flags = [0, 1 << 31, 1 << 63, 1 << 31 | 1 << 63][(slot / 4 % 4) as usize];
            world.edge.set_slot(1_000 + slot, Slot(word | flags)).unwrap();
        }
        let mut chosen = BTreeMap::<IpAddr, BTreeSet<u32>>::new();
        for vip in VIPS {
            for number in 1..=200 {
                let mut packet = Described::new(vip.parse().unwrap(), port(1), Segment::Data);
                packet.source = (client(packet.source.0, number % 20), number);
                let hash = reference_hash(SEED, &packet, affinity);
                let index = 1 + u32::try_from(hash % u64::from(SLOTS)).unwrap() % 4;
                let ran = world.edge.run(&packet.frame()).unwrap();
                assert_eq!(ran.action, way_out(index), "{affinity:?}: {packet:?}");
                assert_eq!(ran.packet, world.tunnel_of(hash, index).frame(&[], &packet.ip(), &[]));
                chosen.entry(packet.source.0).or_default().insert(index);
            }
        }
        let all: BTreeSet<_> = chosen.values().flatten().collect();
        assert_eq!(all.len(), 4, "{affinity:?}: {chosen:?}");
        let of_one_client = |targets: &BTreeSet<u32>| targets.len() == 1;
        assert_eq!(chosen.values().all(of_one_client), affinity != Affinity::Flow, "{affinity:?}: {chosen:?}");
    }
}

/// A client of the family of `like`; two of them share a network.
fn client(like: IpAddr, number: u16) -> IpAddr {
    let [network, host] = [number / 2, number];
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits(0xc633_0000 + u32::from(network) * 0x100 + u32::from(host)).into(),
        IpAddr::V6(_) => [0x2001, 0xdb8, 0, network, 0, 0, 0, host].into(),
    }
}

#[test]
fn counters_hold_exactly_what_was_forwarded() {
    let world = World::new().unwrap();
    let mut expected = [Counters::default(); 4];
    for (round, segment) in Segment::ALL.into_iter().cycle().take(100).enumerate() {
        let index = 1 + u32::try_from(round % 3).unwrap();
        let mut packet = Described::new(VIPS[round % 2].parse().unwrap(), port(index), segment);
        packet.payload = round;
        assert_tunnelled(&world, &packet, index);
        expected[index as usize - 1] +=
            Counters { packets: 1, bytes: packet.ip().len() as u64, new_flows: u64::from(segment.opens()) };
    }
    for (index, expected) in (1..).zip(expected) {
        assert_eq!(world.edge.target_counters(index).unwrap(), expected);
        assert_eq!(world.edge.listener_counters(index).unwrap(), expected);
    }
}

/// A packet that is changed by hand after it was built.
fn changed(vip: &str, segment: Segment, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = Described::new(vip.parse().unwrap(), port(1), segment).frame();
    change(&mut frame);
    frame
}

fn with_extensions(extensions: &[Extension]) -> Vec<u8> {
    let network = Network::V6(extensions.to_vec());
    Described { network, ..Described::new(VIPS[1].parse().unwrap(), port(1), Segment::Data) }.frame()
}

const IP: usize = 14;

#[test]
fn what_is_not_ours_passes_untouched_and_uncounted() {
    let [v4, v6] = VIPS;
    let mut table: Vec<(&str, Vec<u8>)> = vec![
        ("ARP", changed(v4, Segment::Syn, |frame| frame[12..14].copy_from_slice(&[0x08, 0x06]))),
        ("IEEE 802.3 with a length", changed(v4, Segment::Syn, |frame| frame[12..14].copy_from_slice(&[0x00, 0x40]))),
        ("three tags", {
            let tags = [TAGGINGS[2], TAGGINGS[1]].concat();
            Described { tags, ..Described::new(v4.parse().unwrap(), port(1), Segment::Syn) }.frame()
        }),
        ("a broadcast frame", changed(v4, Segment::Syn, |frame| frame[..6].fill(0xff))),
        ("a multicast frame", changed(v6, Segment::Syn, |frame| frame[..2].copy_from_slice(&[0x33, 0x33]))),
        ("another port", Described::new(v4.parse().unwrap(), 7_999, Segment::Syn).frame()),
        ("another address", Described::new("203.0.113.11".parse().unwrap(), port(1), Segment::Syn).frame()),
        ("another IPv6 address", Described::new("2001:db8:f::11".parse().unwrap(), port(1), Segment::Syn).frame()),
        ("the VIP as an IPv4-mapped address", {
            Described::new("::ffff:203.0.113.10".parse().unwrap(), port(1), Segment::Syn).frame()
        }),
        ("a routing header with a node left", {
            let mut frame = with_extensions(&[Extension { kind: Kind::Routing, units: 2 }]);
            frame[IP + 43] = 1;
            frame
        }),
        ("no payload, or a jumbogram", changed(v6, Segment::Syn, |frame| frame[IP + 4..IP + 6].fill(0))),
        ("TCP too short for its header to a port of nobody", {
            let packet = Described::new(v4.parse().unwrap(), 7_999, Segment::Syn);
            packet.frame_around(&packet.ip_cut(4))
        }),
        ("UDP with a length that can't be to a port of nobody", {
            let packet = Described::new(v6.parse().unwrap(), 7_999, Segment::Udp);
            let mut frame = packet.frame();
            frame[IP + 44..IP + 46].fill(0);
            frame
        }),
    ];
    for protocol in (0..=u8::MAX).filter(|protocol| ![6, 17, 132].contains(protocol)) {
        table.push(("IPv4 with another protocol", changed(v4, Segment::Syn, |frame| frame[IP + 9] = protocol)));
        // Those are headers that others follow.
        if ![0, 43, 44, 51, 60].contains(&protocol) {
            table.push(("IPv6 with another protocol", changed(v6, Segment::Syn, |frame| frame[IP + 6] = protocol)));
        }
    }
    let world = World::new().unwrap();
    for (what, frame) in table {
        let ran = world.edge.run(&frame).unwrap();
        assert_eq!((ran.action, &ran.packet), (Action::Pass, &frame), "{what}: {frame:02x?}");
    }
    assert_eq!(world.edge.drops().unwrap(), []);
    for index in 1..=4 {
        assert_eq!(world.edge.target_counters(index).unwrap(), Counters::default());
        assert_eq!(world.edge.listener_counters(index).unwrap(), Counters::default());
    }
}

#[test]
fn every_other_tcp_flag_leaves_a_packet_ours() {
    let world = World::new().unwrap();
    for flags in 0..=u8::MAX {
        let frame = changed(VIPS[0], Segment::Data, |frame| frame[IP + 20 + 13] = flags);
        let before = world.edge.target_counters(1).unwrap();
        assert_eq!(world.edge.run(&frame).unwrap().action, Action::Tx, "{flags:#x}");
        let after = world.edge.target_counters(1).unwrap();
        assert_eq!(after.new_flows - before.new_flows, u64::from(flags & 0x12 == 0x02), "{flags:#x}");
    }
}

/// A world with a port for each way that tables can fail to give a target.
fn broken_world() -> (World, Vec<(&'static str, u32, DropReason)>) {
    let mut world = World::new().unwrap();
    let mut table = Vec::new();
    let unready = world.add(Target { flags: 0, ..target(1) }).unwrap();
    table.push(("a target without next hop", unready, DropReason::NoNextHop));
    let freed = world.add(Target::default()).unwrap();
    table.push(("a target that is gone", freed, DropReason::NoTarget));
    let empty = world.add(target(1)).unwrap();
    world.edge.set_slot(empty, Slot::EMPTY).unwrap();
    table.push(("an empty slot", empty, DropReason::NoTarget));
    let outside = world.add(target(1)).unwrap();
    world.edge.set_slot(outside, Slot::closed(u32::MAX, 0)).unwrap();
    table.push(("a target outside the table", outside, DropReason::NoTarget));
    let ring = world.add(target(1)).unwrap();
    world.edge.set_group(ring, Group { tag: 1, first_slot: u32::MAX, ..Group::default() }).unwrap();
    table.push(("a ring outside the table", ring, DropReason::NoTarget));
    (world, table)
}

#[test]
fn a_group_that_gives_no_target_drops_and_says_why() {
    let (world, table) = broken_world();
    for (what, index, reason) in table {
        for vip in VIPS {
            for segment in Segment::ALL {
                let before = drops(&world, reason);
                let frame = Described::new(vip.parse().unwrap(), port(index), segment).frame();
                let ran = world.edge.run(&frame).unwrap();
                assert_eq!((ran.action, &ran.packet), (Action::Drop, &frame), "{what}");
                assert_eq!(drops(&world, reason), before + 1, "{what}");
            }
        }
        assert_eq!(world.edge.target_counters(index).unwrap(), Counters::default(), "{what}");
    }
}

fn drops(world: &World, reason: DropReason) -> u64 {
    let drops = world.edge.drops().unwrap();
    drops.iter().find(|(dropped, _)| *dropped == reason).map_or(0, |(_, packets)| *packets)
}

/// Runs `frame` and demands that it is dropped for `reason` and no other.
fn assert_dropped(world: &World, frame: &[u8], reason: DropReason, what: &str) {
    let mut expected = world.edge.drops().unwrap();
    let ran = world.edge.run(frame).unwrap();
    assert_eq!((ran.action, ran.packet.as_slice()), (Action::Drop, frame), "{what}: {frame:02x?}");
    match expected.iter_mut().find(|(dropped, _)| *dropped == reason) {
        Some((_, packets)) => *packets += 1,
        None => expected.push((reason, 1)),
    }
    expected.sort_by_key(|(dropped, _)| *dropped as u8);
    assert_eq!(world.edge.drops().unwrap(), expected, "{what}: {frame:02x?}");
}

#[test]
fn headers_that_cannot_be_are_dropped_with_their_reason() {
    let world = World::new().unwrap();
    let [v4, v6] = VIPS;
    for version_and_words in (0..=u8::MAX).filter(|first| first >> 4 != 4 || first & 0xf < 5) {
        let frame = changed(v4, Segment::Data, |frame| frame[IP] = version_and_words);
        assert_dropped(&world, &frame, DropReason::BadNetwork, "IPv4 version or header length");
    }
    for version in (0..16_u8).filter(|version| *version != 6) {
        let frame = changed(v6, Segment::Data, |frame| frame[IP] = version << 4);
        assert_dropped(&world, &frame, DropReason::BadNetwork, "IPv6 version");
    }
    for length in (0..20_u16).chain([52, 1_500, u16::MAX]) {
        let frame = changed(v4, Segment::Data, |frame| frame[IP + 2..IP + 4].copy_from_slice(&length.to_be_bytes()));
        assert_dropped(&world, &frame, DropReason::BadNetwork, "IPv4 total length");
    }
    for length in [32, 1_500, u16::MAX] {
        let frame = changed(v6, Segment::Data, |frame| frame[IP + 4..IP + 6].copy_from_slice(&length.to_be_bytes()));
        assert_dropped(&world, &frame, DropReason::BadNetwork, "IPv6 payload length");
    }
    for words in (0..5_u8).chain(8..16) {
        for (vip, tcp) in [(v4, IP + 20), (v6, IP + 40)] {
            let frame = changed(vip, Segment::Data, |frame| frame[tcp + 12] = words << 4);
            assert_dropped(&world, &frame, DropReason::BadTransport, "TCP header length");
        }
    }
    for length in (0..8_u16).chain([20, u16::MAX]) {
        for (vip, udp) in [(v4, IP + 20), (v6, IP + 40)] {
            let frame = changed(vip, Segment::Udp, |frame| {
                frame[udp + 4..udp + 6].copy_from_slice(&length.to_be_bytes());
            });
            assert_dropped(&world, &frame, DropReason::BadTransport, "UDP length");
        }
    }
    for length in 0..4_u16 {
        for (vip, sctp) in [(v4, IP + 20), (v6, IP + 40)] {
            let frame = changed(vip, Segment::Chunk, |frame| {
                frame[sctp + 14..sctp + 16].copy_from_slice(&length.to_be_bytes());
            });
            assert_dropped(&world, &frame, DropReason::BadTransport, "SCTP chunk length");
        }
    }
    for number in [BOUND + 1, BOUND + 2, 2 * BOUND] {
        for kind in Kind::ALL {
            let frame = with_extensions(&vec![Extension { kind, units: 0 }; number]);
            assert_dropped(&world, &frame, DropReason::ExtensionHeaders, "too many extension headers");
        }
    }
    for index in 1..=4 {
        assert_eq!(world.edge.target_counters(index).unwrap(), Counters::default());
    }
}

#[test]
fn a_frame_that_is_cut_off_anywhere_is_dropped_where_it_ends() {
    let world = World::new().unwrap();
    for network in networks(BOUND) {
        for tags in TAGGINGS {
            let packet = Described {
                tags: tags.to_vec(),
                network: network.clone(),
                ..Described::new(vip(&network), port(1), Segment::Syn)
            };
            let frame = packet.frame();
            let link = packet.link_length();
            // The kernel's test run takes no frame without an Ethernet header. From 100 bytes on, every seventh length.
            for length in
                (14..frame.len()).filter(|length| *length < 100 || length % 7 == 0 || *length + 24 > frame.len())
            {
                let reason = if length < link {
                    DropReason::TruncatedLink
                } else if length < link + packet.header_length() {
                    DropReason::TruncatedNetwork
                } else {
                    DropReason::BadNetwork
                };
                assert_dropped(&world, &frame[..length], reason, "cut off");
            }
        }
    }
}

#[test]
fn a_packet_that_says_itself_how_short_it_is_is_dropped_where_it_ends() {
    let world = World::new().unwrap();
    for network in networks(BOUND) {
        for segment in Segment::ALL {
            let packet = Described { network: network.clone(), ..Described::new(vip(&network), port(1), segment) };
            let extensions = packet.extensions_length();
            let whole = extensions + segment.header_length();
            for length in (0..whole).filter(|length| *length < 100 || length % 7 == 0 || *length >= extensions) {
                let frame = packet.frame_around(&packet.ip_cut(length));
                if length == 0 && matches!(network, Network::V6(_)) {
                    assert_eq!(world.edge.run(&frame).unwrap().action, Action::Pass);
                } else if length < extensions {
                    assert_dropped(&world, &frame, DropReason::TruncatedNetwork, "within an extension header");
                } else {
                    assert_dropped(&world, &frame, DropReason::TruncatedTransport, "within TCP, UDP or SCTP");
                }
            }
        }
    }
}
