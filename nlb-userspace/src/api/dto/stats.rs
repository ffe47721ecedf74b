//! Counters.

use std::net::IpAddr;

use nlb_common::counters::Counters;
use nlb_common::guard::Refused;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ListenerPort, Moment, Protocol};
use crate::control::snapshot::Snapshot;
use crate::dataplane::CounterReading;

/// Everything the packet path counts since it was first loaded, and the flows that are active now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// When it was read.
    pub at: Moment,
    /// By listener.
    pub listeners: Vec<ListenerCount>,
    /// By target.
    pub targets: Vec<TargetCount>,
    /// Dropped packets by reason; every reason is there, also those that never happened.
    pub drops: Vec<DropCount>,
    /// Packets that left the fast path, by what was done with them; every outcome is there.
    #[serde(default)]
    pub ways: Vec<WayCount>,
    /// Packets of listeners with `quic`, by the rule that chose their target; every rule is there.
    #[serde(default)]
    pub quic: Vec<QuicCount>,
}

/// Packets, bytes and new flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrafficCount {
    /// Packets forwarded.
    pub packets: u64,
    /// Bytes forwarded, as clients sent them: without the outer header.
    pub bytes: u64,
    /// Flows begun (TCP).
    pub new_flows: u64,
}

/// What a listener took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListenerCount {
    /// Its name.
    pub listener: String,
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
    /// The counters.
    pub traffic: TrafficCount,
    /// What its guard refused.
    #[serde(default)]
    pub refused: RefusedCount,
    /// Flows with a packet within the last minute, estimated; absent while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_flows: Option<u64>,
}

/// Packets that a listener's guard refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedCount {
    /// Of sources that its access list denies.
    pub source_denied: u64,
    /// That would have begun a flow beyond their source's limit.
    pub new_flow_limit: u64,
}

/// What a target got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetCount {
    /// Name of its group.
    pub target_group: String,
    /// Its address.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Its zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The counters.
    pub traffic: TrafficCount,
    /// Flows with a packet within the last minute, estimated; absent while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_flows: Option<u64>,
}

/// Packets dropped for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DropCount {
    /// The reason's name.
    pub reason: String,
    /// The reason in a few words.
    pub text: String,
    /// Packets.
    pub packets: u64,
}

/// Rare packets with which one thing was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WayCount {
    /// What was done: `echo`, `error`, `too_big`, …
    pub outcome: String,
    /// Packets.
    pub packets: u64,
}

/// Packets of QUIC whose targets one rule chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuicCount {
    /// The rule: `server_id`, or why it was the flow's hash: `begins`, `unroutable`, `unknown_server`.
    pub rule: String,
    /// Packets.
    pub packets: u64,
}

impl From<Counters> for TrafficCount {
    fn from(counters: Counters) -> Self {
        Self { packets: counters.packets, bytes: counters.bytes, new_flows: counters.new_flows }
    }
}

impl From<Refused> for RefusedCount {
    fn from(refused: Refused) -> Self {
        Self { source_denied: refused.denied, new_flow_limit: refused.limited }
    }
}

impl Stats {
    /// The counters of everything in `snapshot`.
    pub fn of(snapshot: &Snapshot, reading: &CounterReading) -> Self {
        let listeners = snapshot.listeners.iter().map(|state| ListenerCount {
            listener: state.listener.name.to_string(),
            address: state.listener.address,
            prefix_length: state.listener.prefix_length,
            protocol: state.listener.protocol.into(),
            port: state.listener.ports.into(),
            traffic: reading.listeners.get(&state.counters).copied().unwrap_or_default().into(),
            refused: reading.refused.get(&state.counters).copied().unwrap_or_default().into(),
            active_flows: reading.active.listeners.get(&state.counters).copied(),
        });
        let targets = snapshot.groups.iter().flat_map(|group| &group.targets).map(|state| TargetCount {
            target_group: state.key.group.to_string(),
            address: state.key.address,
            port: state.key.port,
            zone: state.target.zone.as_ref().map(ToString::to_string),
            traffic: reading.targets.get(&state.index).copied().unwrap_or_default().into(),
            active_flows: reading.active.targets.get(&state.index).copied(),
        });
        let drops = reading.drops.iter().map(|(reason, packets)| DropCount {
            reason: reason.name().to_owned(),
            text: reason.text().to_owned(),
            packets: *packets,
        });
        let ways = reading.way_outcomes.iter();
        let ways = ways.map(|(outcome, packets)| WayCount { outcome: outcome.name().to_owned(), packets: *packets });
        let quic = reading.quic_rules.iter();
        let quic = quic.map(|(rule, packets)| QuicCount { rule: rule.name().to_owned(), packets: *packets });
        Self {
            at: Moment::now(),
            listeners: listeners.collect(),
            targets: targets.collect(),
            drops: drops.collect(),
            ways: ways.collect(),
            quic: quic.collect(),
        }
    }
}
