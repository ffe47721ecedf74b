//! A state with something of everything: healthy, failing, failing open, empty, changed at run time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use nlb_common::counters::Counters;
use nlb_common::drop_reason::DropReason;
use nlb_common::flow::FlowEvent;
use nlb_common::guard::Refused;
use nlb_common::quic::QuicRule;
use nlb_common::slot::Slot;
use nlb_common::way::WayOutcome;
use nlb_userspace::active::ActiveReading;
use nlb_userspace::config;
use nlb_userspace::control::event::{Health, NextHop, NoNextHop};
use nlb_userspace::control::snapshot::{
    Draining, GroupState, ListenerState, Origin, RingChange, Routing, Snapshot, TargetState,
};
use nlb_userspace::dataplane::{Attachment, CounterReading};
use nlb_userspace::model::{Configuration, DrainCause, Target, TargetGroup, Timestamp, Traffic, Weight, XdpMode};

pub(crate) const CONFIGURATION: &str = r#"
[agent]
interfaces = ["eth0", "eth1"]
seed = "0x00000000000000ab"
zone = "a"
source_v6 = "2001:db8:ffff::/64"

[[target_group]]
name = "web"
ring_size = 256
[target_group.health_check]
kind = "http"
path = "/healthy"
[[target_group.target]]
address = "10.0.0.1"
port = 80
zone = "a"
[[target_group.target]]
address = "10.0.0.2"
port = 80
zone = "b"
[[target_group.target]]
address = "2001:db8:1::3"
port = 80

[[target_group]]
name = "dns"
ring_size = 256
affinity = "source_ip"
[[target_group.target]]
address = "10.0.1.1"
port = 53

[[target_group]]
name = "empty"
ring_size = 256

[[listener]]
name = "web-http"
address = "192.0.2.10"
protocol = "tcp"
port = 80
target_group = "web"

[[listener]]
name = "web-v6"
address = "2001:db8::10"
protocol = "tcp"
port = 80
target_group = "web"
deny = ["2001:db8:bad::/48"]
new_flows_per_source = { rate = 100, burst = 200 }

[[listener]]
name = "dns"
address = "192.0.2.10"
protocol = "udp"
port = 53
target_group = "dns"

[[listener]]
name = "old"
address = "192.0.2.11"
protocol = "tcp"
port = 443
target_groups = ["empty=100"]
"#;

/// The sample's moment is this long after the epoch.
pub(crate) const NOW: Duration = Duration::from_secs(1_800_000_000);

fn before(seconds: u64) -> Timestamp {
    Timestamp::from_epoch(NOW) - Duration::from_secs(seconds)
}

pub(crate) fn configuration() -> Configuration {
    config::parse(CONFIGURATION, "sample.toml").expect("the sample is valid")
}

fn hop(address: IpAddr) -> NextHop {
    NextHop {
        interface: 2,
        interface_name: "eth0".to_owned(),
        source_mac: [2, 0, 0, 0, 0, 1],
        source: if address.is_ipv4() { "10.0.0.254".parse() } else { "2001:db8:1::fe".parse() }.expect("an address"),
        gateway: address.is_ipv6().then(|| "2001:db8:1::1".parse().expect("an address")),
        mac: [2, 0, 0, 0, 0, 2],
        mtu: 1600,
    }
}

fn group(configured: &TargetGroup, index: u32, routing: Routing, targets: Vec<TargetState>) -> GroupState {
    let mut ring = vec![Slot::EMPTY; 256];
    let mut owners = targets.iter().flat_map(|target| vec![target.index; target.slots as usize]);
    ring.fill_with(|| owners.next().map_or(Slot::EMPTY, |owner| Slot::closed(owner, 0)));
    GroupState {
        name: configured.name.clone(),
        index,
        affinity: configured.affinity,
        routing,
        targets,
        first_slot: index * 256,
        ring: ring.into(),
        rules: configured.flows.in_force([if index == 1 { Traffic::Datagrams } else { Traffic::Tcp }]),
        open_slots: if index == 0 { 90 } else { 0 },
        pins: (index == 0).then_some(1_234),
        last_change: (index == 0).then(|| RingChange { at: before(60), moved: 90, least: 86 }),
    }
}

fn target(group: &TargetGroup, target: &Target, index: u32, slots: u32, health: Health, reason: &str) -> TargetState {
    TargetState {
        key: group.key(target),
        target: target.clone(),
        file_weight: None,
        origin: Origin::File,
        index,
        health,
        since: before(600),
        reason: reason.to_owned(),
        next_hop: Ok(hop(target.address)),
        slots,
        serves: health != Health::Unhealthy || slots > 0,
        draining: None,
        pins: (index == 1).then_some(1_200),
        quic_server_id: None,
    }
}

pub(crate) fn snapshot() -> Snapshot {
    let configuration = configuration();
    let [web, dns, empty] = configuration.groups.as_slice() else { panic!("three groups") };
    let mut web_targets = vec![
        target(web, &web.targets[0], 1, 128, Health::Healthy, "2 of 2 checks passed"),
        target(web, &web.targets[1], 2, 0, Health::Unhealthy, "2 of 2 checks failed: connection refused"),
        target(web, &web.targets[2], 3, 128, Health::Healthy, "2 of 2 checks passed"),
    ];
    web_targets[0].file_weight = Some(100);
    web_targets[0].target.weight = Weight::new(50).expect("a weight");
    web_targets[2].origin = Origin::Runtime;
    web_targets[2].draining = Some(Draining {
        cause: DrainCause::Command,
        began: before(10),
        ends: before(0) + Duration::from_secs(290),
        cutting: false,
    });
    web_targets[2].pins = Some(34);
    let mut dns_target = target(dns, &dns.targets[0], 4, 256, Health::Unhealthy, "2 of 2 checks failed: timed out");
    dns_target.next_hop = Err(NoNextHop::NoRoute);
    let groups = vec![
        group(web, 0, Routing::Healthy, web_targets),
        group(dns, 1, Routing::FailOpen, vec![dns_target]),
        group(empty, 2, Routing::Empty, vec![]),
    ];
    let listeners = configuration.listeners.iter().zip(0..);
    Snapshot {
        at: before(0),
        started: before(11_530),
        configuration_path: "/etc/nlb/nlb.toml".into(),
        configured: before(3_600),
        reload_failure: None,
        seed: 0xab,
        attachments: vec![Attachment { interface: "eth0".to_owned(), mode: XdpMode::Native, program_id: 42 }],
        listeners: listeners
            .map(|(listener, counters)| ListenerState { listener: listener.clone(), counters, own_ring: None })
            .collect(),
        groups,
        dataplane_error: None,
        configuration: Arc::new(configuration),
    }
}

pub(crate) fn reading() -> CounterReading {
    let counters = |n: u64| Counters { packets: 1_000 * n, bytes: 1_500_000 * n, new_flows: 10 * n };
    CounterReading {
        listeners: (0..4).map(|index| (index, counters(4 - u64::from(index)))).collect(),
        refused: [(0, Refused { denied: 7, limited: 3 })].into(),
        targets: (1..5).map(|index| (index, counters(u64::from(index)))).collect(),
        drops: DropReason::ALL
            .iter()
            .map(|&reason| (reason, if reason == DropReason::NoTarget { 12 } else { 0 }))
            .collect(),
        way_outcomes: WayOutcome::ALL.iter().zip(7..).map(|(&outcome, packets)| (outcome, packets)).collect(),
        quic_rules: QuicRule::ALL.iter().zip(21..).map(|(&rule, packets)| (rule, packets)).collect(),
        active: ActiveReading {
            listeners: (0..3).map(|index| (index, 40_000 - 10_000 * u64::from(index))).collect(),
            targets: (1..4).map(|index| (index, 5_000 * u64::from(index))).collect(),
        },
        flow_events: FlowEvent::ALL.iter().zip(1..).map(|(&event, count)| (event, count)).collect(),
    }
}
