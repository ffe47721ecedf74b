//! Listeners.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{GroupView, ListenerPort, Protocol, Routing};
use crate::control::event;
use crate::control::snapshot::{ListenerState, Snapshot};
use crate::model::GroupShare;

/// A listener, and how its group does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListenerView {
    /// Its name.
    pub name: String,
    /// The VIP, or the address of a gateway's network.
    #[schema(value_type = String, example = "192.0.2.10")]
    pub address: IpAddr,
    /// Length of the prefix of a gateway's network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_length: Option<u8>,
    /// Protocol.
    pub protocol: Protocol,
    /// Its port, or its ports.
    pub port: ListenerPort,
    /// Name of the target group; of several, each with its weight: `blue=90, green=10`.
    pub target_group: String,
    /// The groups that share it, if they do, and what they have of its ring.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<GroupShareView>,
    /// Which targets of the group get new flows; of several groups, of the one that fares best.
    pub routing: Routing,
    /// Healthy targets of the group or groups.
    pub healthy: usize,
    /// All targets of the group or groups.
    pub total: usize,
}

/// What one of several groups has of a listener's new flows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupShareView {
    /// Name of the target group.
    pub target_group: String,
    /// Its weight.
    pub weight: u16,
    /// Slots of the listener's ring that are its targets'.
    pub slots: usize,
}

/// A listener with its groups and their targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ListenerDetail {
    /// The listener.
    pub listener: ListenerView,
    /// Its target group, or those that share it.
    pub target_groups: Vec<GroupView>,
}

impl ListenerView {
    /// All listeners of `snapshot`.
    pub fn all(snapshot: &Snapshot) -> Vec<Self> {
        snapshot.listeners.iter().map(|state| Self::of(snapshot, state)).collect()
    }

    /// One listener of `snapshot`.
    pub fn of(snapshot: &Snapshot, state: &ListenerState) -> Self {
        let listener = &state.listener;
        let groups: Vec<_> = listener.served_by.groups().filter_map(|name| snapshot.group(name)).collect();
        let targets = || groups.iter().flat_map(|group| &group.targets);
        Self {
            name: listener.name.to_string(),
            address: listener.address,
            prefix_length: listener.prefix_length,
            protocol: listener.protocol.into(),
            port: listener.ports.into(),
            target_group: listener.served_by.to_string(),
            shares: state.shares(snapshot).into_iter().map(GroupShareView::from).collect(),
            routing: groups.iter().map(|group| group.routing).min().map_or(Routing::Empty, Routing::from),
            healthy: targets().filter(|target| target.health == event::Health::Healthy).count(),
            total: targets().count(),
        }
    }
}

impl From<(&GroupShare, usize)> for GroupShareView {
    fn from((share, slots): (&GroupShare, usize)) -> Self {
        Self { target_group: share.group.to_string(), weight: share.weight.get(), slots }
    }
}
