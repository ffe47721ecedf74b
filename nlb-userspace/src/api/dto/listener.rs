//! Listeners.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{GroupView, ListenerPort, Protocol, Routing};
use crate::control::event;
use crate::control::snapshot::{ListenerState, Snapshot};

/// A listener, and how its group does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListenerView {
    /// Its name.
    pub name: String,
    /// The VIP.
    #[schema(value_type = String, example = "192.0.2.10")]
    pub address: IpAddr,
    /// Protocol.
    pub protocol: Protocol,
    /// Its port, or its ports.
    pub port: ListenerPort,
    /// Name of the target group.
    pub target_group: String,
    /// Which targets of the group get new flows.
    pub routing: Routing,
    /// Healthy targets of the group.
    pub healthy: usize,
    /// All targets of the group.
    pub total: usize,
}

/// A listener with its group and that group's targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ListenerDetail {
    /// The listener.
    pub listener: ListenerView,
    /// Its target group.
    pub target_group: GroupView,
}

impl ListenerView {
    /// All listeners of `snapshot`.
    pub fn all(snapshot: &Snapshot) -> Vec<Self> {
        snapshot.listeners.iter().map(|state| Self::of(snapshot, state)).collect()
    }

    /// One listener of `snapshot`.
    pub fn of(snapshot: &Snapshot, ListenerState { listener, .. }: &ListenerState) -> Self {
        let group = snapshot.group(&listener.group);
        let targets = group.map(|group| group.targets.as_slice()).unwrap_or_default();
        Self {
            name: listener.name.to_string(),
            address: listener.address,
            protocol: listener.protocol.into(),
            port: listener.ports.into(),
            target_group: listener.group.to_string(),
            routing: group.map_or(Routing::Empty, |group| group.routing.into()),
            healthy: targets.iter().filter(|target| target.health == event::Health::Healthy).count(),
            total: targets.len(),
        }
    }
}
