//! Two edges behind one router: connections go on when one is taken away and comes back while targets change.

use std::net::{IpAddr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{
    Agent, AgentConfig, FlowReport, Flows, Forwarding, HealthCheck, Host, Lab, LineEcho, ListenerConfig, NginxOptions,
    Options, TargetAgent, VIP_V4, VIP_V6, literal, wait_until, web_and_dns,
};
use serde_json::Value;

const PORT: u16 = 7007;
const GROUP: &str = "echo";
const ECHO: SocketAddr = SocketAddr::new(IpAddr::V4(VIP_V4), PORT);
const SEED: u64 = 0x006e_6c62_6c61_6200;
/// How many connections are open before the targets change, and how many begin after that.
const HALF: usize = 100;
/// Every connection says some lines meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

struct Scene {
    // Dropped in this order: the programs, then what they run in.
    _agents: Vec<Agent>,
    _target_agents: Vec<TargetAgent>,
    _servers: Vec<LineEcho>,
    lab: Lab,
}

impl Scene {
    /// Both edges with one seed and one configuration of three targets; a fourth can be registered.
    fn new(forwarding: Forwarding) -> Result<Self> {
        let lab = Lab::new(Options { edges: 2, targets: 4, forwarding, ..Options::default() })?;
        let servers = lab.targets().map(|host| host.line_echo(PORT)).collect::<Result<_>>()?;
        let target_agents = lab.start_target_agents(&[VIP_V4.into()])?;
        let listener = ListenerConfig {
            name: GROUP.to_owned(),
            address: VIP_V4.into(),
            protocol: "tcp",
            port: PORT,
            health: HealthCheck::Tcp(PORT),
            targets_v6: false,
            affinity: "flow",
            targets: 3,
        };
        let start = |edge| {
            let mut config = AgentConfig::for_edge(&lab, edge).listener(listener.clone());
            (config.seed, config.forwarding) = (Some(SEED), forwarding);
            lab.start_agent(&config)
        };
        let agents = lab.edges().map(start).collect::<Result<_>>()?;
        let scene = Self { _agents: agents, _target_agents: target_agents, _servers: servers, lab };
        scene.wait_for_healthy(3)?;
        Ok(scene)
    }

    fn wait_for_healthy(&self, targets: usize) -> Result<()> {
        for edge in self.lab.edges() {
            wait_until(&format!("{targets} targets are healthy on {}", edge.name()), Duration::from_secs(30), || {
                let list = self.lab.nlb_on(edge, ["target", "list", GROUP]).ok()?.stdout;
                (list.matches(" healthy").count() == targets).then_some(())
            })?;
        }
        Ok(())
    }

    /// Both edges have begun with whole rings: nothing is in transition, though the targets did not get healthy at once,
    /// nor in one order on both.
    fn ensure_settled(&self) -> Result<()> {
        for edge in self.lab.edges() {
            let group = self.lab.nlb_on(edge, ["target-group", "show", GROUP, "--json"])?.success()?;
            ensure!(group.contains("\"open_slots\": 0,"), "slots are in transition on {}: {group}", edge.name());
        }
        Ok(())
    }

    fn on_both(&self, verb: &str, target: &str) -> Result<()> {
        let address = format!("{}:{PORT}", self.lab.host(target).v4());
        self.lab
            .edges()
            .try_for_each(|edge| self.lab.nlb_on(edge, ["target", verb, GROUP, &address])?.success().map(drop))
    }

    fn flows(&self) -> Result<Flows> {
        self.lab.client().flows(ECHO, HALF)
    }

    /// Takes one edge away and gives it back, then the other.
    fn edges_go_and_return(&self) -> Result<()> {
        let both: Vec<_> = self.lab.edges().collect();
        for stays in self.lab.edges() {
            self.lab.route_by(&[stays])?;
            sleep(PAUSE);
            self.lab.route_by(&both)?;
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Connections that began before and in a transition, while edges go and return.
    fn change_targets_and_edges(&self) -> Result<FlowReport> {
        let before = self.flows()?;
        sleep(PAUSE);
        self.on_both("drain", "t1")?;
        self.on_both("register", "t4")?;
        self.wait_for_healthy(3)?;
        let after = self.flows().context("in the transition")?;
        sleep(PAUSE);
        self.edges_go_and_return()?;
        let mut report = before.stop();
        report.add(after.stop());
        Ok(report)
    }
}

#[test]
fn no_connection_breaks_when_an_edge_goes_and_returns_and_by_gue_not_while_targets_change_either() -> Result<()> {
    let (gue, ipip) = (Scene::new(Forwarding::Gue)?, Scene::new(Forwarding::IpIp)?);
    for scene in [&gue, &ipip] {
        scene.ensure_settled()?;
        let flows = scene.flows()?;
        sleep(PAUSE);
        scene.edges_go_and_return()?;
        let report = flows.stop();
        ensure!(report.broken_count() == 0, "in a steady state: {:#?}", report.broken);
    }
    let report = ipip.change_targets_and_edges()?;
    println!("ipip: {} of {} broke in a transition, of {:?}", report.broken_count(), 2 * HALF, report.opened);
    let report = gue.change_targets_and_edges()?;
    println!("gue: {} of {} broke in a transition, of {:?}", report.broken_count(), 2 * HALF, report.opened);
    ensure!(report.broken_count() == 0, "{:#?}", report.broken);
    ensure!(report.opened.len() == 4, "not all targets had connections: {:?}", report.opened);
    Ok(())
}

/// The messages about flows that this edge has taken to targets.
fn errors_taken(lab: &Lab, edge: &Host) -> Result<u64> {
    let stats: Value = serde_json::from_str(&lab.nlb_on(edge, ["stats", "--json"])?.success()?)?;
    let ways = stats["ways"].as_array().context("no ways")?;
    let counted = ways.iter().find(|way| way["outcome"] == "error");
    counted.and_then(|way| way["packets"].as_u64()).with_context(|| format!("no errors in {stats}"))
}

/// Downloads by one edge, which remembers them, while a router's errors about them come to the other one, which does not.
#[test]
fn an_error_that_comes_to_another_edge_in_a_transition_reaches_its_connections_target_by_gue() -> Result<()> {
    const DOWNLOADS: usize = 20;
    let lab = Lab::new(Options { edges: 2, targets: 2, forwarding: Forwarding::Gue, ..Options::default() })?;
    let file = NginxOptions { file_bytes: 500_000, ..NginxOptions::default() };
    let _servers = lab.targets().map(|host| host.nginx(file)).collect::<Result<Vec<_>>>()?;
    let _target_agents = lab.start_target_agents(&[VIP_V4.into(), VIP_V6.into()])?;
    let listeners = web_and_dns().into_iter().filter(|listener| listener.port == 80);
    let listeners: Vec<_> = listeners.map(|listener| ListenerConfig { targets: 1, ..listener }).collect();
    let start = |edge| {
        let mut config = listeners.iter().cloned().fold(AgentConfig::for_edge(&lab, edge), AgentConfig::listener);
        (config.seed, config.forwarding) = (Some(SEED), Forwarding::Gue);
        lab.start_agent(&config)
    };
    let _agents = lab.edges().map(start).collect::<Result<Vec<_>>>()?;
    let (router, new, there) = (lab.host("router"), lab.host("t2"), lab.host("edge2"));
    // What it sends itself goes to the second edge, what it forwards to the first.
    lab.route_by(&[lab.edge()])?;
    for (family, vip, hop) in
        [("-4", IpAddr::from(VIP_V4), IpAddr::from(there.v4())), ("-6", VIP_V6.into(), there.v6().into())]
    {
        router.ip(&format!("{family} rule add iif lo lookup 77"))?;
        router.ip(&format!("{family} route add {vip} via {hop} table 77"))?;
    }
    for ListenerConfig { name, address, .. } in &listeners {
        lab.wait_for_targets(*address, 1)?;
        let added = literal(if address.is_ipv6() { new.v6().into() } else { new.v4().into() });
        for edge in lab.edges() {
            lab.nlb_on(edge, ["target", "register", name, &format!("{added}:80")])?.success()?;
            wait_until("the new target serves", Duration::from_secs(30), || {
                let list = lab.nlb_on(edge, ["target", "list", name]).ok()?.stdout;
                (list.matches(" healthy").count() == 2).then_some(())
            })?;
        }
    }
    // The client doesn't know, and announces segments that don't fit.
    router.ip("link set client mtu 1300")?;
    for ListenerConfig { address, .. } in &listeners {
        let told = errors_taken(&lab, there)?;
        let url = format!("http://{}/file", literal(*address));
        for number in 0..DOWNLOADS {
            let here = lab.client().dir().join(number.to_string());
            lab.client().download(&url, &here).with_context(|| format!("download {number} of {url}"))?;
        }
        // Both targets had to be told, for a host remembers what it learns of the path to a client.
        ensure!(errors_taken(&lab, there)? >= told + 2, "{address}: the second edge has taken too few errors");
    }
    ensure!(errors_taken(&lab, lab.edge())? == 0, "errors came to the first edge");
    Ok(())
}
