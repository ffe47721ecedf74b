//! Connections that are cut: their clients are told with the next packet, instead of waiting for an answer.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{
    Agent, AgentConfig, FlowConfig, Forwarding, HealthCheck, Lab, LineEcho, ListenerConfig, Options, TargetAgent,
    VIP_V4, VIP_V6, wait_until,
};

const PORT: u16 = 7007;
/// What the health checks ask: a target can fail them and serve its connections all the same.
const HEALTH_PORT: u16 = 7008;
const VIPS: [(&str, IpAddr); 2] = [("v4", IpAddr::V4(VIP_V4)), ("v6", IpAddr::V6(VIP_V6))];
/// Connections to each VIP.
const COUNT: usize = 40;
/// Long enough for every connection to be used meanwhile.
const DELAY: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(30);
/// What a connection that isn't told anything ends with.
const SILENCE: Duration = Duration::from_secs(5);

/// A connection that says a line when it is told to, and nothing in between.
struct Connection {
    stream: BufReader<TcpStream>,
    /// The target that answered first, and has to answer always.
    home: String,
}

impl Connection {
    fn open(vip: IpAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&SocketAddr::new(vip, PORT), SILENCE)?;
        stream.set_read_timeout(Some(SILENCE))?;
        let mut connection = Self { stream: BufReader::new(stream), home: String::new() };
        connection.home = connection.say()?;
        Ok(connection)
    }

    /// Says a line, which is one packet, and waits for what becomes of it. The name of the target that answers.
    fn say(&mut self) -> io::Result<String> {
        self.stream.get_mut().write_all(b"line\n")?;
        let mut answer = String::new();
        self.stream.read_line(&mut answer)?;
        answer.strip_suffix(" line\n").map(str::to_owned).ok_or_else(|| io::Error::other(format!("told {answer:?}")))
    }
}

struct Scene {
    // Dropped in this order: the programs, then what they run in.
    agent: Agent,
    _target_agents: Vec<TargetAgent>,
    _servers: Vec<LineEcho>,
    health: BTreeMap<String, LineEcho>,
    config: AgentConfig,
    lab: Lab,
}

impl Scene {
    /// Four targets behind a VIP of each family, by that forwarding.
    fn new(forwarding: Forwarding) -> Result<Self> {
        let lab = Lab::new(Options { targets: 4, forwarding, ..Options::default() })?;
        let servers = lab.targets().map(|host| host.line_echo(PORT)).collect::<Result<_>>()?;
        let health = lab.targets().map(|host| Ok((host.name().to_owned(), host.line_echo(HEALTH_PORT)?)));
        let health = health.collect::<Result<_>>()?;
        let target_agents = lab.start_target_agents(&VIPS.map(|(_, vip)| vip))?;
        let listener = |(name, address): (&str, IpAddr)| ListenerConfig {
            name: name.to_owned(),
            address,
            protocol: "tcp",
            port: PORT,
            health: HealthCheck::Tcp(HEALTH_PORT),
            targets_v6: address.is_ipv6(),
            affinity: "flow",
            targets: 4,
        };
        let mut config = VIPS.into_iter().map(listener).fold(AgentConfig::new(&lab), AgentConfig::listener);
        config.forwarding = forwarding;
        config.flows = FlowConfig {
            deregistration_delay: Some(DELAY),
            connection_termination: Some(true),
            ..FlowConfig::default()
        };
        let agent = lab.start_agent(&config)?;
        let scene = Self { agent, _target_agents: target_agents, _servers: servers, health, config, lab };
        scene.wait_for("all targets are healthy", |list| list.matches(" healthy").count() == 4)?;
        Ok(scene)
    }

    /// Waits until the lists of both groups' targets are so.
    fn wait_for(&self, what: &str, condition: impl Fn(&str) -> bool) -> Result<()> {
        for (group, _) in VIPS {
            let mut last = String::new();
            let happened = wait_until(what, PATIENCE, || {
                last = self.lab.nlb(["target", "list", group]).ok()?.stdout;
                condition(&last).then_some(())
            });
            happened.with_context(|| format!("last:\n{last}"))?;
        }
        Ok(())
    }

    /// Connections to both VIPs, some of them to every target that serves.
    fn connections(&self) -> Result<Vec<Connection>> {
        let open = || VIPS.into_iter().flat_map(|(_, vip)| (0..COUNT).map(move |_| Connection::open(vip))).collect();
        let opened: io::Result<_> = self.lab.client().inside(open)?;
        opened.context("cannot open a connection")
    }

    /// The address of a target in both groups.
    fn addresses(&self, target: &str) -> [(&'static str, String); 2] {
        let host = self.lab.host(target);
        let addresses: [IpAddr; 2] = [host.v4().into(), host.v6().into()];
        [0, 1].map(|family| (VIPS[family].0, SocketAddr::new(addresses[family], PORT).to_string()))
    }

    fn drain(&self, target: &str) -> Result<()> {
        self.addresses(target)
            .iter()
            .try_for_each(|(group, address)| self.lab.nlb(["target", "drain", group, address])?.success().map(drop))
    }

    /// Has a target fail its checks, and nothing else.
    fn fail(&mut self, target: &str) -> Result<()> {
        drop(self.health.remove(target));
        let addresses = self.addresses(target).map(|(_, address)| address);
        let failed = |line: &str| addresses.iter().any(|address| line.contains(address)) && line.contains("unhealthy");
        self.wait_for("the target fails its checks", |list| list.lines().any(failed))
    }

    /// Puts settings of flows in force.
    fn set(&mut self, flows: FlowConfig) -> Result<()> {
        self.config.flows = flows;
        self.agent.rewrite(&self.config.to_toml())?;
        self.lab.nlb(["reload"])?.success().map(drop)
    }
}

/// Each answers from where it always did.
fn all_stay(connections: &mut [Connection]) -> Result<()> {
    for connection in connections {
        let home = connection.home.clone();
        let answer = connection.say().with_context(|| format!("a connection to {home} broke"))?;
        ensure!(answer == home, "a connection moved from {home} to {answer}");
    }
    Ok(())
}

/// The next packet of every connection to `target` is answered by a reset; the others stay, and are given back.
fn those_are_cut(connections: Vec<Connection>, target: &str) -> Result<Vec<Connection>> {
    let (cut, mut others): (Vec<_>, Vec<_>) = connections.into_iter().partition(|connection| connection.home == target);
    ensure!(cut.len() >= 2, "chance gave {target} {} connections", cut.len());
    for mut connection in cut {
        let told = connection.say();
        let reset = told.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
        ensure!(reset, "a connection to {target} ended otherwise than by a reset: {told:?}");
    }
    all_stay(&mut others)?;
    Ok(others)
}

fn connections_are_cut(forwarding: Forwarding) -> Result<()> {
    let mut scene = Scene::new(forwarding)?;
    let mut connections = scene.connections()?;

    scene.drain("t1")?;
    all_stay(&mut connections).context("while t1 is drained")?;
    let cutting = |line: &str| line.contains("being cut");
    scene.wait_for("the deregistration delay is over", |list| list.lines().any(cutting))?;
    connections = those_are_cut(connections, "t1").context("after the deregistration delay")?;
    let fresh = scene.connections()?;
    ensure!(fresh.iter().all(|connection| connection.home != "t1"), "a drained target got a new connection");
    connections.extend(fresh);

    scene.fail("t2")?;
    connections = those_are_cut(connections, "t2").context("when t2 failed its checks")?;

    scene.set(FlowConfig { unhealthy_connection_termination: Some(false), ..scene.config.flows })?;
    scene.fail("t3")?;
    ensure!(connections.iter().any(|connection| connection.home == "t3"), "chance gave t3 no connection");
    all_stay(&mut connections).context("with connections of failing targets kept, when t3 failed its checks")?;
    let fresh = scene.connections()?;
    ensure!(fresh.iter().all(|connection| connection.home == "t4"), "a failing target got a new connection");
    Ok(())
}

#[test]
fn clients_of_a_drained_or_failing_target_are_reset_and_nobody_else_by_ipip() -> Result<()> {
    connections_are_cut(Forwarding::IpIp)
}

#[test]
fn clients_of_a_drained_or_failing_target_are_reset_and_nobody_else_by_gue() -> Result<()> {
    connections_are_cut(Forwarding::Gue)
}
