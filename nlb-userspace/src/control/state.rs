//! The state, and how events change it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use nlb_common::slot::{Slot, TargetIndex};
use nlb_common::tables::{self, FIRST_TARGET, ListenerKey};

use super::event::{Event, Health, HealthReport, NextHop, NoNextHop};
use super::identity::{group_tag, target_tag};
use super::indexes::Indexes;
use super::notice::Notice;
use super::regions::Regions;
use super::snapshot::{RingChange, Routing};
use crate::dataplane::Tables;
use crate::model::{Configuration, Name, Overlay, TargetGroup, TargetKey, Timestamp};
use crate::ring::Member;

/// Everything that the tables follow from. Owned by one task.
#[derive(Debug)]
pub struct State {
    pub(super) started: Timestamp,
    pub(super) configured: Timestamp,
    pub(super) configuration: Arc<Configuration>,
    pub(super) overlay: Overlay,
    /// The configuration's groups with the overlay applied.
    pub(super) groups: Vec<TargetGroup>,
    pub(super) seed: u64,
    pub(super) conditions: BTreeMap<TargetKey, Condition>,
    pub(super) next_hops: BTreeMap<IpAddr, Result<NextHop, NoNextHop>>,
    pub(super) listener_indexes: Indexes<ListenerKey>,
    pub(super) group_indexes: Indexes<u64>,
    pub(super) target_indexes: Indexes<u64>,
    pub(super) regions: Regions,
    /// Target entries found in the kernel, by tag: good until netlink says more.
    pub(super) adopted: BTreeMap<u64, tables::Target>,
    /// Tags of targets that held slots when their tables were adopted.
    in_service: Vec<u64>,
    pub(super) rings: BTreeMap<u64, Ring>,
    /// What each group's routing was at the last rebuild, so that a change is told once.
    pub(super) routings: BTreeMap<Name, Routing>,
}

/// A target's health, since when and why.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) health: Health,
    pub(super) since: Timestamp,
    pub(super) reason: String,
}

/// A group's ring and what it was built of.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// `None` for a ring found in the kernel.
    pub(super) members: Option<Vec<Member>>,
    pub(super) slots: Arc<[Slot]>,
    pub(super) last_change: Option<RingChange>,
}

impl State {
    /// The state of an agent that begins with `found` in the kernel: empty tables, or those of an agent before it.
    ///
    /// A target that held slots is taken for healthy until its checks say otherwise, so that traffic goes on.
    pub fn new(configuration: Configuration, overlay: Overlay, seed: u64, found: &Tables, now: Timestamp) -> Self {
        let capacity = configuration.agent.capacity;
        let mut state = Self {
            started: now,
            configured: now,
            configuration: Arc::new(configuration),
            overlay,
            groups: Vec::new(),
            seed,
            conditions: BTreeMap::new(),
            next_hops: BTreeMap::new(),
            listener_indexes: Indexes::new(0, capacity.listeners),
            group_indexes: Indexes::new(0, capacity.groups),
            target_indexes: Indexes::new(FIRST_TARGET, capacity.targets + FIRST_TARGET),
            regions: Regions::new(capacity.slots),
            adopted: BTreeMap::new(),
            in_service: Vec::new(),
            rings: BTreeMap::new(),
            routings: BTreeMap::new(),
        };
        state.adopt(found);
        state.refresh(now);
        state
    }

    fn adopt(&mut self, found: &Tables) {
        for (&key, listener) in &found.listeners {
            self.listener_indexes.adopt(key, listener.counters);
        }
        for (&index, target) in &found.targets {
            if self.target_indexes.adopt(target.tag, index) {
                self.adopted.insert(target.tag, *target);
            }
        }
        let mut used = std::collections::BTreeSet::<TargetIndex>::new();
        for (&index, group) in &found.groups {
            let size = group.slot_mask.wrapping_add(1);
            let Some(slots) = found.rings.get(&index) else { continue };
            if self.group_indexes.adopt(group.tag, index) && self.regions.adopt(group.tag, group.first_slot, size) {
                used.extend(slots.iter().map(|slot| slot.current()));
                self.rings.insert(group.tag, Ring { members: None, slots: Arc::clone(slots), last_change: None });
            }
        }
        self.in_service = found.targets.iter().filter(|(i, _)| used.contains(i)).map(|(_, t)| t.tag).collect();
    }

    /// Takes in one event. Gives what changed.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Notice> {
        match event {
            Event::Configured(configuration) => {
                self.configuration = Arc::new(*configuration);
                self.configured = now;
                self.refresh(now);
                Vec::new()
            }
            Event::NextHop(address, way) => self.next_hop(address, way).into_iter().collect(),
            Event::Health(report) => self.health(report, now).into_iter().collect(),
        }
    }

    /// Puts other runtime changes in force. The caller has made them durable.
    pub fn set_overlay(&mut self, overlay: Overlay, now: Timestamp) {
        self.overlay = overlay;
        self.refresh(now);
    }

    /// The runtime changes in force.
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The configuration in force, without runtime changes.
    pub fn configuration(&self) -> &Arc<Configuration> {
        &self.configuration
    }

    /// The groups in force, with runtime changes.
    pub fn groups(&self) -> &[TargetGroup] {
        &self.groups
    }

    /// The health of a target, `initial` when there is none of that name.
    pub fn health_of(&self, key: &TargetKey) -> Health {
        self.conditions.get(key).map_or(Health::Initial, |condition| condition.health)
    }

    fn next_hop(&mut self, address: IpAddr, way: Result<NextHop, NoNextHop>) -> Option<Notice> {
        let known = self.next_hops.get_mut(&address)?;
        if *known == way {
            return None;
        }
        *known = way.clone();
        Some(Notice::NextHop { address, way })
    }

    /// A report of a target that is no longer there is of no use.
    fn health(&mut self, report: HealthReport, now: Timestamp) -> Option<Notice> {
        let condition = self.conditions.get_mut(&report.target)?;
        let before = condition.health;
        if before == report.health {
            return None;
        }
        *condition = Condition { health: report.health, since: now, reason: report.reason.clone() };
        Some(Notice::Health { target: report.target, before, now: report.health, reason: report.reason })
    }

    /// Makes what is kept per target fit the targets there are.
    fn refresh(&mut self, now: Timestamp) {
        self.groups = self.overlay.apply(&self.configuration);
        let mut conditions = BTreeMap::new();
        let mut next_hops = BTreeMap::new();
        for (group, target) in self.groups.iter().flat_map(|g| g.targets.iter().map(move |t| (g, t))) {
            let key = group.key(target);
            let condition = self.conditions.remove(&key).unwrap_or_else(|| self.begin(&key, now));
            conditions.insert(key, condition);
            let address = target.address;
            let way = self.next_hops.remove(&address);
            next_hops.entry(address).or_insert_with(|| way.unwrap_or(Err(NoNextHop::Pending)));
        }
        self.conditions = conditions;
        self.next_hops = next_hops;
        // In service at the start means nothing for a target that is registered again later.
        self.in_service.clear();
        let names: Vec<&Name> = self.groups.iter().map(|group| &group.name).collect();
        self.routings.retain(|name, _| names.contains(&name));
    }

    fn begin(&self, key: &TargetKey, now: Timestamp) -> Condition {
        if self.in_service.contains(&target_tag(key)) {
            Condition { health: Health::Healthy, since: now, reason: "in service before the agent started".into() }
        } else {
            Condition { health: Health::Initial, since: now, reason: "waiting for its first health checks".into() }
        }
    }

    pub(super) fn tag_of(group: &TargetGroup) -> u64 {
        group_tag(&group.name, group.ring_size.get())
    }
}
