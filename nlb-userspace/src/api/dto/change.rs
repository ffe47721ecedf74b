//! Changes at run time: what is asked, and what they did.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RingChange;
use crate::agent::handle;
use crate::control::Change;
use crate::model::{GroupShare, Name, QuicServerId, Weight};

/// A target to be registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Where encapsulated packets go.
    #[schema(value_type = String, example = "10.0.0.5")]
    pub address: IpAddr,
    /// The port that serves. May be left out when all listeners of the group have the same port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub port: Option<u16>,
    /// Availability zone; a target without one belongs to every zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub zone: Option<Name>,
    /// Share of new flows relative to the group's others: 0 to 999, 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u16>, maximum = 999)]
    pub weight: Option<Weight>,
    /// Its id in QUIC's connection ids, in hexadecimal; the end of its address when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "0a07")]
    pub quic_server_id: Option<QuicServerId>,
}

/// A target's new weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetWeight {
    /// Share of new flows relative to the group's others: 0 to 999; 0 gets none.
    #[schema(value_type = u16, maximum = 999)]
    pub weight: Weight,
}

/// New weights of target groups that share a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetShares {
    /// The groups that get another weight, each once; those of the listener's other groups stay.
    #[schema(min_items = 1)]
    pub shares: Vec<SetShare>,
}

/// A target group's new weight at a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetShare {
    /// Name of the target group.
    #[schema(value_type = String)]
    pub target_group: Name,
    /// Share of new flows relative to the listener's other groups: 0 to 999; 0 gets none.
    #[schema(value_type = u16, maximum = 999)]
    pub weight: Weight,
}

impl From<GroupShare> for SetShare {
    fn from(GroupShare { group, weight }: GroupShare) -> Self {
        Self { target_group: group, weight }
    }
}

impl From<SetShare> for GroupShare {
    fn from(SetShare { target_group, weight }: SetShare) -> Self {
        Self { group: target_group, weight }
    }
}

/// What a change of a listener did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListenerChangeReport {
    /// The listener's name.
    pub listener: String,
    /// What it moved in the listener's ring; absent when the ring stayed as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<RingChange>,
}

impl From<handle::ChangeReport> for ListenerChangeReport {
    fn from(report: handle::ChangeReport) -> Self {
        Self { listener: report.subject.to_string(), ring: report.ring.map(RingChange::from) }
    }
}

/// What a change of a target did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeReport {
    /// The target: `group/address:port`.
    pub target: String,
    /// What it moved in the group's ring; absent when the ring stayed as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<RingChange>,
}

impl From<handle::ChangeReport> for ChangeReport {
    fn from(report: handle::ChangeReport) -> Self {
        Self { target: report.subject.to_string(), ring: report.ring.map(RingChange::from) }
    }
}

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadReport {
    /// Listeners that differ, by name.
    pub listeners: Difference,
    /// VIPs whose settings differ.
    #[serde(default)]
    pub vips: Difference,
    /// Groups whose own settings differ, by name.
    pub target_groups: Difference,
    /// Targets that differ: `group/address:port`.
    pub targets: Difference,
    /// Autoscaling groups that differ, by name. The instances of one that was removed stay as they are.
    #[serde(default)]
    pub autoscaling_groups: Difference,
    /// Runtime changes that the new file leaves without object, and that are forgotten.
    pub dropped: Vec<DroppedChange>,
    /// Settings that take effect at the agent's next start only, by their key in the file.
    pub restart_needed: Vec<String>,
}

/// What was added, removed and changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Only in the new configuration.
    pub added: Vec<String>,
    /// Only in the old one.
    pub removed: Vec<String>,
    /// In both, with other settings.
    pub changed: Vec<String>,
}

/// A runtime change that no longer applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DroppedChange {
    /// What it was: "register web/10.0.0.5:80".
    pub change: String,
    /// Why it no longer applies.
    pub reason: String,
}

impl ReloadReport {
    /// Whether the file said what was in force already.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<handle::ReloadReport> for ReloadReport {
    fn from(report: handle::ReloadReport) -> Self {
        let dropped = report.dropped.into_iter();
        Self {
            listeners: report.listeners.into(),
            vips: report.vips.into(),
            target_groups: report.groups.into(),
            targets: report.targets.into(),
            autoscaling_groups: report.autoscaling_groups.into(),
            dropped: dropped.map(|lost| DroppedChange { change: name(&lost.change), reason: lost.reason }).collect(),
            restart_needed: report.restart_needed,
        }
    }
}

impl<T: ToString> From<handle::Difference<T>> for Difference {
    fn from(difference: handle::Difference<T>) -> Self {
        let texts = |items: Vec<T>| items.iter().map(T::to_string).collect();
        Self { added: texts(difference.added), removed: texts(difference.removed), changed: texts(difference.changed) }
    }
}

fn name(change: &Change) -> String {
    match change {
        Change::Register { group, target } => {
            format!("register {group}/{}", std::net::SocketAddr::new(target.address, target.port))
        }
        Change::Drain { target } => format!("drain {target}"),
        Change::Undrain { target } => format!("undrain {target}"),
        Change::Deregister { target } => format!("deregister {target}"),
        Change::SetWeight { target, weight } => format!("set-weight {target} {}", weight.get()),
        Change::SetShares { listener, shares } => {
            let shares: Vec<_> = shares.iter().map(GroupShare::to_string).collect();
            format!("set-weight {listener} {}", shares.join(" "))
        }
    }
}
