//! Listeners.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{GroupView, ListenerPort, Protocol, Routing};
use crate::control::event;
use crate::control::snapshot::{ListenerState, Snapshot};
use crate::model::{GroupShare, ServedBy, Weight};

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
    /// The weight in the file, when a runtime change overrides it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_weight: Option<u16>,
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
            shares: GroupShareView::all(snapshot, state),
            routing: groups.iter().map(|group| group.routing).min().map_or(Routing::Empty, Routing::from),
            healthy: targets().filter(|target| target.health == event::Health::Healthy).count(),
            total: targets().count(),
        }
    }
}

impl GroupShareView {
    fn all(snapshot: &Snapshot, state: &ListenerState) -> Vec<Self> {
        let in_file = match snapshot.configuration.listener(&state.listener.name).map(|listener| &listener.served_by) {
            Some(ServedBy::Shares(shares)) => shares.as_slice(),
            _ => &[],
        };
        let view = |(share, slots): (&GroupShare, usize)| {
            let file = in_file.iter().find(|file| file.group == share.group).map(|file| file.weight);
            let file_weight = file.filter(|&weight| weight != share.weight).map(Weight::get);
            Self { target_group: share.group.to_string(), weight: share.weight.get(), file_weight, slots }
        };
        state.shares(snapshot).into_iter().map(view).collect()
    }
}
