//! The state, and how events change it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use nlb_common::slot::TargetIndex;
use nlb_common::tables::{self, FIRST_TARGET, ListenerKey};

use super::event::{Event, Health, HealthReport, NextHop, NoNextHop};
use super::identity::{named_by, target_tag};
use super::indexes::Indexes;
use super::kept_rings::KeptRings;
use super::notice::Notice;
use super::prospect::Prospect;
use super::regions::Regions;
use super::rings::Ring;
use super::shares::Choice;
use super::sizes::Sizes;
use super::snapshot::Routing;
use super::sweeping::Counted;
use super::transition::clock::PacketClock;
use super::transition::sweep::Sweep;
use crate::dataplane::Tables;
use crate::model::{
    Configuration, Drain, DrainCause, Drains, FlowRules, Listener, Name, Overlay, Target, TargetGroup, TargetKey,
    Timestamp, Traffic, drains_after,
};

/// Everything that the tables follow from. Owned by one task.
#[derive(Debug)]
pub struct State {
    pub(super) started: Timestamp,
    pub(super) configured: Timestamp,
    pub(super) configuration: Arc<Configuration>,
    pub(super) overlay: Overlay,
    /// The configuration's groups with the overlay applied.
    pub(super) groups: Vec<TargetGroup>,
    /// The configuration's listeners with the overlay applied.
    pub(super) listeners: Vec<Listener>,
    pub(super) seed: u64,
    pub(super) conditions: HashMap<TargetKey, Condition>,
    pub(super) next_hops: BTreeMap<IpAddr, Result<NextHop, NoNextHop>>,
    pub(super) listener_indexes: Indexes<ListenerKey>,
    pub(super) group_indexes: Indexes<u64>,
    /// Numbers of access lists, by tag.
    pub(super) access_numbers: Indexes<u64>,
    pub(super) target_indexes: Indexes<u64>,
    pub(super) regions: Regions,
    /// Target entries found in the kernel, by tag: good until netlink says more.
    pub(super) adopted: BTreeMap<u64, tables::Target>,
    /// Tags of targets that held slots when their tables were adopted.
    in_service: Vec<u64>,
    pub(super) rings: BTreeMap<u64, Ring>,
    /// What is kept for the next rings of some groups.
    pub(super) kept_rings: KeptRings,
    /// The sizes in force of the groups' rings.
    pub(super) sizes: Sizes,
    /// The moments of slots and pins.
    pub(super) packets: PacketClock,
    /// Targets that are leaving.
    pub(super) drains: Drains,
    /// The settings in force of each group's flows.
    pub(super) rules: HashMap<Name, FlowRules>,
    /// Tags of entries that are to go, once a sweep has shown that no pin names them.
    pub(super) condemned: BTreeSet<u64>,
    /// The sweep over all pins that is under way.
    pub(super) sweep: Option<Sweep>,
    /// When the next one begins at the earliest.
    pub(super) sweep_after: Timestamp,
    /// What the last one found.
    pub(super) counted: Option<Counted>,
    /// When time alone changes the tables next.
    pub(super) rebuild_due: Option<Timestamp>,
    /// Which group each slot belongs to in the rings of listeners that groups share, by the ring's tag.
    pub(super) choices: BTreeMap<u64, Choice>,
    /// The tag of the ring that each listener used last.
    pub(super) served: BTreeMap<ListenerKey, u64>,
    /// What each group's routing was at the last rebuild, so that a change is told once.
    pub(super) routings: HashMap<Name, Routing>,
}

/// A target's health, since when and why.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// The target's tag: to find it takes less than to make it of the name again.
    pub(super) tag: u64,
    pub(super) health: Health,
    pub(super) since: Timestamp,
    pub(super) reason: String,
    /// Since when its slow start counts; `None` when it was in service before.
    pub(super) rises_from: Option<Timestamp>,
    /// Whether it has failed one of its first checks: it is waited for no longer.
    pub(super) has_failed: bool,
}

/// What survived the agent before.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The cluster's seed.
    pub seed: u64,
    /// Changes made at run time.
    pub overlay: Overlay,
    /// Targets that were leaving.
    pub drains: Drains,
}

/// When a state begins, by the agent's clock and by the packet path's.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    /// The present moment.
    pub now: Timestamp,
    /// The same on the kernel's monotonic clock.
    pub monotonic: Duration,
}

impl State {
    /// The state of an agent that begins with `found` in the kernel: empty tables, or those of an agent before it.
    ///
    /// A target that held slots is taken for healthy until its checks say otherwise, so that traffic goes on.
    pub fn new(configuration: Configuration, kept: Kept, found: &Tables, beginning: Beginning) -> Self {
        let now = beginning.now;
        let capacity = configuration.agent.capacity;
        let mut state = Self {
            started: now,
            configured: now,
            configuration: Arc::new(configuration),
            overlay: kept.overlay,
            drains: kept.drains,
            groups: Vec::new(),
            listeners: Vec::new(),
            seed: kept.seed,
            packets: PacketClock::new(now, beginning.monotonic),
            conditions: HashMap::new(),
            next_hops: BTreeMap::new(),
            listener_indexes: Indexes::new(0, capacity.listeners),
            group_indexes: Indexes::new(0, capacity.groups),
            access_numbers: Indexes::new(1, u32::MAX),
            target_indexes: Indexes::new(FIRST_TARGET, capacity.targets + FIRST_TARGET),
            regions: Regions::new(capacity.slots),
            adopted: BTreeMap::new(),
            in_service: Vec::new(),
            rings: BTreeMap::new(),
            kept_rings: KeptRings::default(),
            sizes: Sizes::new(),
            rules: HashMap::new(),
            condemned: BTreeSet::new(),
            sweep: None,
            sweep_after: now,
            counted: None,
            rebuild_due: None,
            choices: BTreeMap::new(),
            served: BTreeMap::new(),
            routings: HashMap::new(),
        };
        state.adopt(found);
        state.adopt_leaving(found, now);
        let groups = state.overlay.apply(&state.configuration);
        state.refresh(groups, now);
        state
    }

    fn adopt(&mut self, found: &Tables) {
        for (&key, listener) in &found.listeners {
            self.listener_indexes.adopt(key, listener.counters);
            if let Some(group) = found.groups.get(&listener.group) {
                self.served.insert(key, group.tag);
            }
        }
        for (&number, list) in &found.access {
            self.access_numbers.adopt(list.tag(), number);
        }
        for (&index, target) in &found.targets {
            if self.target_indexes.adopt(target.tag, index) {
                self.adopted.insert(target.tag, *target);
            }
        }
        let mut used = BTreeSet::<TargetIndex>::new();
        for (&index, group) in &found.groups {
            let size = group.slot_mask.wrapping_add(1);
            let Some(slots) = found.rings.get(&index) else { continue };
            if self.group_indexes.adopt(group.tag, index) && self.regions.adopt(group.tag, group.first_slot, size) {
                used.extend(slots.iter().map(|slot| slot.current()));
                self.rings.insert(group.tag, Ring::found(Arc::clone(slots)));
            }
        }
        self.in_service = found.targets.iter().filter(|(i, _)| used.contains(i)).map(|(_, t)| t.tag).collect();
    }

    /// Targets that still hold slots in the kernel, and that the file no longer has, drain from now on.
    fn adopt_leaving(&mut self, found: &Tables, now: Timestamp) {
        let groups = self.overlay.apply(&self.configuration);
        self.adopt_sizes(&groups);
        let registered = groups.iter().flat_map(|group| group.targets.iter().map(|target| group.key(target)));
        let wanted: BTreeSet<u64> = registered.chain(self.drains.keys().cloned()).map(|key| target_tag(&key)).collect();
        for group in &groups {
            let Some(ring) = self.rings.get(&self.tag_of(group)) else { continue };
            let named: BTreeSet<TargetIndex> =
                ring.slots.iter().flat_map(|slot| [slot.current(), slot.previous()]).collect();
            for entry in named.iter().filter_map(|index| found.targets.get(index)) {
                let serves = entry.flags & tables::Target::DEAD == 0 && !wanted.contains(&entry.tag);
                let Some(key) = serves.then(|| named_by(entry.tag, group, entry.destination.into())).flatten() else {
                    continue;
                };
                let target = Target {
                    address: key.address,
                    port: key.port,
                    zone: None,
                    weight: crate::model::Weight::default(),
                    quic_server_id: None,
                };
                let ends = now + group.flows.deregistration_delay;
                self.drains.insert(key, Drain { target, cause: DrainCause::Deregistered, began: now, ends });
            }
        }
    }

    /// Takes in one event. Gives what changed.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Notice> {
        match event {
            Event::NextHop(address, way) => self.next_hop(address, way).into_iter().collect(),
            Event::Health(report) => self.health(report, now).into_iter().collect(),
        }
    }

    /// Puts another configuration in force, and what [`under`](Self::under) has made of it. The caller has made durable what is kept.
    pub fn configure(&mut self, configuration: Configuration, prospect: Prospect, now: Timestamp) {
        self.configuration = Arc::new(configuration);
        self.configured = now;
        self.set(prospect, now);
    }

    /// The targets that are leaving.
    pub const fn drains(&self) -> &Drains {
        &self.drains
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

    /// The tag of a target.
    pub(super) fn tag_of_target(&self, key: &TargetKey) -> u64 {
        self.conditions.get(key).map_or_else(|| target_tag(key), |condition| condition.tag)
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
            if before != Health::Initial {
                return None;
            }
            (condition.has_failed, condition.reason) = (true, report.reason.clone());
            return Some(Notice::FirstFailure { target: report.target, reason: report.reason });
        }
        let rises_from = (report.health == Health::Healthy).then_some(now);
        *condition = Condition {
            tag: condition.tag,
            health: report.health,
            since: now,
            reason: report.reason.clone(),
            rises_from,
            has_failed: false,
        };
        Some(Notice::Health { target: report.target, before, now: report.health, reason: report.reason })
    }

    /// Makes what is kept per target fit the targets there are.
    pub(super) fn refresh(&mut self, groups: Vec<TargetGroup>, now: Timestamp) {
        self.groups = groups;
        self.listeners = self.overlay.listeners(&self.configuration);
        let mut traffic = HashMap::<&Name, Vec<Traffic>>::new();
        for listener in &self.listeners {
            for group in listener.served_by.groups() {
                traffic.entry(group).or_default().push(listener.traffic());
            }
        }
        let rules = self.groups.iter().map(|group| {
            let traffic = traffic.remove(&group.name).unwrap_or_default();
            (group.name.clone(), group.rules(traffic))
        });
        self.rules = rules.collect();
        // A drain needs its group, and is over with the registration of its target.
        self.drains = drains_after(&self.drains, &[], &self.groups, now);
        let mut conditions = HashMap::new();
        let mut next_hops = BTreeMap::new();
        let all: Vec<_> =
            self.groups.iter().flat_map(|g| self.with_leaving(g).map(|t| (g.key(t), t.address))).collect();
        for (key, address) in all {
            let condition = self.conditions.remove(&key).unwrap_or_else(|| self.begin(&key, now));
            conditions.insert(key, condition);
            let way = self.next_hops.remove(&address);
            next_hops.entry(address).or_insert_with(|| way.unwrap_or(Err(NoNextHop::Pending)));
        }
        self.conditions = conditions;
        self.next_hops = next_hops;
        // In service at the start means nothing for a target that is registered again later.
        self.in_service.clear();
        let names: BTreeSet<&Name> = self.groups.iter().map(|group| &group.name).collect();
        self.routings.retain(|name, _| names.contains(name));
    }

    fn begin(&self, key: &TargetKey, now: Timestamp) -> Condition {
        let tag = target_tag(key);
        let (health, reason) = if self.in_service.contains(&tag) {
            (Health::Healthy, "in service before the agent started")
        } else {
            (Health::Initial, "waiting for its first health checks")
        };
        Condition { tag, health, since: now, reason: reason.into(), rises_from: None, has_failed: false }
    }
}
