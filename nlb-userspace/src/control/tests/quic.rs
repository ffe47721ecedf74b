//! Whom the connection ids of QUIC name while targets come, go and fail.

use std::collections::BTreeMap;

use nlb_common::flow::Tracking;
use nlb_common::quic::{ServerId, ServerKey};
use nlb_common::tables::Target as Entry;

use super::bench::{Bench, key};
use crate::config;
use crate::control::event::Health;
use crate::control::{Change, ChangeError, Notice};
use crate::model::{Configuration, Target, Weight};

const A: &str = "10.0.0.1:443";
const B: &str = "10.0.0.2:443";
const C: &str = "10.0.1.2:443";

/// A group `g` with these targets, and listeners of these lines.
fn configuration(targets: &[&str], listeners: &[&str]) -> Configuration {
    let listeners = listeners.iter().zip(1..).map(|(lines, host)| {
        format!("\n[[listener]]\naddress = '192.0.2.{host}'\nport = 443\ntarget_group = 'g'\n{lines}")
    });
    let group = "agent.interfaces = ['e']\n[[target_group]]\nname = 'g'\nring = 'maglev'\nring_size = 256";
    let text = format!("{group}\ntargets = {targets:?}\n{}", listeners.collect::<String>());
    config::parse(&text, "f").unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

const QUIC: &str = "protocol = 'udp'\nquic = { server_id_length = 2 }";
const TCP: &str = "protocol = 'tcp'";

fn running(targets: &[&str], listeners: &[&str]) -> Bench {
    let mut bench = Bench::of(configuration(targets, listeners));
    targets.iter().for_each(|target| bench.comes_up(target));
    bench
}

/// What the tables say of the ids of one listener: by the two bytes of a server id.
fn named(bench: &Bench) -> BTreeMap<[u8; 2], u32> {
    let ids = (0..=3).flat_map(|first| (0..=9).map(move |second| [first, second]));
    let listener = bench.tables.listeners.values().find(|listener| listener.server_id_length > 0).unwrap().counters;
    let server = |id: &[u8; 2]| ServerKey::new(listener, ServerId::new(0, id));
    let found: BTreeMap<_, _> =
        ids.filter_map(|id| Some((id, *bench.tables.quic_servers.get(&server(&id))?))).collect();
    let of_listener = bench.tables.quic_servers.keys().filter(|key| key.listener() == listener).count();
    assert_eq!(found.len(), of_listener, "{:?}", bench.tables.quic_servers);
    found
}

fn register(target: &str, id: Option<&str>) -> Change {
    let key = key(target);
    let quic_server_id = id.map(|id| id.parse().unwrap());
    let (address, port, weight) = (key.address, key.port, Weight::default());
    Change::Register { group: key.group, target: Target { address, port, zone: None, weight, quic_server_id } }
}

#[test]
fn every_target_is_named_by_the_end_of_its_address() {
    let bench = running(&[A, B, C], &[QUIC]);
    let expected = [([0, 1], bench.index(A)), ([0, 2], bench.index(B)), ([1, 2], bench.index(C))];
    assert_eq!(named(&bench), expected.into());
    assert_eq!(bench.target(C).unwrap().quic_server_id.unwrap().to_string(), "0102");
}

#[test]
fn each_listener_has_its_own_entries_and_they_go_with_it() {
    let mut bench = running(&[A, B], &[QUIC, QUIC, TCP]);
    assert_eq!(bench.tables.quic_servers.len(), 4);
    bench.configure(configuration(&[A, B], &[QUIC, TCP]));
    assert_eq!(named(&bench).len(), 2);
    assert_eq!(bench.tables.quic_servers.len(), 2);
    bench.configure(configuration(&[A, B], &["protocol = 'udp'", TCP]));
    assert!(bench.tables.quic_servers.is_empty());
    assert!(bench.tables.listeners.values().all(|listener| listener.server_id_length == 0));
    assert_eq!(bench.target(A).unwrap().quic_server_id, None);
}

#[test]
fn groups_that_share_a_listener_are_all_named() {
    let text = "agent.interfaces = ['e']\n[[target_group]]\nname = 'g'\nring_size = 256\ntargets = ['10.0.0.1:443']\n\
                [[target_group]]\nname = 'h'\nring_size = 256\ntargets = ['10.0.1.2:443', '10.0.0.1:443']\n\
                [[listener]]\naddress = '192.0.2.1'\nprotocol = 'udp'\nport = 443\ntarget_groups = ['g=1', 'h=0']\n\
                quic = { server_id_length = 2 }";
    let bench = Bench::of(config::parse(text, "f").unwrap());
    let first = bench.index(A);
    let named = named(&bench);
    assert_eq!(named.keys().collect::<Vec<_>>(), [&[0, 1], &[1, 2]]);
    assert_eq!(named[&[0, 1]], first, "one host in two groups is the first's target");
}

#[test]
fn another_rotation_or_length_takes_the_place_of_the_first() {
    let mut bench = running(&[A], &[QUIC]);
    bench.configure(configuration(&[A], &["protocol = 'udp'\nquic = { server_id_length = 1, config_rotation = 5 }"]));
    let keys: Vec<_> = bench.tables.quic_servers.keys().collect();
    assert_eq!(keys, [&ServerKey::new(keys[0].listener(), ServerId::new(5, &[1]))]);
}

#[test]
fn a_target_that_leaves_keeps_its_id_for_its_whole_time() {
    let mut bench = running(&[A, B], &[QUIC]);
    let b = bench.index(B);
    bench.change(&Change::Deregister { target: key(B) }).unwrap();
    // No flow of it is remembered, and none was ever: nobody knows whether it has connections.
    bench.pass(290);
    assert_eq!(named(&bench).get(&[0, 2]), Some(&b));
    assert_eq!(bench.flags(B), Entry::DRAINING);
    bench.pass(20);
    assert_eq!(bench.flags(B), Entry::DRAINING | Entry::RESET, "what is left is cut");
    bench.pass(120);
    assert!(bench.entry(B).is_none());
    assert_eq!(named(&bench), [([0, 1], bench.index(A))].into());
}

#[test]
fn a_target_that_fails_keeps_its_id_and_is_dead() {
    let mut bench = running(&[A, B], &[QUIC]);
    bench.health(B, Health::Unhealthy);
    assert_eq!(bench.flags(B), Entry::DEAD);
    assert_eq!(named(&bench).get(&[0, 2]), Some(&bench.index(B)), "the packet path asks the target's entry");
}

#[test]
fn the_next_agent_finds_the_ids_and_goes_on() {
    let mut bench = running(&[A, B], &[QUIC]);
    let before = bench.tables.clone();
    bench.restart_with(configuration(&[A, B], &[QUIC]), std::time::Duration::from_secs(5));
    assert_eq!(bench.tables.quic_servers, before.quic_servers);
    bench.restart_with(configuration(&[A, C], &[QUIC]), std::time::Duration::from_secs(5));
    let names: Vec<_> = named(&bench).into_keys().collect();
    assert_eq!(names, [[0, 1], [0, 2], [1, 2]], "the one that the file no longer has drains");
}

#[test]
fn flows_of_quic_are_remembered_only_where_that_is_asked_for() {
    let tracking = |bench: &Bench, quic: bool| {
        let is_wanted = |listener: &&nlb_common::tables::Listener| (listener.server_id_length > 0) == quic;
        bench.tables.listeners.values().find(is_wanted).unwrap().tracking
    };
    let alone = running(&[A], &[QUIC]);
    assert_eq!(tracking(&alone, true), Tracking::None as u8);
    let beside = running(&[A], &[QUIC, TCP]);
    assert_eq!(tracking(&beside, true), Tracking::None as u8);
    assert_eq!(tracking(&beside, false), Tracking::Transition as u8);
    let mut asked = configuration(&[A], &[QUIC]);
    asked.groups[0].flows.tracking = Some(crate::model::Tracking::All);
    assert_eq!(tracking(&Bench::of(asked), true), Tracking::All as u8);
}

#[test]
fn a_target_is_not_registered_with_an_id_that_another_has() {
    let mut bench = running(&[A], &[QUIC]);
    let other = "10.9.0.1:443";
    let taken = ChangeError::SameServerId { target: key(other), id: "0001".parse().unwrap(), other: key(A) };
    assert_eq!(bench.change(&register(other, None)), Err(taken));
    let wrong = bench.change(&register(other, Some("01")));
    assert!(matches!(wrong, Err(ChangeError::ServerIdLength { length: 2, .. })), "{wrong:?}");
    bench.change(&register(other, Some("0309"))).unwrap();
    bench.comes_up(other);
    assert_eq!(named(&bench).get(&[3, 9]), Some(&bench.index(other)));
}

#[test]
fn of_two_with_one_id_the_registered_one_has_it_and_the_other_is_told() {
    let mut bench = running(&[A], &[QUIC]);
    let heir = "10.9.0.1:443";
    bench.change(&Change::Deregister { target: key(A) }).unwrap();
    bench.change(&register(heir, None)).unwrap();
    bench.comes_up(heir);
    assert_eq!(named(&bench), [([0, 1], bench.index(heir))].into());
    let (_, notices) = bench.state.rebuild(bench.now);
    let told = Notice::SameServerId { target: key(A), id: "0001".parse().unwrap(), other: key(heir) };
    assert!(notices.contains(&told), "{notices:?}");
}
