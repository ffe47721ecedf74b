//! What the doctor knows of this host, the agent and the target host's program. Plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use nlb_common::counters::DecapOutcome;

use crate::api::dto::{GroupView, ListenerView, Stats, Status};
use crate::target_agent;

/// Everything that is judged.
#[derive(Clone, Debug)]
pub struct Facts {
    /// This host.
    pub host: HostFacts,
    /// MTU that clients' packets may have.
    pub client_mtu: u32,
    /// The edge, as its agent tells it.
    pub edge: Result<Box<EdgeFacts>, NoAgent>,
    /// This host as a target host, when it is one; or why that can't be seen.
    pub target: Option<Result<TargetHostFacts, String>>,
}

/// This host.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// Release of the kernel: `6.1.0-25-amd64`.
    pub kernel: String,
    /// Whether the kernel describes its types (BTF).
    pub btf: bool,
    /// Whether a BPF file system is mounted at `/sys/fs/bpf`.
    pub bpffs: bool,
    /// Interfaces by name.
    pub interfaces: BTreeMap<String, InterfaceFacts>,
    /// Addresses of all interfaces.
    pub addresses: BTreeSet<IpAddr>,
}

/// An interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceFacts {
    /// Set up by the administrator.
    pub up: bool,
    /// Whether it has a link.
    pub carrier: bool,
    /// Its MTU.
    pub mtu: u32,
}

/// The agent gives no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAgent {
    /// What is wrong.
    pub what: String,
    /// What would mend it.
    pub mend: String,
}

/// The edge, as its agent tells it.
#[derive(Clone, Debug)]
pub struct EdgeFacts {
    /// The overview.
    pub status: Status,
    /// Capabilities that the agent needs and lacks; `None` when that can't be seen.
    pub missing_capabilities: Option<Vec<&'static str>>,
    /// Listeners.
    pub listeners: Vec<ListenerView>,
    /// Groups with their targets.
    pub groups: Vec<GroupView>,
    /// The counters, read twice; an error when they can't be.
    pub counters: Result<(Stats, Stats), NoAgent>,
}

/// The target host's program.
#[derive(Clone, Debug)]
pub struct TargetHostFacts {
    /// Interfaces that the program is attached to.
    pub attached: Vec<String>,
    /// Whose tunnel packets are taken: addresses and prefixes.
    pub edges: Vec<String>,
    /// VIPs that should be local, and whether they are.
    pub vips: Vec<(IpAddr, bool)>,
    /// What the target agent finds wrong with this host's settings.
    pub findings: Vec<target_agent::Finding>,
    /// What became of packets, read twice.
    pub outcomes: Vec<(DecapOutcome, u64, u64)>,
}
