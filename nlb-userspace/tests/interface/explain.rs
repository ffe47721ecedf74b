//! `explain` against the packet path's own hash and ring.

use std::sync::Arc;

use nlb_common::flow::Pin;
use nlb_common::hash::HashKeys;
use nlb_common::slot::{Slot, Tick};
use nlb_userspace::control::event::NoNextHop;
use nlb_userspace::control::snapshot::Snapshot;
use nlb_userspace::explain::{Explanation, FlowQuery, Verdict, explain};
use nlb_userspace::model::{Forwarding, Ports, Protocol, Quic, Vip};

use crate::sample;

fn ask(snapshot: &Snapshot, source: &str, destination: &str, protocol: Protocol) -> Explanation {
    explain(snapshot, &FlowQuery::new(source.parse().unwrap(), destination.parse().unwrap(), protocol).unwrap(), None)
}

fn step<'e>(explanation: &'e Explanation, stage: &str) -> &'e str {
    let found = explanation.steps.iter().find(|step| step.stage == stage);
    &found.unwrap_or_else(|| panic!("no step {stage}: {explanation:?}")).text
}

#[test]
fn it_names_the_slot_and_target_that_the_ring_holds() {
    let snapshot = sample::snapshot();
    for port in 1..2_000 {
        let source = std::net::SocketAddr::from(([198, 51, 100, 7], port));
        let query = FlowQuery::new(source, "192.0.2.10:80".parse().unwrap(), Protocol::Tcp).unwrap();
        let explanation = explain(&snapshot, &query, None);
        let hash = HashKeys::from_seed(snapshot.seed).hash(&query.flow(), nlb_common::hash::Affinity::Flow);
        let slot = usize::try_from(hash % 256).unwrap();
        assert_eq!(explanation.slot.map(|slot| slot as usize), Some(slot));
        let index = snapshot.groups[0].ring[slot].current();
        let target = snapshot.groups[0].targets.iter().find(|target| target.index == index).unwrap();
        assert_eq!(explanation.target, Some(target.key.socket().to_string()));
    }
}

#[test]
fn it_says_when_packets_travel_by_gue() {
    let mut snapshot = sample::snapshot();
    std::sync::Arc::make_mut(&mut snapshot.configuration).groups[0].forwarding = Forwarding::Gue;
    let explanation = ask(&snapshot, "198.51.100.7:1", "192.0.2.10:80", Protocol::Tcp);
    assert!(step(&explanation, "outer header").starts_with("IPv4 in GUE in UDP in IPv"));
}

#[test]
fn by_l2_it_tells_that_the_packet_stays_as_it_is() {
    let mut snapshot = sample::snapshot();
    std::sync::Arc::make_mut(&mut snapshot.configuration).groups[0].forwarding = Forwarding::L2;
    let explanation = ask(&snapshot, "198.51.100.7:1", "192.0.2.10:80", Protocol::Tcp);
    assert!(step(&explanation, "outer header").starts_with("none: the packet stays as it is"));
}

#[test]
fn by_nat_a_target_of_the_other_family_answers_to_the_edge_or_gets_nothing() {
    let told = |source| {
        let mut snapshot = sample::snapshot();
        Arc::make_mut(&mut snapshot.configuration).groups[0].forwarding = Forwarding::Nat { source };
        (1..500)
            .map(|port| ask(&snapshot, &format!("198.51.100.7:{port}"), "192.0.2.10:80", Protocol::Tcp))
            .find(|explanation| explanation.target.as_deref() == Some("[2001:db8:1::3]:80"))
            .expect("half of the flows go there")
    };
    let from_edge = told(true);
    assert_eq!(from_edge.verdict, Verdict::Forwarded);
    assert_eq!(
        step(&from_edge, "outer header"),
        "none: the packet is translated into IPv6, from a port of 2001:db8:1::fe to [2001:db8:1::3]:80; its answers come \
         back through this edge"
    );
    assert_eq!(step(&from_edge, "size"), "up to 1580 bytes; a longer packet's sender gets `fragmentation needed`");
    let from_client = told(false);
    assert_eq!(from_client.verdict, Verdict::Dropped);
    assert!(step(&from_client, "outer header").ends_with("dropped as `other_family`"));
}

#[test]
fn through_a_gateway_both_directions_of_a_flow_get_one_target() {
    let mut snapshot = sample::snapshot();
    std::sync::Arc::make_mut(&mut snapshot.configuration).groups[0].forwarding = Forwarding::Geneve;
    let gateway = &mut snapshot.listeners[0].listener;
    (gateway.address, gateway.prefix_length) = ("10.50.0.0".parse().unwrap(), Some(24));
    (gateway.protocol, gateway.ports) = (Protocol::All, Ports::ALL);
    let mut targets = std::collections::BTreeSet::new();
    for port in 1..50 {
        let (inside, outside) = ("10.50.0.9:443", format!("198.51.100.7:{port}"));
        let there = ask(&snapshot, &outside, inside, Protocol::Tcp);
        let back = ask(&snapshot, inside, &outside, Protocol::Tcp);
        assert_eq!((there.slot, &there.target, there.verdict), (back.slot, &back.target, back.verdict));
        let taken = "`web-http` takes what this host forwards to or from 10.50.0.0/24, as endpoint 0x";
        assert!(step(&there, "gateway").starts_with(taken), "{}", step(&there, "gateway"));
        if there.verdict == Verdict::Forwarded {
            assert!(step(&there, "outer header").starts_with("IPv4 in GENEVE in UDP in IPv"));
        }
        targets.insert(there.target);
    }
    assert!(targets.len() > 1, "all flows go to {targets:?}");
    // Another address, and a VIP's other port.
    for destination in ["10.51.0.9:443", "192.0.2.10:443"] {
        assert_eq!(ask(&snapshot, "10.49.0.9:1", destination, Protocol::Tcp).verdict, Verdict::Passed, "{destination}");
    }
    assert_eq!(ask(&snapshot, "10.50.0.9:1", "192.0.2.10:443", Protocol::Tcp).verdict, Verdict::Passed);
}

#[test]
fn by_gue_it_names_the_slots_other_target_as_the_packets_do() {
    let mut snapshot = sample::snapshot();
    std::sync::Arc::make_mut(&mut snapshot.configuration).groups[0].forwarding = Forwarding::Gue;
    let way = snapshot.groups[0].targets[0].next_hop.clone();
    let told = |snapshot: &mut Snapshot, slot: Slot| {
        snapshot.groups[0].ring = vec![slot; 256].into();
        step(&ask(snapshot, "198.51.100.7:1", "192.0.2.10:80", Protocol::Tcp), "second chance").to_owned()
    };
    assert_eq!(told(&mut snapshot, Slot::closed(1, 0)), "none: the slot knows no other target");
    assert_eq!(told(&mut snapshot, Slot::closed(1, 1)), "none: the slot knows no other target");
    assert!(told(&mut snapshot, Slot::closed(1, 3)).ends_with("is of the other family"));
    assert!(told(&mut snapshot, Slot::closed(1, 2)).ends_with("serves no more"));
    snapshot.groups[0].targets[1].serves = true;
    snapshot.groups[0].targets[1].next_hop = Err(NoNextHop::NoRoute);
    assert!(told(&mut snapshot, Slot::closed(1, 2)).starts_with("none: there is no way"));
    snapshot.groups[0].targets[1].next_hop = way;
    let second = snapshot.groups[0].targets[1].key.socket();
    assert!(told(&mut snapshot, Slot::closed(1, 2)).contains(&format!("name {second}:")));
    assert!(told(&mut snapshot, Slot::open(2, 1, Tick::at(5))).contains("name 10.0.0.1:80:"), "the previous one");
}

#[test]
fn it_follows_the_packet_to_its_outer_header() {
    let snapshot = sample::snapshot();
    let to_v6 = (1..500)
        .map(|port| ask(&snapshot, &format!("198.51.100.7:{port}"), "192.0.2.10:80", Protocol::Tcp))
        .find(|explanation| explanation.target.as_deref() == Some("[2001:db8:1::3]:80"))
        .expect("half of the flows go there");
    assert_eq!(to_v6.verdict, Verdict::Forwarded);
    assert_eq!(
        step(&to_v6, "outer header"),
        "IPv4 in IPv6, from 2001:db8:ffff:: (varied by flow within 2001:db8:ffff::/64) to 2001:db8:1::3"
    );
    assert_eq!(step(&to_v6, "size"), "up to 1560 bytes; a longer packet's sender gets `fragmentation needed`");
    assert_eq!(step(&to_v6, "next hop"), "by router 2001:db8:1::1, MAC 02:00:00:00:00:02, out of `eth0`, MTU 1600");
    let stages: Vec<_> = to_v6.steps.iter().map(|step| step.stage.as_str()).collect();
    assert_eq!(
        stages,
        ["listener", "group", "hash", "slot", "flow", "target", "next hop", "outer header", "size", "fragments"]
    );
}

#[test]
fn it_tells_what_is_remembered_of_the_flow_and_what_is_in_transition() {
    let mut snapshot = sample::snapshot();
    let query =
        FlowQuery::new("198.51.100.7:1".parse().unwrap(), "192.0.2.10:80".parse().unwrap(), Protocol::Tcp).unwrap();
    let set = |snapshot: &mut Snapshot, slot| snapshot.groups[0].ring = vec![slot; 256].into();
    let pin = Pin { target: 3, ..Pin::default() };
    let told = |snapshot: &Snapshot, pin| {
        let explanation = explain(snapshot, &query, pin);
        (explanation.target.clone().unwrap(), step(&explanation, "flow").to_owned())
    };
    let (one, three) = ("10.0.0.1:80".to_owned(), "[2001:db8:1::3]:80".to_owned());

    set(&mut snapshot, Slot::closed(1, 3));
    let (target, text) = told(&snapshot, Some(&pin));
    assert_eq!((target, text.contains("steady")), (one.clone(), true), "a pin of a steady slot is not looked up");
    set(&mut snapshot, Slot::closed(1, 3).with_pins(true));
    assert_eq!(told(&snapshot, Some(&pin)), (three.clone(), format!("it is remembered for {three}")));
    assert_eq!(told(&snapshot, None).0, one);
    let dead = Pin { target: 2, ..pin };
    let (target, text) = told(&snapshot, Some(&dead));
    assert_eq!((target, text.contains("selected anew")), (one.clone(), true));
    set(&mut snapshot, Slot::open(1, 3, Tick::at(5)));
    let (target, text) = told(&snapshot, None);
    assert_eq!(target, one);
    assert!(text.contains(&format!("belongs to {three}")), "{text}");
}

#[test]
fn with_source_affinity_the_port_does_not_matter() {
    let mut snapshot = sample::snapshot();
    snapshot.groups[1].targets[0].next_hop = snapshot.groups[0].targets[0].next_hop.clone();
    let slots: std::collections::BTreeSet<_> = (1..100)
        .map(|port| ask(&snapshot, &format!("198.51.100.7:{port}"), "192.0.2.10:53", Protocol::Udp).slot)
        .collect();
    assert_eq!(slots.len(), 1);
}

#[test]
fn what_no_listener_takes_passes_and_the_nearest_are_named() {
    let snapshot = sample::snapshot();
    let explanation = ask(&snapshot, "198.51.100.7:1", "192.0.2.10:81", Protocol::Tcp);
    assert_eq!(explanation.verdict, Verdict::Passed);
    let nearest = &explanation.steps[1].text;
    assert!(nearest.starts_with("nearest listeners: `web-http` tcp 192.0.2.10:80, `dns`"), "{nearest}");
    let other_protocol = ask(&snapshot, "198.51.100.7:1", "192.0.2.10:80", Protocol::Udp);
    assert_eq!(other_protocol.verdict, Verdict::Passed);
}

#[test]
fn what_no_listener_of_an_exclusive_vip_takes_is_refused() {
    let mut snapshot = sample::snapshot();
    let address = "192.0.2.10".parse().unwrap();
    Arc::make_mut(&mut snapshot.configuration).vips = vec![Vip { address, exclusive: true }];
    for (protocol, how) in [(Protocol::Tcp, "a reset"), (Protocol::Udp, "`port unreachable`")] {
        let explanation = ask(&snapshot, "198.51.100.7:1", "192.0.2.10:81", protocol);
        assert_eq!(explanation.verdict, Verdict::Refused);
        assert!(explanation.summary.ends_with(how), "{}", explanation.summary);
    }
    assert_eq!(ask(&snapshot, "198.51.100.7:1", "192.0.2.11:81", Protocol::Tcp).verdict, Verdict::Passed);
}

#[test]
fn drops_are_told_with_their_reason() {
    let snapshot = sample::snapshot();
    let empty = ask(&snapshot, "198.51.100.7:1", "192.0.2.11:443", Protocol::Tcp);
    assert_eq!(empty.verdict, Verdict::Dropped);
    assert!(step(&empty, "target").contains("no_target"), "{empty:?}");

    let unreachable = ask(&snapshot, "198.51.100.7:1", "192.0.2.10:53", Protocol::Udp);
    assert_eq!(unreachable.verdict, Verdict::Dropped);
    assert!(step(&unreachable, "next hop").contains("no_next_hop"), "{unreachable:?}");
    assert!(step(&unreachable, "next hop").contains(&NoNextHop::NoRoute.to_string()));
    assert!(step(&unreachable, "group").contains("FAIL OPEN"));
}

#[test]
fn what_a_guard_says_is_told_with_the_network_that_decides() {
    let snapshot = sample::snapshot();
    let denied = ask(&snapshot, "[2001:db8:bad:1::7]:1", "[2001:db8::10]:80", Protocol::Tcp);
    assert_eq!(denied.verdict, Verdict::Dropped);
    assert!(denied.summary.contains("source_denied"), "{denied:?}");
    assert!(step(&denied, "access").contains("denies 2001:db8:bad::/48"), "{denied:?}");

    let allowed = ask(&snapshot, "[2001:db8:900d::7]:1", "[2001:db8::10]:80", Protocol::Tcp);
    assert_eq!(allowed.verdict, Verdict::Forwarded, "{allowed:?}");
    assert!(step(&allowed, "access").contains("allows ::/0"), "{allowed:?}");
    assert!(step(&allowed, "limit").contains("100 a second and 200 at once"), "{allowed:?}");
}

#[test]
fn a_connection_id_of_quic_names_its_target_or_it_is_told_why_not() {
    let mut snapshot = sample::snapshot();
    let quic = Quic { server_id_length: 2, config_rotation: 1 };
    let listener = snapshot.listeners.iter_mut().find(|state| state.listener.protocol == Protocol::Udp).unwrap();
    listener.listener.quic = Some(quic);
    snapshot.groups[1].targets = snapshot.groups[0].targets.clone();
    snapshot.groups[1].ring = vec![Slot::open(1, 3, Tick::at(1)); 256].into();
    for (target, id) in snapshot.groups[1].targets.iter_mut().zip(["0001", "0002", "0003"]) {
        target.quic_server_id = Some(id.parse().unwrap());
    }
    let flow =
        FlowQuery::new("198.51.100.7:1".parse().unwrap(), "192.0.2.10:53".parse().unwrap(), Protocol::Udp).unwrap();
    let by_hash = "10.0.0.1:80";
    for (id, target, told) in [
        (Some("3f0003aabb"), "[2001:db8:1::3]:80", "its server id is that of [2001:db8:1::3]:80"),
        (Some("200002aabb"), by_hash, "its server id is that of 10.0.0.2:80, which serves no more"),
        (Some("200009aabb"), by_hash, "no target has the server id"),
        (Some("000003aabb"), by_hash, "has rotation 0, and the listener's servers use 1"),
        (Some("e00003aabb"), by_hash, "a server without configuration"),
        (Some("2000"), by_hash, "no room for a server id of 2 bytes"),
        (None, by_hash, "rotation 1 and the server id of a target, 2 bytes"),
    ] {
        let query = match id {
            Some(id) => flow.clone().with_connection_id(id.parse().unwrap()),
            None => flow.clone(),
        };
        let explanation = explain(&snapshot, &query, None);
        assert_eq!(explanation.target.as_deref(), Some(target), "{id:?}: {explanation:?}");
        assert!(step(&explanation, "connection").contains(told), "{explanation:?}");
        let flows = explanation.steps.iter().filter(|step| step.stage == "flow").count();
        assert_eq!(flows, usize::from(target == by_hash), "{explanation:?}");
    }
    snapshot.listeners[2].listener.quic = None;
    let plain = explain(&snapshot, &flow, None);
    assert!(plain.steps.iter().all(|step| step.stage != "connection"), "{plain:?}");
}
