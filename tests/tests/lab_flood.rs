//! Floods of every kind, from random sources and as fast as one core makes them, each while slots are in transition.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aya::maps::{HashMap, Map, MapData};
use nlb_common::flow::Pin;
use nlb_common::hash::Flow;
use nlb_common::layout::edge::{ESTABLISHED, HALF_OPEN};
use nlb_tests::generator::{Generator, Kind, Order, Traffic};
use nlb_tests::lab::{AgentConfig, HealthCheck, Lab, ListenerConfig, Options, VIP_V4, wait_until};
use nlb_userspace::dataplane;
use serde_json::Value;

const LINES: u16 = 7007;
const DATAGRAMS: u16 = 7008;
/// A port of the VIP without listener.
const CLOSED: u16 = 7009;
const GROUP: &str = "lines";
const CONNECTIONS: usize = 200;
const TARGETS: u8 = 4;
/// How many of them leave when a flood comes, or are back.
const LEAVING: u8 = 2;
/// Packets of a flood at a time.
const PACKETS: u64 = 1_000_000;
/// Each flood's end: so many times, or as soon as enough have arrived. A cable loses what comes faster than its other end takes it.
const TIMES: u32 = 20;
/// How many arrive and are counted at least.
const ARRIVING: u64 = 10 * HALF_OPEN_ROOM;
/// Room for half-open flows, by default. A flood of SYNs fills it several times, however much of it is lost.
const HALF_OPEN_ROOM: u64 = 16_384;

/// A kind of flood.
struct Flood {
    name: &'static str,
    kind: Kind,
    port: u16,
    /// What shows that it was one.
    counter: Counter,
}

/// What counts a flood's packets.
#[derive(Clone, Copy)]
enum Counter {
    /// What a listener forwarded.
    Listener(&'static str),
    /// What rare packets' ways did.
    Way(&'static str),
    /// What came in by the edge's interface, for what the program lets pass.
    Interface,
}

/// Nothing tells packets of an ACK flood, and first fragments of such, from those of connections: they fill the table of established
/// flows, the last one most.
const FLOODS: [Flood; 9] = [
    Flood { name: "SYN", kind: Kind::Syn, port: LINES, counter: Counter::Listener(GROUP) },
    Flood { name: "UDP", kind: Kind::Udp, port: DATAGRAMS, counter: Counter::Listener("datagrams") },
    Flood { name: "ICMP echo", kind: Kind::Echo, port: 0, counter: Counter::Way("echo") },
    Flood { name: "ICMP errors about flows", kind: Kind::Error, port: LINES, counter: Counter::Way("error") },
    Flood {
        name: "first fragments",
        kind: Kind::Fragment { first: true },
        port: LINES,
        counter: Counter::Way("fragment"),
    },
    Flood { name: "later fragments", kind: Kind::Fragment { first: false }, port: LINES, counter: Counter::Interface },
    Flood { name: "SYN to a closed port", kind: Kind::Syn, port: CLOSED, counter: Counter::Way("reset") },
    Flood { name: "UDP to a closed port", kind: Kind::Udp, port: CLOSED, counter: Counter::Way("unreachable") },
    Flood { name: "ACK", kind: Kind::Segment, port: LINES, counter: Counter::Listener(GROUP) },
];

#[test]
fn no_flood_in_a_transition_breaks_a_connection_or_pushes_out_its_pin() -> Result<()> {
    let lab = Lab::new(Options { targets: TARGETS, ..Options::default() })?;
    let servers = lab.targets().map(|host| host.line_echo(LINES)).collect::<Result<Vec<_>>>()?;
    let _target_agents = lab.start_target_agents(&[VIP_V4.into()])?;
    let listener = |name: &str, protocol, port| ListenerConfig {
        name: name.to_owned(),
        address: VIP_V4.into(),
        protocol,
        port,
        health: HealthCheck::Tcp(LINES),
        targets_v6: false,
        affinity: "flow",
        targets: TARGETS.into(),
    };
    let mut config = AgentConfig::new(&lab).listener(listener(GROUP, "tcp", LINES)).listener(listener(
        "datagrams",
        "udp",
        DATAGRAMS,
    ));
    // The stacks of all these hosts share a few cores with the flood: the checks are to outlast it.
    config.health_interval = Duration::from_secs(3);
    let text = format!("{}\n[[vip]]\naddress = \"{VIP_V4}\"\nexclusive = true\n", config.to_toml());
    let _agent = lab.start_agent_with(&text, &config.socket)?;
    let all_healthy = || {
        let list = lab.nlb(["target", "list", GROUP]).ok()?.success().ok()?;
        (list.matches(" healthy").count() == usize::from(TARGETS)).then_some(())
    };
    wait_until("all targets are healthy", Duration::from_secs(60), all_healthy)?;
    for (flood, verb) in FLOODS.iter().zip(["drain", "undrain"].into_iter().cycle()) {
        outlast(&lab, flood, verb).with_context(|| format!("a flood: {}", flood.name))?;
    }
    drop(servers);
    Ok(())
}

/// Opens connections, changes targets by `verb`, and lets the flood come.
fn outlast(lab: &Lab, flood: &Flood, verb: &str) -> Result<()> {
    let server = SocketAddr::new(VIP_V4.into(), LINES);
    let earlier = pinned(lab, ESTABLISHED)?;
    let flows = lab.client().flows(server, CONNECTIONS)?;
    for number in 1..=LEAVING {
        let target = SocketAddr::new(lab.host(&format!("t{number}")).v4().into(), LINES).to_string();
        lab.nlb(["target", verb, GROUP, &target])?.success()?;
    }
    // Each says several lines, and those whose slots have another target now are pinned.
    thread::sleep(Duration::from_secs(1));
    let before = pinned(lab, ESTABLISHED)?;
    let earlier_count = read(lab, flood.counter)?;

    let mut counted = 0;
    for _ in 0..TIMES {
        send(lab, flood)?;
        counted = read(lab, flood.counter)? - earlier_count;
        if counted > ARRIVING {
            break;
        }
    }
    let half_open = pinned(lab, HALF_OPEN)?.len() as u64;
    thread::sleep(Duration::from_secs(1));
    let after = pinned(lab, ESTABLISHED)?;

    let fresh = lab.client().flows(server, 10).context("after the flood")?.stop();
    let report = flows.stop();
    println!(
        "{}: {counted} packets counted, {half_open} half-open flows, {} pins before, {} after; {} lines of {:?}",
        flood.name,
        before.len(),
        after.len(),
        report.lines,
        report.opened,
    );
    ensure!(report.broken_count() == 0, "broken: {:#?}", report.broken);
    ensure!(fresh.broken_count() == 0, "broken after the flood: {:#?}", fresh.broken);
    // What is left of connections that ended goes by and by.
    let own: Vec<_> = before.iter().filter(|(flow, _)| !earlier.contains_key(flow)).collect();
    ensure!(own.len() > CONNECTIONS / 10, "only {} of {CONNECTIONS} connections are pinned", own.len());
    if verb == "drain" {
        let of = |number: u8| {
            report.opened.iter().find(|(name, _)| **name == format!("t{number}")).map_or(0, |(_, &opened)| opened)
        };
        let leaving: usize = (1..=LEAVING).map(of).sum();
        ensure!(leaving > CONNECTIONS / 10, "chance gave the leaving targets only {leaving} connections");
        ensure!(own.len() >= leaving, "{} pins of {leaving} connections to leaving targets", own.len());
    }
    let lost: Vec<_> = own.iter().filter(|(flow, pin)| after.get(*flow) != Some(*pin)).collect();
    ensure!(lost.is_empty(), "{} pins were pushed out or changed, as {:?}", lost.len(), lost[0]);
    ensure!(counted > ARRIVING, "{counted} packets are no flood");
    if !matches!(flood.kind, Kind::Segment | Kind::Fragment { first: true }) {
        let strange = after.keys().filter(|flow| !before.contains_key(*flow)).count();
        ensure!(strange <= CONNECTIONS, "the flood was taken for established flows: {strange} pins more");
    }
    if flood.kind == Kind::Syn && flood.port == LINES {
        // A table of the least recently used keeps some entries free.
        ensure!(half_open > HALF_OPEN_ROOM / 2, "only {half_open} half-open flows are remembered");
    }
    Ok(())
}

/// Sends the flood straight into the edge's interface, from the cable's other end.
fn send(lab: &Lab, flood: &Flood) -> Result<()> {
    let (edge, router) = (lab.edge(), lab.host("router"));
    let index = router.inside(|| nix::net::if_::if_nametoindex(edge.name()))?.context("the router's end")?;
    let mac = |text: &str| -> Result<[u8; 6]> {
        let bytes = text.trim().split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<Vec<_>, _>>()?;
        bytes.try_into().ok().with_context(|| format!("not a MAC address: {text}"))
    };
    let mac_of = |line: String| {
        let address = line.split_whitespace().skip_while(|word| *word != "link/ether").nth(1).map(str::to_owned);
        mac(&address.with_context(|| format!("no MAC address: {line}"))?)
    };
    let macs = [
        mac_of(edge.ip("-oneline link show eth0")?)?,
        mac_of(router.ip(&format!("-oneline link show {}", edge.name()))?)?,
    ];
    let vip = SocketAddr::new(IpAddr::V4(VIP_V4), flood.port);
    let traffic = Traffic { macs, flows: 1 << 32, order: Order::Random, kind: flood.kind, ..Traffic::to(vip) };
    let packets = NonZero::new(PACKETS).context("no flood")?;
    router.inside(|| Generator::new(&traffic, index)?.send(packets))??;
    Ok(())
}

/// What the counter says.
fn read(lab: &Lab, counter: Counter) -> Result<u64> {
    let said = match counter {
        Counter::Interface => lab.edge().ip("-statistics -json link show dev eth0")?,
        Counter::Listener(_) | Counter::Way(_) => lab.nlb(["stats", "--json"])?.success()?,
    };
    let said: Value = serde_json::from_str(&said)?;
    let among = |list: &str, key: &str, name: &str| {
        said[list].as_array().and_then(|all| all.iter().find(|one| one[key] == name).cloned()).unwrap_or_default()
    };
    let found = match counter {
        Counter::Interface => said[0]["stats64"]["rx"]["packets"].clone(),
        Counter::Listener(name) => among("listeners", "listener", name)["traffic"]["packets"].clone(),
        Counter::Way(name) => among("ways", "outcome", name)["packets"].clone(),
    };
    found.as_u64().with_context(|| format!("no such counter in {said}"))
}

/// What a flow table holds: the target of each flow.
fn pinned(lab: &Lab, table: &str) -> Result<BTreeMap<Flow, u32>> {
    let sets: BTreeSet<PathBuf> = dataplane::status(&lab.pins())?.sets.into_iter().map(|set| set.path).collect();
    let set = sets.first().filter(|_| sets.len() == 1).with_context(|| format!("not one set of tables: {sets:?}"))?;
    let data = MapData::from_pin(set.join(table)).with_context(|| format!("cannot open {table}"))?;
    let map = if table == HALF_OPEN { Map::LruHashMap(data) } else { Map::HashMap(data) };
    let map = HashMap::<_, Flow, Pin>::try_from(map)?;
    map.iter().map(|entry| entry.map(|(flow, pin)| (flow, pin.target)).map_err(Into::into)).collect()
}
