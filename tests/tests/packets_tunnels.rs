//! Tunnels that come from outside, for both kernel programs: none of them is ever taken for one of an edge's.

use std::net::IpAddr;

use etherparse::IpNumber;
use nlb_common::counters::DecapOutcome;
use nlb_common::drop_reason::DropReason;
use nlb_common::tables::{Group, Listener, ListenerKey};
use nlb_tests::packets::described::TAGGINGS;
use nlb_tests::packets::reference::{frame, gue};
use nlb_tests::packets::world::{VIPS, port};
use nlb_tests::packets::{Described, Segment, World};
use nlb_tests::run::{Action, TargetHost};

/// By family: the target of the [`World`], the edge that target hosts know, and somebody.
const TARGETS: [&str; 2] = ["10.0.0.77", "fd00::77:1"];
const EDGES: [&str; 2] = ["10.0.255.1", "fd00::edce:1"];
const STRANGERS: [&str; 2] = ["198.18.0.9", "2001:db8:bad::9"];
/// Where GUE goes.
const GUE: u16 = 6080;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An edge that shields its VIPs and targets, as an agent tells it.
fn world() -> World {
    let mut world = World::new().unwrap();
    for address in VIPS.into_iter().chain(TARGETS) {
        world.edge.shield(ip(address).into(), true).unwrap();
    }
    world
}

fn host() -> TargetHost {
    TargetHost::load(&TARGETS.map(ip), &EDGES.map(|edge| (ip(edge), if edge.contains(':') { 128 } else { 32 })))
        .unwrap()
}

/// What a client might hide: a packet to each VIP.
fn inner() -> [Vec<u8>; 2] {
    VIPS.map(|vip| Described::new(ip(vip), port(1), Segment::Syn).ip())
}

/// `ip` in each kind of tunnel: the outer protocol, and what the outer header carries.
fn tunnels(ip: &[u8]) -> [(IpNumber, Vec<u8>); 2] {
    let in_ip = if ip[0] >> 4 == 4 { IpNumber::IPV4 } else { IpNumber::IPV6 };
    [(in_ip, ip.to_vec()), (IpNumber::UDP, [gue(50_000, None, ip), ip.to_vec()].concat())]
}

#[test]
fn a_tunnel_to_a_vip_or_a_target_is_dropped_whoever_sends_it() {
    let world = world();
    let mut dropped = 0;
    for family in [0, 1] {
        for destination in [VIPS[family], TARGETS[family]] {
            for source in [EDGES[family], TARGETS[family], VIPS[family], STRANGERS[family]] {
                for (protocol, payload) in inner().iter().flat_map(|inner| tunnels(inner)) {
                    for tags in TAGGINGS {
                        let frame = frame(tags, source, destination, 0, protocol, &payload);
                        let ran = world.edge.run(&frame).unwrap();
                        let said = format!("{protocol:?} from {source} to {destination}");
                        assert_eq!((ran.action, ran.packet), (Action::Drop, frame), "{said}");
                        dropped += 1;
                    }
                }
            }
        }
    }
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::ForeignTunnel, dropped)]);
}

#[test]
fn what_is_no_tunnel_to_them_passes_untouched() {
    let shielding = world();
    let plain = World::new().unwrap();
    for family in [0, 1] {
        for inner in inner() {
            let [(in_ip, of_ip), (udp, of_gue)] = tunnels(&inner);
            let mut other_port = of_gue.clone();
            other_port[2..4].copy_from_slice(&(GUE + 10).to_be_bytes());
            let (target, edge, stranger) = (TARGETS[family], EDGES[family], STRANGERS[family]);
            let table = [
                ("to the edge itself", &shielding, frame(&[], stranger, edge, 0, in_ip, &of_ip)),
                ("through the edge to somebody", &shielding, frame(&[], edge, stranger, 0, udp, &of_gue)),
                ("GRE", &shielding, frame(&[], edge, target, 0, IpNumber::GRE, &of_ip)),
                ("another port of UDP", &shielding, frame(&[], edge, target, 0, udp, &other_port)),
                ("TCP to the port of GUE", &shielding, frame(&[], edge, target, 0, IpNumber::TCP, &of_gue)),
                ("less than a UDP header", &shielding, frame(&[], edge, target, 0, udp, &of_gue[..7])),
                ("in IP, without a shield", &plain, frame(&[], edge, target, 0, in_ip, &of_ip)),
                ("in UDP, without a shield", &plain, frame(&[], edge, target, 0, udp, &of_gue)),
            ];
            for (what, world, frame) in table {
                let ran = world.edge.run(&frame).unwrap();
                assert_eq!((ran.action, ran.packet), (Action::Pass, frame), "{what}");
            }
        }
    }
    assert_eq!(shielding.edge.drops().unwrap(), []);
}

/// A listener may have the port of GUE as any other. Its target gets what the client sent, and doesn't open that.
#[test]
fn a_tunnel_that_a_listener_takes_stays_shut_at_the_target() {
    let mut world = world();
    let host = host();
    let (mut arrived, group) = (0, Group { tag: 1, first_slot: 1, ..Group::default() });
    for (family, vip) in VIPS.into_iter().enumerate() {
        world.edge.set_listener(ListenerKey::new(ip(vip).into(), 17, GUE), Listener::new(1, 1, &group)).unwrap();
        for inner in inner() {
            let [_, (udp, payload)] = tunnels(&inner);
            let hidden = frame(&[], EDGES[family], vip, 0, udp, &payload);
            let sent = world.edge.run(&hidden).unwrap();
            assert_eq!(sent.action, Action::Tx);
            let ran = host.run(&sent.packet).unwrap();
            assert_eq!((ran.action, &ran.packet[14..]), (Action::Pass, &hidden[14..]), "it is what the client sent");
            arrived += 1;
        }
    }
    assert_eq!(host.outcomes().unwrap(), [(DecapOutcome::Decapsulated, arrived)]);
}

#[test]
fn a_target_host_opens_no_tunnel_but_an_edges_to_an_address_of_its_own() {
    let host = host();
    let mut strange = 0;
    for family in [0, 1] {
        for (protocol, payload) in inner().iter().flat_map(|inner| tunnels(inner)) {
            let own = TARGETS[family];
            for (source, destination, counts) in [
                (STRANGERS[family], own, true),
                (own, own, true),
                (VIPS[family], own, true),
                // With the name of an edge, to what is no tunnel's end.
                (EDGES[family], VIPS[family], false),
                (EDGES[family], STRANGERS[family], false),
            ] {
                let frame = frame(&[], source, destination, 0, protocol, &payload);
                let ran = host.run(&frame).unwrap();
                assert_eq!((ran.action, ran.packet), (Action::Pass, frame), "{protocol:?} {source} to {destination}");
                strange += u64::from(counts);
            }
        }
    }
    assert_eq!(host.outcomes().unwrap(), [(DecapOutcome::UnknownEdge, strange)]);
}
