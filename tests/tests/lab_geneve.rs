//! Gateway load balancing with real appliances: firewalls between a client and a server, through the edge.
//!
//! ```text
//! client ── router ── edge ══GENEVE══ t2, t3 (nftables)
//!             └────── t1 (server)
//! ```
//! The router sends what goes from the client to the server, and back, to the edge, which is a router too.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{Agent, AgentConfig, Appliance, Host, Lab, LineEcho, Options, UdpEcho, wait_until};
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
    appliances: BTreeMap<&'static str, (Appliance, LineEcho)>,
    _lines: Vec<LineEcho>,
    _datagrams: Vec<UdpEcho>,
    lab: Lab,
}

impl Scene {
    /// Flows between client and server pass one of two firewalls. `settings` are the groups'.
    fn new(settings: &str) -> Result<Self> {
        let lab = Lab::new(Options { targets: 3, ..Options::default() })?;
        let server = lab.host("t1");
        through_the_edge(&lab, server)?;
        let lines = [ALLOWED, DENIED].map(|port| server.line_echo(port)).into_iter().collect::<Result<_>>()?;
        let addresses = [IpAddr::from(server.v4()), server.v6().into()];
        let ports = addresses.into_iter().flat_map(|address| [ALLOWED, DENIED].map(|port| (address, port)));
        let datagrams = ports.map(|at| server.udp_echo(at.into())).collect::<Result<_>>()?;
        let start = |name| {
            let host = lab.host(name);
            Ok((name, (host.appliance(&RULES)?, host.line_echo(HEALTH)?)))
        };
        let appliances = ["t2", "t3"].map(start).into_iter().collect::<Result<_>>()?;
        let config = AgentConfig::new(&lab);
        let agent = lab.start_agent_with(&(config.to_toml() + &gateways(&lab, settings)), &config.socket)?;
        let scene = Self { _agent: agent, appliances, _lines: lines, _datagrams: datagrams, lab };
        for group in ["firewalls-v4", "firewalls-v6"] {
            wait_until(&format!("the appliances of {group} are healthy"), PATIENCE, || {
                let list = scene.lab.nlb(["target", "list", group]).ok()?.stdout;
                (list.matches(" healthy").count() == 2).then_some(())
            })?;
        }
        Ok(scene)
    }

    fn servers(&self) -> [IpAddr; 2] {
        let server = self.lab.host("t1");
        [server.v4().into(), server.v6().into()]
    }

    /// What the agent counts under that name in that list.
    fn counted(&self, list: &str, key: &str, name: &str) -> Result<u64> {
        let stats: Value = serde_json::from_str(&self.lab.nlb(["stats", "--json"])?.success()?)?;
        let entries = stats[list].as_array().context("no such list")?;
        let found = entries.iter().find(|entry| entry[key] == name);
        found.and_then(|entry| entry["packets"].as_u64()).with_context(|| format!("no `{name}` in {stats}"))
    }

    /// Every flow was seen by one appliance, in both directions.
    fn ensure_each_flow_has_one_appliance(&self) -> Result<()> {
        let mut owners = BTreeMap::<_, Vec<_>>::new();
        for (name, (appliance, _)) in &self.appliances {
            for (flow, packets) in appliance.flows() {
                owners.entry(flow).or_default().push((*name, packets));
            }
        }
        for (flow, owners) in owners {
            ensure!(owners.len() == 1 && owners[0].1.iter().all(|packets| *packets > 0), "{flow:?}: {owners:?}");
        }
        Ok(())
    }
}

/// Has the router send what client and server say to each other by the edge, and the edge forward it.
fn through_the_edge(lab: &Lab, server: &Host) -> Result<()> {
    let (client, edge, router) = (lab.client(), lab.edge(), lab.host("router"));
    edge.sysctl("net/ipv4/ip_forward", "1")?;
    edge.sysctl("net/ipv6/conf/all/forwarding", "1")?;
    // As long packets as the client's leave room for the headers between edge and appliances.
    server.ip("link set eth0 mtu 1500")?;
    let ends = |host: &Host| [("-4", IpAddr::from(host.v4())), ("-6", host.v6().into())];
    for (((family, client), (_, server)), (_, edge)) in ends(client).into_iter().zip(ends(server)).zip(ends(edge)) {
        router.ip(&format!("{family} route add default via {edge} table 78"))?;
        router.ip(&format!("{family} rule add iif client to {server} lookup 78"))?;
        router.ip(&format!("{family} rule add iif lan from {server} to {client} lookup 78"))?;
    }
    Ok(())
}

/// A gateway for each family of the server's, with the appliances' addresses of that family.
fn gateways(lab: &Lab, settings: &str) -> String {
    let server = lab.host("t1");
    let networks = [format!("{}/32", server.v4()), format!("{}/128", server.v6())];
    let families = ["v4", "v6"].into_iter().zip(networks);
    let blocks = families.map(|(family, network)| {
        let targets = ["t2", "t3"].map(|name| {
            let host = lab.host(name);
            if family == "v4" { host.v4().to_string() } else { host.v6().to_string() }
        });
        format!(
            "\n[[target_group]]\nname = \"firewalls-{family}\"\nforwarding = \"geneve\"\n{settings}\nport = {HEALTH}\n\
             targets = {targets:?}\nhealth_check = {{ interval = \"500ms\", timeout = \"500ms\" }}\n\n\
             [[listener]]\nname = \"inspect-{family}\"\naddress = \"{network}\"\nprotocol = \"all\"\nport = \"all\"\n\
             target_group = \"firewalls-{family}\"\n"
        )
    });
    blocks.collect()
}

#[test]
fn what_the_firewalls_allow_is_answered_and_what_they_deny_is_not() -> Result<()> {
    let scene = Scene::new("")?;
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
    let scene = Scene::new("")?;
    let client = scene.lab.client();
    for server in scene.servers() {
        ensure!(client.flows(SocketAddr::new(server, ALLOWED), FLOWS)?.stop().broken_count() == 0, "{server}");
        for _ in 0..FLOWS {
            client.udp_ask((server, ALLOWED).into(), b"x")?;
        }
    }
    scene.ensure_each_flow_has_one_appliance()?;
    let seen: Vec<_> = scene.appliances.values().map(|(appliance, _)| appliance.flows().len()).collect();
    ensure!(seen.iter().sum::<usize>() == 4 * FLOWS && seen.iter().all(|flows| *flows > FLOWS / 2), "{seen:?}");
    Ok(())
}

#[test]
fn flows_of_an_appliance_that_dies_go_on_by_the_other_where_that_is_wished() -> Result<()> {
    let mut scene = Scene::new("unhealthy_connection_termination = true")?;
    let client = scene.lab.client();
    let open = |server| client.flows(SocketAddr::new(server, ALLOWED), FLOWS);
    let flows = scene.servers().into_iter().map(open).collect::<Result<Vec<_>>>()?;
    sleep(Duration::from_secs(1));
    scene.ensure_each_flow_has_one_appliance()?;
    let before = scene.appliances.remove("t2").context("no t2")?;
    ensure!(!before.0.flows().is_empty(), "nothing went by the appliance that dies");
    drop(before);
    sleep(Duration::from_secs(5));
    for flows in flows {
        let report = flows.stop();
        ensure!(report.broken_count() == 0, "{:?}", report.broken);
    }
    let survivor = scene.appliances["t3"].0.flows();
    ensure!(survivor.len() == 2 * FLOWS, "the other appliance saw {} flows", survivor.len());
    Ok(())
}

#[test]
fn a_tunnel_from_elsewhere_is_not_taken() -> Result<()> {
    let scene = Scene::new("")?;
    let (client, edge) = (scene.lab.client(), scene.lab.edge());
    let inner = [&[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0][..], &[10, 1, 0, 2, 10, 3, 0, 11], &[0; 8]].concat();
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
