//! The configuration files of the agents: the one place of the laboratory that knows how they are spelt.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Host, Lab};

/// How packets travel to a group's targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// In IPv4 or IPv6.
    IpIp,
    /// In UDP.
    Gue,
    /// As they are, on the edge's segment.
    L2,
    /// Translated, from the client's address: the edge is the targets' router.
    Nat,
    /// Translated, from the edge's address.
    NatSource,
    /// By appliances, which send back what may go on to a server behind the edge.
    Geneve,
}

/// A group's health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthCheck {
    /// A connection to the port.
    Tcp(u16),
    /// `GET /` at the port.
    Http(u16),
    /// `GET /` at the port by TLS.
    Https(u16),
}

/// A listener with a group of its own: all targets of the laboratory.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// The name of both.
    pub name: String,
    /// The VIP, or the server that a gateway is for.
    pub address: IpAddr,
    /// `tcp` or `udp`; `all` makes it a gateway.
    pub protocol: &'static str,
    /// The port, here and at the targets; a gateway has every port, and this one at its appliances.
    pub port: u16,
    /// The group's health check.
    pub health: HealthCheck,
    /// Reach the targets by their IPv6 addresses?
    pub targets_v6: bool,
    /// `flow` or `source_ip`.
    pub affinity: &'static str,
    /// How many of the laboratory's targets belong to the group, from the first on.
    pub targets: usize,
}

/// What a group says about its flows; the default says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct FlowConfig {
    /// After how long without packets a flow is over.
    pub idle_timeout: Option<Duration>,
    /// How long a target that leaves keeps its flows.
    pub deregistration_delay: Option<Duration>,
    /// Are those cut that are left then?
    pub connection_termination: Option<bool>,
    /// Are those of a target cut that fails its checks?
    pub unhealthy_connection_termination: Option<bool>,
}

impl FlowConfig {
    fn to_toml(self) -> String {
        let times = [("idle_timeout", self.idle_timeout), ("deregistration_delay", self.deregistration_delay)];
        let times = times.map(|(key, time)| (key, time.map(|time| format!("\"{}s\"", time.as_secs()))));
        let switches = [
            ("connection_termination", self.connection_termination),
            ("unhealthy_connection_termination", self.unhealthy_connection_termination),
        ];
        let switches = switches.map(|(key, switch)| (key, switch.map(|switch| switch.to_string())));
        let said = times.into_iter().chain(switches).filter_map(|(key, value)| Some(format!("{key} = {}\n", value?)));
        said.collect()
    }
}

/// An agent's configuration.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The name of the edge that it is for.
    pub edge: String,
    /// The `nlb` program that runs it, if not the one under test.
    pub program: Option<PathBuf>,
    /// The seed of the flow hash, if it is not to be one of the edge's own.
    pub seed: Option<u64>,
    /// The edge's interfaces.
    pub interfaces: Vec<String>,
    /// `native` or `generic`.
    pub mode: &'static str,
    /// Port of its Prometheus endpoint on loopback, if it has one.
    pub metrics: Option<u16>,
    /// The Prometheus server that it asks, if it asks one.
    pub prometheus: Option<&'static str>,
    /// Where it pins.
    pub pin_path: PathBuf,
    /// Where it keeps what must outlive it.
    pub state_dir: PathBuf,
    /// Its control socket.
    pub socket: PathBuf,
    /// The edge's own addresses, as outer sources.
    pub sources: Vec<IpAddr>,
    /// How packets travel.
    pub forwarding: Forwarding,
    /// The time between two health checks of one target.
    pub health_interval: Duration,
    /// The slots of every group's ring, if not as many as by default.
    pub ring_size: Option<u32>,
    /// What every group says about its flows.
    pub flows: FlowConfig,
    /// The length of server ids, if every UDP listener is one of QUIC.
    pub quic: Option<usize>,
    /// The listeners.
    pub listeners: Vec<ListenerConfig>,
    targets: Vec<(String, IpAddr, IpAddr)>,
}

impl AgentConfig {
    /// One for this laboratory's edge, with no listeners yet.
    #[must_use]
    pub fn new(lab: &Lab) -> Self {
        Self::for_edge(lab, lab.edge())
    }

    /// One for this edge of the laboratory, with no listeners yet.
    #[must_use]
    pub fn for_edge(lab: &Lab, edge: &Host) -> Self {
        let dir = edge.dir();
        Self {
            edge: edge.name().to_owned(),
            program: None,
            seed: None,
            interfaces: lab.edge_interfaces(),
            mode: "native",
            metrics: None,
            prometheus: None,
            pin_path: lab.pins_of(edge),
            state_dir: dir.join("state"),
            socket: dir.join("nlb.sock"),
            sources: lab.edge_sources(edge).to_vec(),
            forwarding: Forwarding::IpIp,
            health_interval: Duration::from_millis(500),
            ring_size: None,
            flows: FlowConfig::default(),
            quic: None,
            listeners: Vec::new(),
            targets: lab.targets().map(|host| (host.name().to_owned(), host.v4().into(), host.v6().into())).collect(),
        }
    }

    /// Adds a listener.
    #[must_use]
    pub fn listener(mut self, listener: ListenerConfig) -> Self {
        self.listeners.push(listener);
        self
    }

    /// How long it takes the agent to notice a target that is dead or back: two checks in a row and a half, and the
    /// time that a check may wait.
    #[must_use]
    pub fn health_time(&self) -> Duration {
        self.health_interval * 4
    }

    /// The file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let interval = self.health_interval.as_millis();
        let interfaces: Vec<_> = self.interfaces.iter().map(|name| format!("{name:?}")).collect();
        let mut text = format!(
            "[agent]\ninterfaces = [{}]\nmode = {:?}\npin_path = {:?}\nstate_dir = {:?}\nsocket = {:?}\n",
            interfaces.join(", "),
            self.mode,
            self.pin_path,
            self.state_dir,
            self.socket
        );
        if let Some(seed) = self.seed {
            text.push_str(&format!("seed = \"{seed:#x}\"\n"));
        }
        if let Some(port) = self.metrics {
            text.push_str(&format!("metrics = \"127.0.0.1:{port}\"\n"));
        }
        if let Some(url) = self.prometheus {
            text.push_str(&format!("prometheus = {{ url = {url:?} }}\n"));
        }
        let ring = self.ring_size.map_or_else(String::new, |slots| format!("ring_size = {slots}\n"));
        let flows = ring + &self.flows.to_toml();
        for listener in &self.listeners {
            let ListenerConfig { name, address, protocol, port, affinity, .. } = listener;
            let forwarding = match self.forwarding {
                Forwarding::IpIp => "\"ipip\"",
                Forwarding::Gue => "\"gue\"",
                Forwarding::L2 => "\"l2\"",
                Forwarding::Nat => "\"nat\"",
                Forwarding::NatSource => "\"nat\"\nsource_nat = true",
                Forwarding::Geneve => "\"geneve\"",
            };
            let (network, ports) = match (*protocol, address) {
                ("all", IpAddr::V4(_)) => ("/32", "\"all\"".to_owned()),
                ("all", IpAddr::V6(_)) => ("/128", "\"all\"".to_owned()),
                _ => ("", port.to_string()),
            };
            let (kind, check_port) = match listener.health {
                HealthCheck::Tcp(port) => ("tcp", port),
                HealthCheck::Http(port) => ("http", port),
                HealthCheck::Https(port) => ("https", port),
            };
            let quic = self.quic.filter(|_| *protocol == "udp");
            let quic = quic.map_or_else(String::new, |length| format!("quic = {{ server_id_length = {length} }}\n"));
            let block = format!(
                "\n[[listener]]\nname = {name:?}\naddress = \"{address}{network}\"\nprotocol = {protocol:?}\nport = {ports}\n\
                 target_group = {name:?}\n{quic}\n[[target_group]]\nname = {name:?}\nforwarding = {forwarding}\n\
                 affinity = {affinity:?}\n{flows}\n[target_group.health_check]\nkind = {kind:?}\nport = {check_port}\n\
                 interval = \"{interval}ms\"\ntimeout = \"{interval}ms\"\n"
            );
            text.push_str(&block);
            for (target, v4, v6) in self.targets.iter().take(listener.targets) {
                let address = if listener.targets_v6 { v6 } else { v4 };
                let block = format!("\n[[target_group.target]] # {target}\naddress = \"{address}\"\nport = {port}\n");
                text.push_str(&block);
            }
        }
        text
    }
}

/// A target agent's configuration.
#[derive(Debug, Clone)]
pub struct TargetAgentConfig {
    /// The interfaces that tunnel packets come in on.
    pub interfaces: Vec<String>,
    /// Where it pins.
    pub pin_path: PathBuf,
    /// Where it notes which kernel settings it changed.
    pub state_dir: PathBuf,
    /// The edges whose tunnel packets are opened.
    pub edges: Vec<IpAddr>,
    /// The addresses that this host serves.
    pub vips: Vec<IpAddr>,
}

impl TargetAgentConfig {
    /// The file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let list = |items: &[String]| items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ");
        let mut text = String::from("[target_agent]\n");
        for (key, items) in [
            ("interfaces", self.interfaces.clone()),
            ("edges", self.edges.iter().map(ToString::to_string).collect()),
            ("vips", self.vips.iter().map(ToString::to_string).collect()),
        ] {
            text.push_str(&format!("{key} = [{}]\n", list(&items)));
        }
        text.push_str(&format!("pin_path = {:?}\nstate_dir = {:?}\n", self.pin_path, self.state_dir));
        text
    }
}
