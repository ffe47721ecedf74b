//! The configuration in force: the file, its defaults filled in, with the runtime changes over it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Affinity, ListenerPort, Origin, Protocol, RingKind, Tracking, XdpMode, group};
use crate::config::{self, duration};
use crate::control::snapshot::Snapshot;
use crate::model::{Capacity, Configuration, FlowRules, FlowSettings, Forwarding, NewFlowLimit, Quic};

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Config {
    /// How the agent itself runs.
    pub agent: AgentConfig,
    /// Where traffic is accepted.
    pub listeners: Vec<ListenerConfig>,
    /// Where it goes.
    pub target_groups: Vec<GroupConfig>,
    /// The same as a configuration file, every setting written out.
    pub text: String,
}

/// How the agent itself runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentConfig {
    /// Interfaces that clients' packets come in by.
    pub interfaces: Vec<String>,
    /// Where the program runs.
    pub mode: XdpMode,
    /// The seed of the flow hash, in hexadecimal. All edges of a cluster have the same.
    pub seed: String,
    /// This edge's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Outer source for IPv4 targets: an address or a prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_v4: Option<String>,
    /// Outer source for IPv6 targets: an address or a prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_v6: Option<String>,
    /// Whether packets in tunnels from outside, to a VIP or to a target that tunnels lead to, are dropped.
    pub drop_foreign_tunnels: bool,
    /// Unix socket of this API.
    #[schema(value_type = String)]
    pub socket: PathBuf,
    /// Address of the Prometheus endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub metrics: Option<SocketAddr>,
    /// The Prometheus server that metrics of autoscaling groups are asked of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<String>,
    /// Where programs, links and maps are pinned.
    #[schema(value_type = String)]
    pub pin_path: PathBuf,
    /// Where the embedded store is.
    #[schema(value_type = String)]
    pub state_dir: PathBuf,
    /// Capacity of the kernel's tables.
    pub capacity: CapacityConfig,
}

/// How much the kernel's tables hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CapacityConfig {
    /// Listeners.
    pub listeners: u32,
    /// Target groups.
    pub groups: u32,
    /// Targets.
    pub targets: u32,
    /// Slots.
    pub slots: u32,
    /// TCP flows in transition that sent SYNs only.
    pub half_open: u32,
    /// Remembered TCP flows.
    pub flows: u32,
    /// Remembered flows of UDP.
    pub datagrams: u32,
    /// Datagrams in fragments whose first one was seen.
    pub fragments: u32,
    /// Targets, and as many listeners, whose active flows are estimated.
    pub sketches: u32,
    /// Networks of access lists.
    pub networks: u32,
    /// Sources whose new flows are limited.
    pub sources: u32,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListenerConfig {
    /// Its name.
    pub name: String,
    /// The VIP, or the address of a gateway's network.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Length of the prefix of a gateway's network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_length: Option<u8>,
    /// Protocol.
    pub protocol: Protocol,
    /// Port.
    pub port: ListenerPort,
    /// Name of the target group; of several, each with its weight: `blue=90, green=10`.
    pub target_group: String,
    /// Networks of its access list, files and everybody included; absent: everybody may reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_networks: Option<usize>,
    /// How many flows each source may begin; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_flows_per_source: Option<NewFlowLimitConfig>,
    /// How its servers make the connection ids of QUIC; absent: its packets are looked at as UDP, or it isn't UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quic: Option<QuicConfig>,
}

/// How servers make the connection ids of QUIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuicConfig {
    /// Bytes of a server's id.
    pub server_id_length: u8,
    /// The three bits that a connection id begins with, as a number.
    pub config_rotation: u8,
}

/// How many flows each source may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewFlowLimitConfig {
    /// Flows per second.
    pub rate: u32,
    /// Flows at once.
    pub burst: u32,
    /// IPv4 sources that share a prefix of this length are one.
    pub prefix_v4: u8,
    /// The same for IPv6.
    pub prefix_v6: u8,
}

/// A target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupConfig {
    /// Its name.
    pub name: String,
    /// How packets travel to the targets.
    pub forwarding: String,
    /// Whether they are translated to come from the edge's own address.
    pub source_nat: bool,
    /// Which part of a flow decides its target.
    pub affinity: Affinity,
    /// How slots are shared out.
    pub ring: RingKind,
    /// Slots of the ring.
    pub ring_size: u32,
    /// Whether targets of other zones get traffic while this edge's own zone has healthy ones.
    pub cross_zone: bool,
    /// How long flows live, and what becomes of those of a target that goes.
    pub flows: FlowConfig,
    /// The health check in a line.
    pub health_check: String,
    /// The targets.
    pub targets: Vec<TargetConfig>,
}

/// What a group does with its flows: settings in force, with what follows from its listeners' protocols. Durations are
/// written as in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowConfig {
    /// Which flows are remembered.
    pub tracking: Tracking,
    /// A flow without packets for longer is over.
    pub idle_timeout: String,
    /// How long a target that leaves keeps its flows.
    pub deregistration_delay: String,
    /// Whether flows that are left then are cut.
    pub connection_termination: bool,
    /// Whether a target that fails its checks loses its flows at once.
    pub unhealthy_connection_termination: bool,
    /// How long it keeps them otherwise; `0s`: as long as they last.
    pub unhealthy_draining_interval: String,
    /// Time in which the share of a target that became healthy rises to its own; `0s`: at once.
    pub slow_start: String,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetConfig {
    /// Where encapsulated packets go.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// The port that serves.
    pub port: u16,
    /// Availability zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The weight in force.
    pub weight: u16,
    /// The id that it is given for QUIC's connection ids; absent: it has the end of its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quic_server_id: Option<String>,
    /// Where it was registered.
    pub origin: Origin,
}

impl From<Capacity> for CapacityConfig {
    fn from(capacity: Capacity) -> Self {
        let Capacity { listeners, groups, targets, slots, half_open, flows, .. } = capacity;
        let Capacity { datagrams, fragments, sketches, networks, sources, .. } = capacity;
        Self { listeners, groups, targets, slots, half_open, flows, datagrams, fragments, sketches, networks, sources }
    }
}

impl From<NewFlowLimit> for NewFlowLimitConfig {
    fn from(NewFlowLimit { rate, burst, prefix_v4, prefix_v6 }: NewFlowLimit) -> Self {
        Self { rate: rate.get(), burst: burst.get(), prefix_v4, prefix_v6 }
    }
}

impl From<Quic> for QuicConfig {
    fn from(Quic { server_id_length, config_rotation }: Quic) -> Self {
        Self { server_id_length, config_rotation }
    }
}

impl Config {
    /// What is in force in `snapshot`.
    pub fn of(snapshot: &Snapshot) -> Self {
        let settings = &snapshot.configuration.agent;
        let listeners = snapshot.listeners.iter().map(|state| ListenerConfig {
            name: state.listener.name.to_string(),
            address: state.listener.address,
            prefix_length: state.listener.prefix_length,
            protocol: state.listener.protocol.into(),
            port: state.listener.ports.into(),
            target_group: state.listener.served_by.to_string(),
            access_networks: state.listener.access.list.as_ref().map(|list| list.networks().len()),
            new_flows_per_source: state.listener.new_flows.map(NewFlowLimitConfig::from),
            quic: state.listener.quic.map(QuicConfig::from),
        });
        Self {
            agent: AgentConfig {
                interfaces: settings.interfaces.clone(),
                mode: settings.mode.into(),
                seed: format!("{:#018x}", snapshot.seed),
                zone: settings.zone.as_ref().map(ToString::to_string),
                source_v4: settings.source_v4.map(|net| net.to_string()),
                source_v6: settings.source_v6.map(|net| net.to_string()),
                drop_foreign_tunnels: settings.drop_foreign_tunnels,
                socket: settings.socket.clone(),
                metrics: settings.metrics,
                prometheus: settings.prometheus.as_ref().map(|server| server.url.to_string()),
                pin_path: settings.pin_path.clone(),
                state_dir: settings.state_dir.clone(),
                capacity: settings.capacity.into(),
            },
            listeners: listeners.collect(),
            target_groups: snapshot.configuration.groups.iter().map(|group| GroupConfig::of(snapshot, group)).collect(),
            text: config::render(&in_force(snapshot)),
        }
    }
}

/// The configuration with the runtime changes in it.
fn in_force(snapshot: &Snapshot) -> Configuration {
    let mut configuration = Configuration::clone(&snapshot.configuration);
    configuration.agent.seed = Some(snapshot.seed);
    let served: BTreeMap<_, _> =
        snapshot.listeners.iter().map(|state| (&state.listener.name, &state.listener.served_by)).collect();
    for listener in &mut configuration.listeners {
        if let Some(&served_by) = served.get(&listener.name) {
            listener.served_by.clone_from(served_by);
        }
    }
    for group in &mut configuration.groups {
        if let Some(state) = snapshot.group(&group.name) {
            group.targets = state
                .targets
                .iter()
                .filter(|target| !target.is_leaving())
                .map(|target| target.target.clone())
                .collect();
        }
    }
    configuration
}

impl FlowConfig {
    fn of(settings: &FlowSettings, in_force: FlowRules) -> Self {
        Self {
            tracking: in_force.tracking.into(),
            idle_timeout: duration::show(in_force.idle_timeout),
            deregistration_delay: duration::show(settings.deregistration_delay),
            connection_termination: in_force.connection_termination,
            unhealthy_connection_termination: settings.unhealthy_connection_termination,
            unhealthy_draining_interval: duration::show(settings.unhealthy_draining_interval),
            slow_start: duration::show(settings.slow_start),
        }
    }
}

impl GroupConfig {
    fn of(snapshot: &Snapshot, configured: &crate::model::TargetGroup) -> Self {
        let state = snapshot.group(&configured.name);
        let in_force = state.map_or_else(|| configured.rules([]), |group| group.rules);
        let targets = state.map(|group| group.targets.as_slice()).unwrap_or_default();
        let targets = targets.iter().filter(|state| !state.is_leaving()).map(|state| TargetConfig {
            address: state.key.address,
            port: state.key.port,
            zone: state.target.zone.as_ref().map(ToString::to_string),
            weight: state.target.weight.get(),
            quic_server_id: state.target.quic_server_id.as_ref().map(ToString::to_string),
            origin: state.origin.into(),
        });
        Self {
            name: configured.name.to_string(),
            forwarding: configured.forwarding.name().to_owned(),
            source_nat: configured.forwarding == Forwarding::Nat { source: true },
            affinity: configured.affinity.into(),
            ring: configured.ring.into(),
            ring_size: configured.ring_size.get(),
            cross_zone: configured.cross_zone,
            flows: FlowConfig::of(&configured.flows, in_force),
            health_check: group::health_check(configured),
            targets: targets.collect(),
        }
    }
}
