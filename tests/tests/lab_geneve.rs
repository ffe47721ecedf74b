//! Gateway load balancing with real appliances: firewalls between a client and a server, through the edge.
//!
//! ```text
//! client ── router ── edge ══GENEVE══ t1, t2 (nftables)
//!             └────── t3 (server)
//! ```
//! The router sends what goes from the client to the server, and back, to the edge, which is a router too.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{
    Agent, AgentConfig, Appliance, FlowConfig, Forwarding, HealthCheck, Host, Lab, LineEcho, ListenerConfig, Options,
    UdpEcho, flows_by_appliance, wait_until,
};
use serde_json::Value;

/// Where the server answers, and the firewalls let it.
const ALLOWED: u16 = 7007;
/// Where it would answer as well.
const DENIED: u16 = 7008;
/// Where appliances answer to health checks.
const HEALTH: u16 = 80;
const FLOWS: usize = 40;
const RULES: [&str; 2] = ["tcp dport 7008 drop", "udp dport 7008 drop"];
const PATIENCE: Duration = Duration::from_secs(20);

struct Scene {
    // Dropped in this order: the programs, then what they run in.
    _agent: Agent,
    appliances: BTreeMap<String, (Appliance, LineEcho)>,
    _lines: Vec<LineEcho>,
    _datagrams: Vec<UdpEcho>,
    lab: Lab,
}

impl Scene {
    /// Flows between client and server pass one of two firewalls. `flows` is what the groups say about them.
    fn new(flows: FlowConfig) -> Result<Self> {
        let forwarding = Forwarding::Geneve;
        let lab = Lab::new(Options { targets: 3, forwarding, ..Options::default() })?;
        lab.route_through_the_edge()?;
        let server = lab.server();
        let lines = [ALLOWED, DENIED].map(|port| server.line_echo(port)).into_iter().collect::<Result<_>>()?;
        let addresses = [IpAddr::from(server.v4()), server.v6().into()];
        let ports = addresses.into_iter().flat_map(|address| [ALLOWED, DENIED].map(|port| (address, port)));
        let datagrams = ports.map(|at| server.udp_echo(at.into())).collect::<Result<_>>()?;
        let start = |host: &Host| Ok((host.name().to_owned(), (host.appliance(&RULES)?, host.line_echo(HEALTH)?)));
        let appliances = lab.appliance_hosts().map(start).collect::<Result<_>>()?;
        let mut config = AgentConfig::new(&lab);
        (config.forwarding, config.flows) = (forwarding, flows);
        let config = addresses.into_iter().map(gateway).fold(config, AgentConfig::listener);
        let agent = lab.start_agent(&config)?;
        let scene = Self { _agent: agent, appliances, _lines: lines, _datagrams: datagrams, lab };
        for listener in &config.listeners {
            scene.lab.wait_for_healthy(&listener.name, listener.targets)?;
        }
        Ok(scene)
    }

    fn servers(&self) -> [IpAddr; 2] {
        let server = self.lab.server();
        [server.v4().into(), server.v6().into()]
    }

    /// What the agent counts under that name in that list.
    fn counted(&self, list: &str, key: &str, name: &str) -> Result<u64> {
        let stats: Value = serde_json::from_str(&self.lab.nlb(["stats", "--json"])?.success()?)?;
        let entries = stats[list].as_array().context("no such list")?;
        let found = entries.iter().find(|entry| entry[key] == name);
        found.and_then(|entry| entry["packets"].as_u64()).with_context(|| format!("no `{name}` in {stats}"))
    }

    /// How many flows each appliance saw, every flow in both directions and no flow by two of them.
    fn flows(&self) -> Result<BTreeMap<&str, usize>> {
        let appliances = self.appliances.iter().map(|(name, (appliance, _))| (name.as_str(), appliance));
        let mut counts = BTreeMap::new();
        for name in flows_by_appliance(appliances)?.into_values() {
            *counts.entry(name).or_default() += 1;
        }
        Ok(counts)
    }
}

/// A gateway for what client and server say to each other, with the appliances' addresses of the server's family.
fn gateway(server: IpAddr) -> ListenerConfig {
    ListenerConfig {
        name: format!("inspect-{}", if server.is_ipv4() { "v4" } else { "v6" }),
        address: server,
        protocol: "all",
        port: HEALTH,
        health: HealthCheck::Tcp(HEALTH),
        targets_v6: server.is_ipv6(),
        affinity: "flow",
        targets: 2,
    }
}

#[test]
fn what_the_firewalls_allow_is_answered_and_what_they_deny_is_not() -> Result<()> {
    let scene = Scene::new(FlowConfig::default())?;
    let client = scene.lab.client();
    for server in scene.servers() {
        let report = client.flows(SocketAddr::new(server, ALLOWED), FLOWS)?.stop();
        ensure!(report.broken_count() == 0, "{server}: {:?}", report.broken);
        let denied = client.inside(|| TcpStream::connect_timeout(&(server, DENIED).into(), Duration::from_secs(2)))?;
        ensure!(denied.is_err(), "{server} answers at a port that is denied");
        // The last one in fragments.
        for length in [0, 1, 700, 1_400, 8_000] {
            let payload = "x".repeat(length);
            let answer = client.udp_ask((server, ALLOWED).into(), payload.as_bytes())?;
            ensure!(answer.ends_with(&payload), "{server}: {answer}");
        }
        ensure!(
            client.udp_ask((server, DENIED).into(), b"x").is_err(),
            "{server} answers by UDP at a port that is denied"
        );
        let said = client.run("ping", ["-n", "-c", "5", "-i", "0.05", "-W", "2", &server.to_string()])?.stdout;
        ensure!(said.contains(" 5 received, 0% packet loss"), "{server}: {said}");
    }
    let seen: Vec<_> = scene.appliances.values().map(|(appliance, _)| appliance.flows().len()).collect();
    ensure!(seen.iter().all(|flows| *flows > FLOWS / 4), "the appliances saw {seen:?} flows");
    // The denied ones have one direction only.
    let returned = scene.counted("ways", "outcome", "returned")?;
    ensure!(returned > 0, "no packet came back from an appliance");
    ensure!(scene.counted("drops", "reason", "bad_tunnel")? == 0, "an appliance sent back what it was not given");
    Ok(())
}

#[test]
fn both_directions_of_a_flow_pass_the_same_appliance() -> Result<()> {
    let scene = Scene::new(FlowConfig::default())?;
    let client = scene.lab.client();
    for server in scene.servers() {
        ensure!(client.flows(SocketAddr::new(server, ALLOWED), FLOWS)?.stop().broken_count() == 0, "{server}");
        client.udp_ask_from_ports(FLOWS, (server, ALLOWED).into(), b"x")?;
    }
    let seen = scene.flows()?;
    ensure!(seen.len() == 2 && seen.values().sum::<usize>() == 4 * FLOWS, "{seen:?}");
    ensure!(seen.values().all(|flows| *flows > FLOWS / 2), "{seen:?}");
    Ok(())
}

#[test]
fn flows_of_an_appliance_that_dies_go_on_by_the_other_where_that_is_wished() -> Result<()> {
    let settings = FlowConfig { unhealthy_connection_termination: Some(true), ..FlowConfig::default() };
    let mut scene = Scene::new(settings)?;
    let client = scene.lab.client();
    let open = |server| client.flows(SocketAddr::new(server, ALLOWED), FLOWS);
    let flows = scene.servers().into_iter().map(open).collect::<Result<Vec<_>>>()?;
    sleep(Duration::from_secs(1));
    ensure!(scene.flows()?.len() == 2, "not both appliances had flows");
    drop(scene.appliances.remove("t1"));
    sleep(Duration::from_secs(5));
    for flows in flows {
        let report = flows.stop();
        ensure!(report.broken_count() == 0, "{:?}", report.broken);
    }
    let survivor = scene.appliances["t2"].0.flows();
    ensure!(survivor.len() == 2 * FLOWS, "the other appliance saw {} flows", survivor.len());
    Ok(())
}

#[test]
fn a_tunnel_from_elsewhere_is_not_taken() -> Result<()> {
    let scene = Scene::new(FlowConfig::default())?;
    let (client, edge) = (scene.lab.client(), scene.lab.edge());
    let inner = [&[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0][..], &[10, 1, 0, 2, 10, 3, 0, 13], &[0; 8]].concat();
    let options = [[1, 8, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0], [1, 8, 2, 2, 0, 0, 0, 2, 0, 0, 0, 1]].concat();
    let packet = [&[8, 0, 8, 0, 0, 0, 0, 0][..], &options, &[1, 8, 3, 1, 0, 0, 0, 0], &inner].concat();
    client.inside(|| {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
        (0..10).try_for_each(|_| socket.send_to(&packet, (edge.v4(), 6081)).map(drop))
    })??;
    wait_until("the edge has counted foreign tunnels", PATIENCE, || {
        (scene.counted("ways", "outcome", "foreign_tunnel").ok()? == 10).then_some(())
    })?;
    ensure!(scene.counted("ways", "outcome", "returned")? == 0, "a foreign tunnel was taken");
    Ok(())
}
