//! The doctor's judgement on made-up facts: each obstacle is found, at its stage, with its mend.

use std::collections::{BTreeMap, BTreeSet};

use nlb_common::counters::DecapOutcome;
use nlb_userspace::api::dto::{GroupView, Health, ListenerView, Routing, Stats, Status, XdpMode};
use nlb_userspace::control::snapshot::Snapshot;
use nlb_userspace::doctor::{
    EdgeFacts, Facts, Finding, HostFacts, InterfaceFacts, NoAgent, Severity, TargetHostFacts, judge,
};

use nlb_userspace::target_agent;

use crate::sample;

const UP: InterfaceFacts = InterfaceFacts { up: true, carrier: true, mtu: 1600 };

fn edge(snapshot: &Snapshot) -> EdgeFacts {
    let stats = Stats::of(snapshot, &sample::reading());
    EdgeFacts {
        status: Status::of(snapshot),
        missing_capabilities: Some(vec![]),
        listeners: ListenerView::all(snapshot),
        groups: snapshot.groups.iter().map(|group| GroupView::of(snapshot, group)).collect(),
        counters: Ok((stats.clone(), stats)),
    }
}

/// An edge without obstacles: of the sample, the group `web` without its failing target.
fn sound() -> Facts {
    let mut snapshot = sample::snapshot();
    snapshot.groups.truncate(1);
    snapshot.groups[0].targets.remove(1);
    snapshot.listeners.truncate(2);
    let mut facts = edge(&snapshot);
    facts.status.interfaces.truncate(1);
    Facts {
        host: HostFacts {
            kernel: "6.1.0-25-amd64".to_owned(),
            btf: true,
            bpffs: true,
            interfaces: BTreeMap::from([("eth0".to_owned(), UP)]),
            addresses: BTreeSet::new(),
        },
        client_mtu: 1500,
        edge: Ok(Box::new(facts)),
        target: None,
    }
}

fn target_host() -> TargetHostFacts {
    TargetHostFacts {
        attached: vec!["eth0".to_owned()],
        edges: vec!["10.0.0.254".to_owned()],
        vips: vec![("192.0.2.10".parse().unwrap(), true)],
        findings: vec![],
        outcomes: vec![(DecapOutcome::Decapsulated, 5, 6), (DecapOutcome::UnknownEdge, 0, 0)],
    }
}

fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|finding| finding.severity).max().unwrap()
}

#[test]
fn a_sound_edge_has_no_obstacle() {
    let findings = judge(&sound());
    assert_eq!(worst(&findings), Severity::Note, "{findings:#?}");
    let notes: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Note).collect();
    assert_eq!(notes.len(), 1, "only what can't be seen from here: {notes:#?}");
    assert!(notes[0].mend.as_ref().unwrap().contains("sudo nlb doctor"));
}

#[test]
fn findings_are_in_the_order_of_the_packets_way() {
    let mut stages: Vec<_> = judge(&sound()).into_iter().map(|finding| finding.stage).collect();
    stages.dedup();
    let expected = [
        "kernel",
        "bpffs",
        "agent",
        "interface",
        "program",
        "listener",
        "group",
        "next hop",
        "health",
        "next hop",
        "health",
        "drops",
        "target host",
    ];
    assert_eq!(stages, expected);
}

type Harm = fn(&mut Facts);

fn harmed(facts: &mut Facts) -> &mut EdgeFacts {
    facts.edge.as_mut().unwrap()
}

/// What is done to a sound edge, how bad that is, at which stage, and a word of the mend.
const OBSTACLES: &[(&str, Harm, Severity, &str, &str)] = &[
    ("an old kernel", |facts| facts.host.kernel = "5.15.0".to_owned(), Severity::Fail, "kernel", "newer"),
    ("no BTF", |facts| facts.host.btf = false, Severity::Warn, "kernel", "CONFIG_DEBUG_INFO_BTF"),
    ("a bpffs that can't be seen", |facts| facts.host.bpffs = false, Severity::Note, "bpffs", "nsenter"),
    (
        "no bpffs and no agent",
        |facts| {
            facts.host.bpffs = false;
            facts.edge = Err(NoAgent { what: "no answer".to_owned(), mend: "systemctl".to_owned() });
        },
        Severity::Warn,
        "bpffs",
        "mount -t bpf",
    ),
    (
        "no agent",
        |facts| facts.edge = Err(NoAgent { what: "no answer".to_owned(), mend: "systemctl".to_owned() }),
        Severity::Fail,
        "agent",
        "systemctl",
    ),
    (
        "no CAP_BPF",
        |facts| harmed(facts).missing_capabilities = Some(vec!["CAP_BPF"]),
        Severity::Fail,
        "agent",
        "AmbientCapabilities",
    ),
    ("an interface that is not there", |facts| facts.host.interfaces.clear(), Severity::Fail, "interface", "ip link"),
    (
        "an interface that is down",
        |facts| facts.host.interfaces.get_mut("eth0").unwrap().up = false,
        Severity::Fail,
        "interface",
        "ip link set eth0 up",
    ),
    (
        "no carrier",
        |facts| facts.host.interfaces.get_mut("eth0").unwrap().carrier = false,
        Severity::Fail,
        "interface",
        "cable",
    ),
    (
        "generic mode",
        |facts| harmed(facts).status.interfaces[0].mode = Some(XdpMode::Generic),
        Severity::Warn,
        "program",
        "agent.mode",
    ),
    ("not attached", |facts| harmed(facts).status.interfaces[0].mode = None, Severity::Fail, "program", "log"),
    (
        "tables that can't be written",
        |facts| harmed(facts).status.dataplane_error = Some("no memory".to_owned()),
        Severity::Fail,
        "tables",
        "journalctl",
    ),
    (
        "a VIP on the edge itself",
        |facts| {
            facts.host.addresses.insert("192.0.2.10".parse().unwrap());
        },
        Severity::Note,
        "listener",
        "ip address del",
    ),
    ("no listener", |facts| harmed(facts).listeners.clear(), Severity::Fail, "listener", "[[listener]]"),
    (
        "no target",
        |facts| harmed(facts).groups[0].summary.routing = Routing::Empty,
        Severity::Fail,
        "group",
        "nlb target register web",
    ),
    ("a ring with holes", |facts| harmed(facts).groups[0].targets[0].slots = 1, Severity::Fail, "group", "restart"),
    (
        "fail open",
        |facts| harmed(facts).groups[0].summary.routing = Routing::FailOpen,
        Severity::Fail,
        "group",
        "http GET /healthy",
    ),
    (
        "another zone's targets",
        |facts| harmed(facts).groups[0].summary.routing = Routing::OtherZones,
        Severity::Warn,
        "group",
        "nlb target list web",
    ),
    (
        "an unhealthy target",
        |facts| harmed(facts).groups[0].targets[0].health = Health::Unhealthy,
        Severity::Fail,
        "health",
        "firewall",
    ),
    (
        "no next hop",
        |facts| harmed(facts).groups[0].targets[0].next_hop = None,
        Severity::Fail,
        "next hop",
        "ip route get 10.0.0.1",
    ),
    (
        "no room for an outer IPv4 header",
        |facts| harmed(facts).groups[0].targets[0].next_hop.as_mut().unwrap().mtu = 1519,
        Severity::Warn,
        "MTU",
        "ip link set eth0 mtu 1520",
    ),
    (
        "no room for an outer IPv6 header",
        |facts| harmed(facts).groups[0].targets[1].next_hop.as_mut().unwrap().mtu = 1539,
        Severity::Warn,
        "MTU",
        "advmss 1439",
    ),
    (
        "room for IP in IP, and none for GUE",
        |facts| {
            harmed(facts).groups[0].forwarding = "gue".to_owned();
            harmed(facts).groups[0].targets[0].next_hop.as_mut().unwrap().mtu = 1539;
            harmed(facts).groups[0].targets.truncate(1);
        },
        Severity::Warn,
        "MTU",
        "ip link set eth0 mtu 1540",
    ),
    (
        "no room for a client's packet, by a way without outer header",
        |facts| {
            harmed(facts).groups[0].forwarding = "l2".to_owned();
            harmed(facts).groups[0].targets[0].next_hop.as_mut().unwrap().mtu = 1499;
            harmed(facts).groups[0].targets.truncate(1);
        },
        Severity::Warn,
        "MTU",
        "ip link set eth0 mtu 1500",
    ),
    (
        "no room for a client's IPv4 packet that becomes one by IPv6",
        |facts| {
            harmed(facts).groups[0].forwarding = "nat".to_owned();
            harmed(facts).groups[0].targets[1].next_hop.as_mut().unwrap().mtu = 1519;
        },
        Severity::Warn,
        "MTU",
        "ip link set eth0 mtu 1520",
    ),
    (
        "drops that grow",
        |facts| {
            let drops = &mut harmed(facts).counters.as_mut().unwrap().1.drops;
            drops.iter_mut().find(|drop| drop.reason == "no_headroom").unwrap().packets += 3;
        },
        Severity::Fail,
        "drops",
        "generic",
    ),
    (
        "a listener without packets",
        |facts| harmed(facts).counters.as_mut().unwrap().1.listeners[0].traffic.packets = 0,
        Severity::Note,
        "traffic",
        "nlb trace --destination 192.0.2.10",
    ),
    (
        "a target host without program",
        |facts| facts.target = Some(Ok(TargetHostFacts { attached: vec![], ..target_host() })),
        Severity::Fail,
        "decapsulation",
        "nlb target-agent",
    ),
    (
        "a target host without the VIP",
        |facts| {
            facts.target =
                Some(Ok(TargetHostFacts { vips: vec![("192.0.2.10".parse().unwrap(), false)], ..target_host() }));
        },
        Severity::Fail,
        "VIP",
        "ip address add 192.0.2.10 dev lo",
    ),
    (
        "tunnel packets of an unknown edge",
        |facts| {
            facts.target =
                Some(Ok(TargetHostFacts { outcomes: vec![(DecapOutcome::UnknownEdge, 1, 9)], ..target_host() }));
        },
        Severity::Fail,
        "tunnel",
        "`edges`",
    ),
    (
        "a target host that can't be looked at",
        |facts| facts.target = Some(Err("no permission".to_owned())),
        Severity::Fail,
        "target host",
        "root",
    ),
    (
        "a group at its first checks",
        |facts| harmed(facts).groups[0].summary.routing = Routing::Waiting,
        Severity::Warn,
        "group",
        "http GET /healthy",
    ),
    (
        "a setting that silences the target",
        |facts| {
            let found = target_agent::Finding {
                severity: target_agent::Severity::Silencing,
                what: "rp_filter is strict".to_owned(),
                mend: "sysctl".to_owned(),
            };
            facts.target = Some(Ok(TargetHostFacts { findings: vec![found], ..target_host() }));
        },
        Severity::Fail,
        "settings",
        "sysctl",
    ),
];

#[test]
fn every_obstacle_is_found_with_its_mend() {
    let before = judge(&sound());
    for (name, harm, severity, stage, mend) in OBSTACLES {
        let mut facts = sound();
        harm(&mut facts);
        let findings = judge(&facts);
        let new: Vec<_> = findings.iter().filter(|finding| !before.contains(finding)).collect();
        let found = new.iter().find(|finding| finding.severity == *severity && finding.stage == *stage);
        let found = found.unwrap_or_else(|| panic!("{name}: not found in {new:#?}"));
        assert!(found.mend.as_ref().is_some_and(|text| text.contains(mend)), "{name}: no `{mend}` in {found:?}");
    }
}

#[test]
fn a_target_host_needs_no_edges_agent() {
    let mut facts = sound();
    facts.edge = Err(NoAgent { what: "no answer".to_owned(), mend: "systemctl".to_owned() });
    facts.target = Some(Ok(target_host()));
    assert_eq!(worst(&judge(&facts)), Severity::Ok);
}
