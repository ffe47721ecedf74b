//! Targets.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DrainCause, Health, Moment, Origin};
use crate::control::event::NextHop;
use crate::control::snapshot::{GroupState, Snapshot, TargetState};

/// A target as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetView {
    /// Name of its group.
    pub target_group: String,
    /// Where encapsulated packets go.
    #[schema(value_type = String, example = "10.0.0.5")]
    pub address: IpAddr,
    /// The port that serves.
    pub port: u16,
    /// Availability zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The weight in force.
    pub weight: u16,
    /// The weight in the file, when a runtime change overrides it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_weight: Option<u16>,
    /// Where it was registered.
    pub origin: Origin,
    /// Its health.
    pub health: Health,
    /// Since when.
    pub since: Moment,
    /// Why.
    pub reason: String,
    /// The way there, when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<NextHopView>,
    /// Why the way there is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_next_hop: Option<String>,
    /// Slots of the ring that are its own.
    pub slots: u32,
    /// Its share of the ring, 0 to 1: the share of new flows.
    pub share: f64,
    /// How it is leaving, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<DrainingView>,
    /// Flows of it that are remembered, as last counted; absent before the first count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<u64>,
    /// Its id in QUIC's connection ids, in hexadecimal, where a listener of its group has `quic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "0a07")]
    pub quic_server_id: Option<String>,
}

/// How a target is leaving.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DrainingView {
    /// Why.
    pub cause: DrainCause,
    /// Since when.
    pub since: Moment,
    /// When the flows that are left have to go.
    pub ends: Moment,
    /// Whether they are being cut: the next packet of each is answered with a reset.
    pub cutting: bool,
}

/// The way to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextHopView {
    /// Egress interface.
    pub interface: String,
    /// Outer source address: the configured one, else what the route prefers.
    #[schema(value_type = String)]
    pub source: IpAddr,
    /// Prefix length within which the outer source varies by flow, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_prefix: Option<u8>,
    /// The router in between; absent when the target is on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub gateway: Option<IpAddr>,
    /// MAC address of the target or the router.
    pub mac: String,
    /// MAC address of the egress interface.
    pub source_mac: String,
    /// MTU of the way, for the packet with its outer header.
    pub mtu: u32,
}

impl TargetView {
    /// One target of `group`.
    pub fn of(snapshot: &Snapshot, group: &GroupState, state: &TargetState) -> Self {
        let ring = u32::try_from(group.ring.len()).unwrap_or(u32::MAX).max(1);
        Self {
            target_group: group.name.to_string(),
            address: state.key.address,
            port: state.key.port,
            zone: state.target.zone.as_ref().map(ToString::to_string),
            weight: state.target.weight.get(),
            file_weight: state.file_weight,
            origin: state.origin.into(),
            health: state.health.into(),
            since: state.since.into(),
            reason: state.reason.clone(),
            next_hop: state.next_hop.as_ref().ok().map(|hop| NextHopView::of(snapshot, state.key.address, hop)),
            no_next_hop: state.next_hop.as_ref().err().map(ToString::to_string),
            slots: state.slots,
            share: f64::from(state.slots) / f64::from(ring),
            draining: state.draining.map(|draining| DrainingView {
                cause: draining.cause.into(),
                since: draining.began.into(),
                ends: draining.ends.into(),
                cutting: draining.cutting,
            }),
            flows: state.pins,
            quic_server_id: state.quic_server_id.as_ref().map(ToString::to_string),
        }
    }

    /// Address and port, as they are named everywhere.
    pub fn socket(&self) -> String {
        std::net::SocketAddr::new(self.address, self.port).to_string()
    }
}

impl NextHopView {
    /// The way `hop` to the target `address`.
    pub fn of(snapshot: &Snapshot, address: IpAddr, hop: &NextHop) -> Self {
        let configured = snapshot.configuration.agent.source_for(address);
        let full = if address.is_ipv4() { 32 } else { 128 };
        Self {
            interface: hop.interface_name.clone(),
            source: configured.map_or(hop.source, |net| net.addr()),
            source_prefix: configured.map(|net| net.prefix_len()).filter(|&length| length < full),
            gateway: hop.gateway,
            mac: mac(hop.mac),
            source_mac: mac(hop.source_mac),
            mtu: hop.mtu,
        }
    }
}

/// A MAC address for people.
pub(crate) fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}
