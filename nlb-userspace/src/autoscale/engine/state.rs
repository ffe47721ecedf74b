//! What is kept of a group.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::activities::Activities;
use super::explanation::{Explanation, LastChange};
use super::trouble::Troubles;
use crate::autoscale::model::{
    AutoscalingGroup, Bounds, Instance, LaunchTemplate, Processes, Refresh, ScheduledAction, TemplateVersion, Token,
};
use crate::autoscale::policy::Memory;
use crate::model::{Name, Timestamp};

/// All that a group's engine knows. The store keeps it as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The capacity that the group is to have.
    pub(super) desired: u32,
    /// Between what it stays: as configured, or as a schedule made it since.
    pub(super) bounds: Bounds,
    /// The configured bounds that `bounds` came from: others take its place.
    pub(super) configured: Bounds,
    /// What instances are launched from.
    pub(super) template: LaunchTemplate,
    /// The configured template, as it was last seen: another takes its place.
    pub(super) configured_template: LaunchTemplate,
    /// The version that it was given.
    pub(super) configured_version: TemplateVersion,
    /// The templates of all versions that instances are of.
    pub(super) templates: Vec<LaunchTemplate>,
    /// By number.
    pub(super) instances: BTreeMap<u64, Instance>,
    /// The number of the next instance.
    pub(super) next_number: u64,
    /// What chance is made of.
    pub(super) seed: u64,
    /// What policies remember, by name.
    pub(super) memories: BTreeMap<Name, Memory>,
    /// Until when schedules have run, by name; an action that changes begins anew.
    pub(super) schedules: BTreeMap<Name, (ScheduledAction, Timestamp)>,
    /// What is suspended.
    pub(super) suspended: Processes,
    /// The refresh under way, or the last one.
    pub(super) refresh: Option<Refresh>,
    /// What was done.
    pub(super) activities: Activities,
    /// When launches were asked for, within the last minute.
    pub(super) launches: VecDeque<Timestamp>,
    /// Zones in which launches fail.
    pub(super) troubles: Troubles,
    /// When the last list of the provider was asked for.
    pub(super) listed: Option<Timestamp>,
    /// The last change of the capacity.
    pub(super) last_change: Option<LastChange>,
    /// How policies last decided.
    pub(super) explanation: Option<Explanation>,
}

impl State {
    /// A group's that has no instance yet.
    pub(super) fn new(group: &AutoscalingGroup, seed: u64) -> Self {
        Self {
            desired: group.bounds.clamp(group.desired.unwrap_or(group.bounds.min)),
            bounds: group.bounds,
            configured: group.bounds,
            template: group.template.clone(),
            configured_template: group.template.clone(),
            configured_version: group.template.version.clone(),
            templates: vec![group.template.clone()],
            instances: BTreeMap::new(),
            next_number: 1,
            seed,
            memories: BTreeMap::new(),
            schedules: BTreeMap::new(),
            suspended: Processes::new(),
            refresh: None,
            activities: Activities::default(),
            launches: VecDeque::new(),
            troubles: Troubles::default(),
            listed: None,
            last_change: None,
            explanation: None,
        }
    }

    /// The number of the instance with this token.
    pub(super) fn number_of(&self, token: &Token) -> Option<u64> {
        self.instances.values().find(|instance| &instance.token == token).map(|instance| instance.number)
    }

    /// A number that looks like chance and is the same each time for the same `what`.
    pub(super) fn chance(&self, what: u64) -> u64 {
        // SplitMix64's finalizer: Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014.
        let mut mixed = self.seed.wrapping_add(what.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
