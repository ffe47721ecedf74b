//! QUIC from end to end: a real client that changes its address keeps its connection, and the target that has it.
//!
//! Beside it what happens without `quic`: the same client loses its connection. So the test can fail.

mod peers;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nlb_tests::lab::{
    Agent, AgentConfig, HealthCheck, Host, Lab, LineEcho, ListenerConfig, Options, TargetAgent, VIP_V4, VIP_V6,
    wait_until,
};
use peers::{Client, Identity, SERVER_ID};
use quinn::Endpoint;

const QUIC: u16 = 443;
const HEALTH: u16 = 7007;
const VIPS: [IpAddr; 2] = [IpAddr::V4(VIP_V4), IpAddr::V6(VIP_V6)];
/// Connections to each VIP.
const CONNECTIONS: usize = 16;
/// How often each client moves.
const MOVES: usize = 4;
const PATIENCE: Duration = Duration::from_secs(20);
/// Enough for a packet that is lost to be sent again a few times.
const SILENCE: Duration = Duration::from_secs(3);

/// A laboratory with a QUIC server on each of three targets. Dropped in this order.
struct Scene {
    _agent: Agent,
    _target_agents: Vec<TargetAgent>,
    _servers: Vec<Endpoint>,
    _health: Vec<LineEcho>,
    identity: Identity,
    lab: Lab,
}

fn family(vip: IpAddr) -> &'static str {
    if vip.is_ipv4() { "v4" } else { "v6" }
}

fn own(host: &Host, vip: IpAddr) -> IpAddr {
    if vip.is_ipv4() { host.v4().into() } else { host.v6().into() }
}

impl Scene {
    fn start(is_quic: bool) -> Result<Self> {
        let lab = Lab::new(Options::default())?;
        let target_agents = lab.start_target_agents(&VIPS)?;
        let identity = Identity::make()?;
        let serve = |host: &Host, vip| identity.serve(host, own(host, vip), SocketAddr::new(vip, QUIC));
        let servers = lab.targets().flat_map(|host| VIPS.map(|vip| serve(host, vip))).collect::<Result<_>>()?;
        let health = lab.targets().map(|host| host.line_echo(HEALTH)).collect::<Result<_>>()?;
        let listener = |address: IpAddr| ListenerConfig {
            name: format!("quic-{}", family(address)),
            address,
            protocol: "udp",
            port: QUIC,
            health: HealthCheck::Tcp(HEALTH),
            targets_v6: address.is_ipv6(),
            affinity: "flow",
            targets: 3,
        };
        let mut config = VIPS.map(listener).into_iter().fold(AgentConfig::new(&lab), AgentConfig::listener);
        config.quic = is_quic.then_some(SERVER_ID);
        let agent = lab.start_agent(&config)?;
        wait_until("all targets are healthy", PATIENCE, || {
            let list = lab.nlb(["target", "list"]).ok()?.stdout;
            (list.matches(" healthy").count() == 6).then_some(())
        })?;
        // The client's second addresses.
        lab.client().ip("address add 10.1.0.77/24 dev eth0")?;
        lab.client().ip("address add fd00:1::77/64 dev eth0 nodad")?;
        let (_agent, _target_agents, _servers, _health) = (agent, target_agents, servers, health);
        Ok(Self { _agent, _target_agents, _servers, _health, identity, lab })
    }

    fn addresses(&self, vip: IpAddr) -> Result<[IpAddr; 2]> {
        let second = if vip.is_ipv4() { "10.1.0.77" } else { "fd00:1::77" };
        Ok([second.parse()?, own(self.lab.client(), vip)])
    }

    async fn connect(&self, vip: IpAddr) -> Result<Client> {
        let (client, server) = (self.lab.client(), SocketAddr::new(vip, QUIC));
        Client::connect(&self.identity, client, own(client, vip), server).await
    }

    async fn connections(&self, vip: IpAddr) -> Result<Vec<(Client, String)>> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut client = self.connect(vip).await?;
            let target = client.says(PATIENCE).await?;
            connections.push((client, target));
        }
        Ok(connections)
    }

    /// All clients move so often, and are answered by their targets wherever they are.
    async fn move_all(&self, vip: IpAddr, connections: &mut [(Client, String)]) -> Result<()> {
        let addresses = self.addresses(vip)?;
        for number in 0..MOVES {
            for (client, target) in &mut *connections {
                client.moves_to(self.lab.client(), addresses[number % 2])?;
                for _ in 0..3 {
                    let answered = client.says(PATIENCE).await.with_context(|| format!("after {number} moves"))?;
                    ensure!(answered == *target, "{target}'s connection was answered by {answered}");
                }
            }
        }
        Ok(())
    }
}

fn run(test: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(test())
}

#[test]
fn a_client_that_changes_its_address_keeps_its_connection_and_its_target() -> Result<()> {
    run(async || {
        let scene = Scene::start(true)?;
        for vip in VIPS {
            let mut connections = scene.connections(vip).await?;
            let targets: BTreeSet<_> = connections.iter().map(|(_, target)| target.clone()).collect();
            ensure!(targets.len() >= 2, "{CONNECTIONS} connections to {vip} went to {targets:?} alone");
            scene.move_all(vip, &mut connections).await?;

            let t1 = SocketAddr::new(own(scene.lab.host("t1"), vip), QUIC).to_string();
            let group = format!("quic-{}", family(vip));
            scene.lab.nlb(["target", "drain", &group, &t1])?.success()?;
            scene.move_all(vip, &mut connections).await.context("while a target drains")?;
            let fresh = scene.connections(vip).await?;
            ensure!(fresh.iter().all(|(_, target)| target != "t1"), "a draining target got connections");
        }
        let stats = scene.lab.nlb(["stats", "--json"])?.success()?;
        let counted: serde_json::Value = serde_json::from_str(&stats)?;
        let packets = |rule: &str| {
            let rules = counted["quic"].as_array().into_iter().flatten();
            rules.filter(|count| count["rule"] == rule).filter_map(|count| count["packets"].as_u64()).sum::<u64>()
        };
        ensure!(packets("server_id") > 500 && packets("begins") >= 48, "{}", counted["quic"]);
        ensure!(packets("unroutable") == 0 && packets("unknown_server") == 0, "{}", counted["quic"]);
        Ok(())
    })
}

#[test]
fn without_quic_the_same_client_loses_its_connection() -> Result<()> {
    run(async || {
        let scene = Scene::start(false)?;
        for vip in VIPS {
            let mut client = scene.connect(vip).await?;
            client.says(PATIENCE).await?;
            let addresses = scene.addresses(vip)?;
            // Each time two of three targets don't know the connection.
            let mut is_lost = false;
            for number in 0..16 {
                client.moves_to(scene.lab.client(), addresses[number % 2])?;
                if client.says(SILENCE).await.is_err() {
                    is_lost = true;
                    break;
                }
            }
            if !is_lost {
                bail!(
                    "a connection to {vip} survived twelve changes of address by chance, or there is no need for `quic`"
                );
            }
        }
        Ok(())
    })
}
