//! Two edges behind one router: connections go on when one is taken away and comes back while targets change.

use std::net::{IpAddr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{
    Agent, AgentConfig, FlowReport, Flows, Forwarding, HealthCheck, Lab, LineEcho, ListenerConfig, Options,
    TargetAgent, VIP_V4, wait_until,
};

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
