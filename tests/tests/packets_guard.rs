//! Access lists and limits of new flows, on the loaded program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use nlb_common::address::Address;
use nlb_common::drop_reason::DropReason;
use nlb_common::guard::{Guard, Rate, Refused};
use nlb_common::tables::{Group, Listener, ListenerKey};
use nlb_common::way::WayOutcome;
use nlb_tests::packets::described::{TAGGINGS, networks};
use nlb_tests::packets::garbage::Garbage;
use nlb_tests::packets::icmp::Message;
use nlb_tests::packets::world::{PROTOCOLS, VIPS, port};
use nlb_tests::packets::{Described, Network, Segment, World};
use nlb_tests::run::Action;

const LIST: u32 = 7;

/// A world whose first listeners have that guard.
fn guarded(guard: Guard) -> World {
    let mut world = World::new().unwrap();
    let group = Group { tag: 1, first_slot: 1, ..Group::default() };
    for vip in VIPS {
        for protocol in PROTOCOLS {
            let address = Address::from(vip.parse::<IpAddr>().unwrap());
            let key = ListenerKey::new(address, protocol, port(1));
            world.edge.set_listener(key, Listener { guard, ..Listener::new(1, 1, &group) }).unwrap();
        }
    }
    world
}

fn with_list(networks: &[(IpNet, bool)]) -> World {
    let mut world = guarded(Guard { access: LIST, ..Guard::NONE });
    world.edge.set_access(LIST, networks).unwrap();
    world
}

fn from(source: IpAddr, segment: Segment) -> Described {
    let vip = VIPS[usize::from(source.is_ipv6())].parse().unwrap();
    Described { source: (source, 51_000), ..Described::new(vip, port(1), segment) }
}

fn network(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// Everybody, with this verdict.
fn everybody(allowed: bool) -> [(IpNet, bool); 2] {
    [(network("0.0.0.0/0"), allowed), (network("::/0"), allowed)]
}

#[test]
fn the_longest_prefix_decides_whatever_headers_a_packet_has() {
    let lists = [(network("198.51.100.0/24"), false), (network("2001:db8:c::/48"), false)];
    let holes = [(network("198.51.100.7/32"), true), (network("2001:db8:c::7/128"), true)];
    let world = with_list(&[&everybody(true)[..], &lists, &holes].concat());
    let mut denied = 0;
    for network in networks(8) {
        for tags in TAGGINGS {
            for segment in Segment::ALL {
                let (allowed, refused): (IpAddr, IpAddr) = match network {
                    Network::V4 { .. } => ([198, 51, 100, 7].into(), [198, 51, 100, 8].into()),
                    Network::V6(_) => ("2001:db8:c::7".parse().unwrap(), "2001:db8:c::8".parse().unwrap()),
                };
                for (source, expected) in [(allowed, Action::Tx), (refused, Action::Drop)] {
                    let packet = Described { network: network.clone(), tags: tags.to_vec(), ..from(source, segment) };
                    let ran = world.edge.run(&packet.frame()).unwrap();
                    assert_eq!(ran.action, expected, "{packet:?}");
                    denied += u64::from(expected == Action::Drop);
                }
            }
        }
    }
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::SourceDenied, denied)]);
    assert_eq!(world.edge.refused(1).unwrap(), Refused { denied, limited: 0 });
}

#[test]
fn random_sources_are_treated_as_a_search_through_all_networks_says() {
    let mut garbage = Garbage::new(3);
    let mut bytes = |length: usize| garbage.bytes(length);
    let mut networks = everybody(false).to_vec();
    // Few first bytes, so that networks and sources lie within each other.
    let address = |bits: &[u8]| -> IpAddr {
        let few = |byte: u8| byte & 0x11;
        if bits[0] & 1 == 0 {
            Ipv4Addr::new(10 | few(bits[1]), few(bits[2]), few(bits[3]), bits[4]).into()
        } else {
            let word = |at: usize| u16::from(few(bits[at])) << 8 | u16::from(few(bits[at + 1]));
            Ipv6Addr::new(0x2001, word(1), word(3), word(5), 0, 0, word(7), word(9)).into()
        }
    };
    for _ in 0..400 {
        let bits = bytes(12);
        let source = address(&bits);
        let length = bits[11] % (IpNet::from(source).max_prefix_len() + 1);
        networks.push((IpNet::new(source, length).unwrap().trunc(), bits[10] & 1 == 0));
    }
    // Of one network that is there twice, the later one counts.
    let world = with_list(&networks);
    let mut verdicts = [0; 2];
    for _ in 0..5_000 {
        let source = address(&bytes(12));
        let covering = networks.iter().filter(|(network, _)| network.contains(&source));
        let (_, allowed) = covering.max_by_key(|(network, _)| network.prefix_len()).unwrap();
        let ran = world.edge.run(&from(source, Segment::Data).frame()).unwrap();
        assert_eq!(ran.action, if *allowed { Action::Tx } else { Action::Drop }, "{source}");
        verdicts[usize::from(*allowed)] += 1;
    }
    assert!(verdicts.iter().all(|packets| *packets > 500), "{verdicts:?}");
}

#[test]
fn a_list_that_is_not_there_lets_nobody_in() {
    let world = guarded(Guard { access: LIST, ..Guard::NONE });
    let packet = from([198, 51, 100, 7].into(), Segment::Data);
    assert_eq!(world.edge.run(&packet.frame()).unwrap().action, Action::Drop);
}

#[test]
fn listeners_without_guard_ask_nothing() {
    let mut world = with_list(&everybody(false));
    world.edge.set_access(LIST, &everybody(false)).unwrap();
    let packet = Described::new(VIPS[0].parse().unwrap(), port(3), Segment::Data);
    assert_eq!(world.edge.run(&packet.frame()).unwrap().action, Action::Tx);
}

/// So slow that no token comes while a test runs.
const SLOW: Rate = Rate { per_second: 1, burst: 40 };

/// How many of 60 SYNs from each of these sources pass.
fn passing(world: &World, sources: &[IpAddr]) -> Vec<usize> {
    let passes = |source: &IpAddr| {
        let packet = from(*source, Segment::Syn);
        let syns = (0..60).map(|number| Described { source: (packet.source.0, 1024 + number), ..packet.clone() });
        syns.filter(|syn| world.edge.run(&syn.frame()).unwrap().action == Action::Tx).count()
    };
    sources.iter().map(passes).collect()
}

#[test]
fn each_source_begins_as_many_flows_as_its_bucket_holds() {
    let world = guarded(Guard { prefix_v4: 32, prefix_v6: 64, rate: SLOW, ..Guard::NONE });
    let sources: Vec<IpAddr> = ["198.51.100.7", "198.51.100.8", "2001:db8:c::7", "2001:db8:c:1::7"]
        .map(|source| source.parse().unwrap())
        .to_vec();
    let passed = passing(&world, &sources);
    // A token comes in a second, and the machine may be slow.
    assert!(passed.iter().all(|passed| (40..45).contains(passed)), "{passed:?}");
    let limited = 240 - passed.iter().sum::<usize>() as u64;
    assert_eq!(world.edge.refused(1).unwrap(), Refused { denied: 0, limited });
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::NewFlowLimit, limited)]);
}

#[test]
fn sources_of_one_prefix_share_a_bucket() {
    let world = guarded(Guard { prefix_v4: 24, prefix_v6: 64, rate: SLOW, ..Guard::NONE });
    for sources in [["198.51.100.7", "198.51.100.200"], ["2001:db8:c::7", "2001:db8:c::ffff:1"]] {
        let passed = passing(&world, &sources.map(|source| source.parse().unwrap()));
        assert!((40..45).contains(&passed[0]) && passed[1] < 5, "{passed:?} of {sources:?}");
    }
}

#[test]
fn what_does_not_begin_a_flow_is_never_limited() {
    let world = guarded(Guard { prefix_v4: 32, prefix_v6: 64, rate: SLOW, ..Guard::NONE });
    let source = IpAddr::from([198, 51, 100, 7]);
    assert!(passing(&world, &[source])[0] < 60, "its bucket is empty");
    for segment in [Segment::SynAck, Segment::Data, Segment::Fin, Segment::Rst, Segment::Udp] {
        for _ in 0..100 {
            assert_eq!(world.edge.run(&from(source, segment).frame()).unwrap().action, Action::Tx, "{segment:?}");
        }
    }
}

#[test]
fn tokens_come_back() {
    let fast = Rate { per_second: 1_000_000, burst: 1 };
    let world = guarded(Guard { prefix_v4: 32, prefix_v6: 64, rate: fast, ..Guard::NONE });
    // A run takes longer than a token does: somewhere between one and all of them pass, and after a pause always one.
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(1));
        let packet = from([198, 51, 100, 7].into(), Segment::Syn);
        assert_eq!(world.edge.run(&packet.frame()).unwrap().action, Action::Tx);
    }
}

/// A router's address says nothing of the client whose flow it speaks of, and an echo is of no listener.
#[test]
fn icmp_is_answered_and_taken_to_targets_whomever_a_list_denies() {
    let world = with_list(&everybody(false));
    for vip in VIPS {
        let asked = Described::new(vip.parse().unwrap(), port(1), Segment::Data);
        assert_eq!(world.edge.run(&asked.frame()).unwrap().action, Action::Drop);
        let answer = Described { source: asked.destination, destination: asked.source, ..asked.clone() };
        for message in [Message::echo(false, vec![0; 56]), Message::port_unreachable(&answer.ip())] {
            assert_eq!(world.edge.run(&message.frame(&asked)).unwrap().action, Action::Tx, "{message:?}");
        }
    }
    assert_eq!(world.edge.way_outcomes().unwrap(), [(WayOutcome::Echo, 2), (WayOutcome::Error, 2)]);
}
