//! Target groups.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Affinity, Moment, Routing, TargetView, Tracking};
use crate::config::duration;
use crate::control::event::Health;
use crate::control::snapshot::{self, GroupState, Snapshot};
use crate::model::{Forwarding, Probe, TargetGroup};

/// A target group in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupSummary {
    /// Its name.
    pub name: String,
    /// Which targets get new flows.
    pub routing: Routing,
    /// Healthy targets.
    pub healthy: usize,
    /// Unhealthy targets.
    pub unhealthy: usize,
    /// Targets that have not passed their first checks yet.
    pub initial: usize,
    /// All targets.
    pub total: usize,
    /// Names of the listeners that it serves.
    pub listeners: Vec<String>,
}

/// A target group with its settings and targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GroupView {
    /// The group in one line.
    pub summary: GroupSummary,
    /// How packets travel to the targets.
    pub forwarding: String,
    /// Whether they are translated to come from the edge's own address.
    pub source_nat: bool,
    /// Which part of a flow decides its target.
    pub affinity: Affinity,
    /// Whether targets of other zones get traffic while this edge's own zone has healthy ones.
    pub cross_zone: bool,
    /// The health check in a line: "http GET / on port 80 every 5s".
    pub health_check: String,
    /// Slots of the ring.
    pub ring_slots: usize,
    /// The last change of the ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change: Option<RingChange>,
    /// Which flows are remembered.
    pub tracking: Tracking,
    /// A flow without packets for longer is over; a change of targets is in transition for as long.
    pub idle_timeout: String,
    /// How long a target that leaves keeps its flows.
    pub deregistration_delay: String,
    /// Whether flows that are left then are cut.
    pub connection_termination: bool,
    /// Slots whose change of target is in transition.
    pub open_slots: u32,
    /// Flows that are remembered, as last counted; absent before the first count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<u64>,
    /// The targets.
    pub targets: Vec<TargetView>,
}

/// What a change of a ring moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RingChange {
    /// When.
    pub at: Moment,
    /// Slots that got another target.
    pub moved: u32,
    /// The least that any ring would have moved for the same change of shares.
    pub least: u32,
}

impl From<snapshot::RingChange> for RingChange {
    fn from(change: snapshot::RingChange) -> Self {
        Self { at: change.at.into(), moved: change.moved, least: change.least }
    }
}

impl GroupSummary {
    /// All groups of `snapshot`.
    pub fn all(snapshot: &Snapshot) -> Vec<Self> {
        snapshot.groups.iter().map(|group| Self::of(snapshot, group)).collect()
    }

    /// One group of `snapshot`.
    pub fn of(snapshot: &Snapshot, group: &GroupState) -> Self {
        let registered = || group.targets.iter().filter(|target| !target.is_leaving());
        let count = |health| registered().filter(|target| target.health == health).count();
        let served = snapshot.listeners.iter().filter(|state| state.listener.served_by.is_by(&group.name));
        Self {
            name: group.name.to_string(),
            routing: group.routing.into(),
            healthy: count(Health::Healthy),
            unhealthy: count(Health::Unhealthy),
            initial: count(Health::Initial),
            total: registered().count(),
            listeners: served.map(|state| state.listener.name.to_string()).collect(),
        }
    }
}

impl GroupView {
    /// One group of `snapshot`.
    pub fn of(snapshot: &Snapshot, group: &GroupState) -> Self {
        let configured = snapshot.configuration.group(&group.name);
        Self {
            summary: GroupSummary::of(snapshot, group),
            forwarding: configured.map_or_else(String::new, |group| group.forwarding.name().to_owned()),
            source_nat: configured.is_some_and(|group| group.forwarding == Forwarding::Nat { source: true }),
            affinity: group.affinity.into(),
            cross_zone: configured.is_some_and(|group| group.cross_zone),
            health_check: configured.map_or_else(String::new, health_check),
            ring_slots: group.ring.len(),
            last_change: group.last_change.map(RingChange::from),
            tracking: group.rules.tracking.into(),
            idle_timeout: duration::show(group.rules.idle_timeout),
            deregistration_delay: configured
                .map_or_else(String::new, |group| duration::show(group.flows.deregistration_delay)),
            connection_termination: group.rules.connection_termination,
            open_slots: group.open_slots,
            flows: group.pins,
            targets: group.targets.iter().map(|target| TargetView::of(snapshot, group, target)).collect(),
        }
    }
}

/// A group's health check in a line.
pub(super) fn health_check(group: &TargetGroup) -> String {
    let check = &group.health_check;
    let probe = match &check.probe {
        Probe::Tcp => "tcp connect".to_owned(),
        Probe::Http { tls, path, host, codes, .. } => {
            let scheme = if *tls { "https" } else { "http" };
            let host = host.as_deref().map_or_else(String::new, |host| format!(" for {host}"));
            let codes: Vec<_> = codes.iter().map(ToString::to_string).collect();
            format!("{scheme} GET {path}{host}, expecting {}", codes.join(","))
        }
    };
    let port = check.port.map_or_else(|| "the target's port".to_owned(), |port| format!("port {port}"));
    format!(
        "{probe} on {port} every {}, timeout {}, {} to pass, {} to fail",
        duration::show(check.interval),
        duration::show(check.timeout),
        check.healthy_threshold,
        check.unhealthy_threshold
    )
}
