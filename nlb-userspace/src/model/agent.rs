//! How the agent itself runs.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{HttpUrl, Name, RingSize};

/// Where in the kernel's receive path the program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum XdpMode {
    /// In the driver: full speed. Refused by drivers without XDP.
    #[default]
    Native,
    /// In the stack, after an skb was made: every driver, at a fraction of the speed.
    Generic,
}

/// How much the kernel's tables hold. They are allocated whole at the start; a change makes new tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Listeners.
    pub listeners: u32,
    /// Target groups.
    pub groups: u32,
    /// Targets, those of all groups together.
    pub targets: u32,
    /// Slots, those of all rings together; 8 bytes each.
    pub slots: u32,
    /// TCP flows of which only SYNs were seen, in slots that are in transition.
    pub half_open: u32,
    /// Pinned TCP flows. The only table that takes memory as it grows.
    pub flows: u32,
    /// Pinned flows of UDP.
    pub datagrams: u32,
    /// Datagrams that come in fragments: where each goes is known until as many others have come.
    pub fragments: u32,
    /// Targets, and as many listeners, whose active flows are estimated: the first ones; 4 KiB each.
    pub sketches: u32,
    /// Networks of access lists, those of all lists together.
    pub networks: u32,
    /// Sources whose new flows are counted; when full, the one silent for longest goes.
    pub sources: u32,
}

impl Capacity {
    /// The largest tables.
    pub const MAX: Self = Self {
        listeners: 1 << 20,
        groups: 1 << 16,
        targets: 1 << 20,
        slots: 1 << 28,
        half_open: 1 << 24,
        flows: 1 << 28,
        datagrams: 1 << 26,
        fragments: 1 << 24,
        sketches: 1 << 18,
        networks: 1 << 24,
        sources: 1 << 24,
    };
    /// For how many listeners of QUIC there is room, if each had all targets.
    pub const QUIC_SERVERS_PER_TARGET: u32 = 4;
    /// One ring of the smallest size.
    pub const LEAST_SLOTS: u32 = RingSize::MIN;
}

impl Capacity {
    /// Targets of listeners of QUIC, each counted once for each listener.
    pub const fn quic_servers(self) -> u32 {
        self.targets.saturating_mul(Self::QUIC_SERVERS_PER_TARGET)
    }
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            listeners: 16_384,
            groups: 4_096,
            targets: 16_384,
            slots: 1 << 22,
            half_open: 16_384,
            flows: 1_048_576,
            datagrams: 131_072,
            fragments: 16_384,
            sketches: 2_048,
            networks: 131_072,
            sources: 65_536,
        }
    }
}

/// Section `[agent.prometheus]`: a server that answers PromQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrometheusServer {
    /// Where it is.
    pub url: HttpUrl,
    /// How long it may take to answer: 5 s by default, below the shortest period of metrics.
    pub timeout: Duration,
    /// Whether its certificate is verified: it is, by default.
    pub verify: bool,
}

/// Section `[agent]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSettings {
    /// Interfaces that clients' packets come in by; at least one.
    pub interfaces: Vec<String>,
    /// Where the program runs.
    pub mode: XdpMode,
    /// The cluster's seed; `None`: made at the first start and kept in the store.
    pub seed: Option<u64>,
    /// This edge's zone; `None`: all zones are alike.
    pub zone: Option<Name>,
    /// Outer source of packets to IPv4 targets: an address, or a prefix within which it varies by flow. `None`: the
    /// address that the route to the target prefers.
    pub source_v4: Option<IpNet>,
    /// The same for IPv6 targets.
    pub source_v6: Option<IpNet>,
    /// Whether packets in tunnels from outside, to a VIP or to a target that tunnels lead to, are dropped.
    pub drop_foreign_tunnels: bool,
    /// Unix socket of the control API.
    pub socket: PathBuf,
    /// Address of the Prometheus endpoint; `None`: no endpoint.
    pub metrics: Option<SocketAddr>,
    /// The Prometheus server that metrics of autoscaling groups may be asked of; `None`: there is none.
    pub prometheus: Option<PrometheusServer>,
    /// Directory below a bpffs where programs, links and maps are pinned; one per agent.
    pub pin_path: PathBuf,
    /// Directory of what must survive a restart: the embedded store.
    pub state_dir: PathBuf,
    /// Capacity of the kernel's tables.
    pub capacity: Capacity,
}

impl Default for AgentSettings {
    /// What holds where the file says nothing. It names no interface.
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            mode: XdpMode::default(),
            seed: None,
            zone: None,
            source_v4: None,
            source_v6: None,
            drop_foreign_tunnels: true,
            socket: "/run/nlb/nlb.sock".into(),
            metrics: None,
            prometheus: None,
            pin_path: "/sys/fs/bpf/nlb".into(),
            state_dir: "/var/lib/nlb".into(),
            capacity: Capacity::default(),
        }
    }
}

impl AgentSettings {
    /// The configured outer source for targets of `address`'s family.
    pub fn source_for(&self, address: IpAddr) -> Option<IpNet> {
        if address.is_ipv4() { self.source_v4 } else { self.source_v6 }
    }
}
