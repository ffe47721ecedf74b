//! The laboratory: hosts as network namespaces, cables as veth pairs, real servers and clients in them.
//!
//! ```text
//!   client ──1500── router ──1600── edge        one-armed: the edge forwards by its gateway (XDP_TX)
//!                     │              ┆
//!                  bridge ┄┄┄1600┄┄┄┄┘          two-armed: a second leg on the targets' segment (redirect)
//!                  │  │  │ 1600
//!                  t1 t2 t3
//! ```
//! The router sends what is for a VIP to the edge. Targets answer the client through the router, past the edge (direct
//! server return). Every host has an IPv4 and an IPv6 address.
//!
//! There can be a second edge beside the first, `edge2`; the router spreads the flows over both.
//!
//! Nothing here knows how the balancer works: it starts the `nlb` program as a user would. The invariant: what a
//! laboratory makes (namespaces, processes, files, pins) carries its id and is gone when it is dropped; what a killed
//! run left behind is removed by the next one ([`sweep`]).

mod agent;
mod appliance;
mod browser;
mod certificate;
mod config;
mod dns;
mod flows;
mod gateway;
mod host;
mod instances;
mod iperf;
mod lease;
mod line_echo;
mod load;
mod netns;
mod nginx;
mod process;
mod prometheus;
mod raw;
mod receiver;
mod scaling;
mod service;
mod topology;
mod udp_echo;
mod wait;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use anyhow::{Context as _, Result};

pub use agent::{Agent, TargetAgent, nlb_binary};
pub use appliance::{Appliance, Way};
pub use browser::{Tally, Transfer, ensure_same, literal};
pub use certificate::Certificate;
pub use config::{AgentConfig, FlowConfig, Forwarding, HealthCheck, ListenerConfig, TargetAgentConfig};
pub use dns::Dns;
pub use flows::{FlowReport, Flows};
pub use gateway::{connections_by_appliance, flows_by_appliance};
pub use host::{Finished, Host};
pub use instances::Instances;
pub use iperf::{IperfReport, IperfServer};
pub use lease::{abandon, sweep};
pub use line_echo::LineEcho;
pub use load::{Load, Outcome};
pub use nginx::{Nginx, NginxOptions};
pub use process::Process;
pub use prometheus::Prometheus;
pub use scaling::Scaling;
pub use service::{Service, web_and_dns};
pub use topology::{Arms, Options, VIP_V4, VIP_V6};
pub use udp_echo::UdpEcho;
pub use wait::{Timeout, wait_until};

use lease::Lease;
use receiver::Receiver;

/// A running laboratory. Dropping it removes everything.
#[derive(Debug)]
pub struct Lab {
    // Before the lease: the lease's end removes what is left of them.
    hosts: BTreeMap<String, Host>,
    #[expect(dead_code, reason = "held for what it keeps attached")]
    receiver: Receiver,
    options: Options,
    lease: Lease,
}

impl Lab {
    /// Removes what dead runs left behind, then builds the hosts and the cables between them.
    ///
    /// # Errors
    /// When not run as root, or when the kernel or a tool (`ip`, `ethtool`) refuses a step; the error names the step.
    pub fn new(options: Options) -> Result<Self> {
        sweep().context("cannot remove what an earlier laboratory left")?;
        let lease = Lease::take()?;
        let (hosts, receiver) = topology::build(&lease, &options).context("cannot build the laboratory")?;
        Ok(Self { hosts, receiver, options, lease })
    }

    /// The id that everything of this laboratory carries in its name.
    #[must_use]
    pub fn id(&self) -> &str {
        self.lease.id()
    }

    /// A folder of this laboratory, for configuration, sockets and logs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.lease.dir()
    }

    /// The host of that name: `client`, `router`, `edge`, `t1`, `t2`, …
    ///
    /// # Panics
    /// When there is none: a mistake in the test.
    #[must_use]
    pub fn host(&self, name: &str) -> &Host {
        self.hosts.get(name).unwrap_or_else(|| panic!("the laboratory has no host {name}"))
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Host {
        self.host("client")
    }

    /// The edge.
    #[must_use]
    pub fn edge(&self) -> &Host {
        self.host("edge")
    }

    /// The target hosts, in order.
    pub fn targets(&self) -> impl Iterator<Item = &Host> {
        (1..=self.options.targets).map(|number| self.host(&format!("t{number}")))
    }

    /// Every host, by name.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    /// The interfaces of the edge that clients' packets come in on and targets' packets leave by.
    #[must_use]
    pub fn edge_interfaces(&self) -> Vec<String> {
        match self.options.arms {
            Arms::One => vec!["eth0".to_owned()],
            Arms::Two => vec!["eth0".to_owned(), "eth1".to_owned()],
        }
    }

    /// The address that a target sees as the source of the edge's IPv4 tunnel packets: that of the leg they leave by.
    #[must_use]
    pub fn edge_source_v4(&self) -> Ipv4Addr {
        topology::edge_sources(self.options.arms, "edge").0
    }

    /// The same for IPv6.
    #[must_use]
    pub fn edge_source_v6(&self) -> Ipv6Addr {
        topology::edge_sources(self.options.arms, "edge").1
    }

    /// The edges, in order.
    pub fn edges(&self) -> impl Iterator<Item = &Host> {
        ["edge", "edge2"].into_iter().take(self.options.edges.into()).map(|name| self.host(name))
    }

    /// The addresses that a target sees as the sources of an edge's tunnel packets.
    #[must_use]
    pub fn edge_sources(&self, edge: &Host) -> [IpAddr; 2] {
        let (v4, v6) = topology::edge_sources(self.options.arms, edge.name());
        [v4.into(), v6.into()]
    }

    /// Has the router send what is for a VIP to these edges and no others, each flow to one of them.
    ///
    /// # Errors
    /// When it refuses the route.
    pub fn route_by(&self, edges: &[&Host]) -> Result<()> {
        topology::route_by(self.host("router"), edges)
    }
}
