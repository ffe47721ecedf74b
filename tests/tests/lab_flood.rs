//! A flood of SYNs from random sources, as fast as one core makes them, at a listener whose slots are in transition.

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
use nlb_tests::generator::{Generator, Order, Traffic};
use nlb_tests::lab::{AgentConfig, HealthCheck, Lab, ListenerConfig, Options, VIP_V4, wait_until};
use nlb_userspace::dataplane;
use serde_json::Value;

const PORT: u16 = 7007;
const GROUP: &str = "echo";
const VIP: SocketAddr = SocketAddr::new(IpAddr::V4(VIP_V4), PORT);
const CONNECTIONS: usize = 200;
const TARGETS: u8 = 4;
/// How many of them leave when the flood comes.
const LEAVING: u8 = 2;
/// The flood's end.
const FLOOD: u64 = 3_000_000;
/// Room for half-open flows, by default. The flood fills it many times, however much of it the cable loses.
const HALF_OPEN_ROOM: u64 = 16_384;

#[test]
fn a_syn_flood_in_a_transition_breaks_no_connection_and_pushes_out_no_pin() -> Result<()> {
    let lab = Lab::new(Options { targets: TARGETS, ..Options::default() })?;
    let servers = lab.targets().map(|host| host.line_echo(PORT)).collect::<Result<Vec<_>>>()?;
    let _target_agents = lab.start_target_agents(&[VIP_V4.into()])?;
    let listener = ListenerConfig {
        name: GROUP.to_owned(),
        address: VIP_V4.into(),
        protocol: "tcp",
        port: PORT,
        health: HealthCheck::Tcp(PORT),
        targets_v6: false,
        affinity: "flow",
        targets: TARGETS.into(),
    };
    let mut config = AgentConfig::new(&lab).listener(listener);
    // The stacks of all these hosts share a few cores with the flood: the checks are to outlast it.
    config.health_interval = Duration::from_secs(3);
    let _agent = lab.start_agent(&config)?;
    let told = |arguments: &[&str]| lab.nlb(arguments.iter().copied())?.success();
    let all_healthy = || {
        let list = told(&["target", "list", GROUP]).ok()?;
        (list.matches(" healthy").count() == usize::from(TARGETS)).then_some(())
    };
    wait_until("all targets are healthy", Duration::from_secs(60), all_healthy)?;

    let flows = lab.client().flows(VIP, CONNECTIONS)?;
    for number in 1..=LEAVING {
        let target = SocketAddr::new(lab.host(&format!("t{number}")).v4().into(), PORT).to_string();
        told(&["target", "drain", GROUP, &target])?;
    }
    // Each says several lines, and those in open slots are pinned.
    thread::sleep(Duration::from_secs(1));
    let before = pinned(&lab, ESTABLISHED)?;
    let packets_before = forwarded(&lab)?;

    flood(&lab)?;
    let packets = forwarded(&lab)? - packets_before;
    let half_open = pinned(&lab, HALF_OPEN)?;
    thread::sleep(Duration::from_secs(1));
    let after = pinned(&lab, ESTABLISHED)?;

    let fresh = lab.client().flows(VIP, 10).context("after the flood")?.stop();
    let report = flows.stop();
    println!(
        "{packets} packets forwarded in the flood, {} half-open flows remembered, {} pins before, {} after; {} lines of {:?}",
        half_open.len(),
        before.len(),
        after.len(),
        report.lines,
        report.opened,
    );
    ensure!(report.broken_count() == 0, "broken: {:#?}", report.broken);
    ensure!(fresh.broken_count() == 0, "broken after the flood: {:#?}", fresh.broken);
    let leaving: usize = (1..=LEAVING).filter_map(|number| report.opened.get(&format!("t{number}"))).sum();
    ensure!(leaving > CONNECTIONS / 10, "chance gave the leaving targets only {leaving} connections");
    ensure!(before.len() >= leaving, "{} pins of {leaving} connections to leaving targets", before.len());
    let lost: Vec<_> = before.iter().filter(|(flow, pin)| after.get(*flow) != Some(pin)).collect();
    ensure!(lost.is_empty(), "pins that were pushed out or changed: {lost:?}");
    let strange: Vec<_> = after.keys().filter(|flow| !before.contains_key(*flow)).collect();
    ensure!(strange.len() <= CONNECTIONS, "SYNs were taken for established flows: {} pins more", strange.len());
    ensure!(packets > 10 * HALF_OPEN_ROOM, "the edge forwarded {packets} packets: that was no flood");
    // A table of the least recently used keeps some entries free.
    let fill = half_open.len() as u64;
    ensure!(fill > HALF_OPEN_ROOM / 2, "only {fill} half-open flows are remembered");
    drop(servers);
    Ok(())
}

/// Sends the flood straight into the edge's interface, from the cable's other end.
fn flood(lab: &Lab) -> Result<()> {
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
    let traffic = Traffic { macs, flows: 1 << 32, order: Order::Random, opens: true, ..Traffic::to(VIP) };
    let packets = NonZero::new(FLOOD).context("no flood")?;
    router.inside(|| Generator::new(&traffic, index)?.send(packets))??;
    Ok(())
}

/// Packets that the listener forwarded.
fn forwarded(lab: &Lab) -> Result<u64> {
    let stats: Value = serde_json::from_str(&lab.nlb(["stats", "--json"])?.success()?)?;
    stats["listeners"][0]["traffic"]["packets"].as_u64().with_context(|| format!("no packets in {stats}"))
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
