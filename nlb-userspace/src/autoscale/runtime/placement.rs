//! Which targets instances are to be, against those that there are. Pure.
//!
//! What is to be done follows from the engine's instances and the newest snapshot, each time anew: a change that failed, or that
//! an agent before this one did not come to, is found missing and made.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::autoscale::engine::Event;
use crate::autoscale::model::{AutoscalingGroup, Instance, Lifecycle, Token};
use crate::control::event::Health;
use crate::control::snapshot::{Origin, Snapshot, TargetState};
use crate::control::{Change, NoNextHop};
use crate::model::{Target, TargetKey, Weight};

/// What was told and asked for, by instance.
#[derive(Debug, Default)]
pub(super) struct Placement {
    /// The targets that instances have or had.
    placed: BTreeMap<Token, BTreeSet<TargetKey>>,
    /// What the engine was told last of an instance's health.
    told: BTreeMap<Token, Result<(), String>>,
    /// And of its flows.
    flows: BTreeMap<Token, u64>,
}

impl Placement {
    /// The changes that make targets of those that are to be, and of no others.
    pub(super) fn changes<'a>(
        &mut self,
        group: &AutoscalingGroup,
        instances: impl Iterator<Item = &'a Instance>,
        snapshot: &Snapshot,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for instance in instances {
            let wanted = wanted(group, instance, snapshot);
            let placed = self.placed.entry(instance.token.clone()).or_default();
            placed.extend(wanted.iter().cloned());
            placed.extend(found(instance, snapshot));
            for key in placed.iter() {
                let is_there = state(snapshot, key).is_some_and(|target| !target.is_leaving());
                match (wanted.contains(key), is_there) {
                    (true, false) => changes.push(register(key, instance)),
                    (false, true) => changes.push(Change::Deregister { target: key.clone() }),
                    _ => {}
                }
            }
        }
        changes
    }

    /// What the snapshot says of instances that their engine was not told yet.
    pub(super) fn news<'a>(
        &mut self,
        group: &AutoscalingGroup,
        instances: impl Iterator<Item = &'a Instance>,
        snapshot: &Snapshot,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let mut known = BTreeSet::new();
        for instance in instances {
            let token = &instance.token;
            known.insert(token.clone());
            if instance.lifecycle == Lifecycle::Draining {
                let placed = self.placed.get(token);
                if placed.is_none_or(|placed| placed.iter().all(|key| state(snapshot, key).is_none())) {
                    self.forget(token);
                    events.push(Event::Drained { token: token.clone() });
                }
                continue;
            }
            let Some(health) = health(&wanted(group, instance, snapshot), snapshot) else { continue };
            if self.told.get(token) != Some(&health) || instance.lifecycle == Lifecycle::PendingProceed {
                self.told.insert(token.clone(), health.clone());
                events.push(Event::Health { token: token.clone(), health });
            }
        }
        self.placed.retain(|token, _| known.contains(token));
        self.told.retain(|token, _| known.contains(token));
        self.flows.retain(|token, _| known.contains(token));
        events
    }

    /// The active flows of instances, of each target of which they are known, where they changed.
    pub(super) fn flows<'a>(
        &mut self,
        group: &AutoscalingGroup,
        instances: impl Iterator<Item = &'a Instance>,
        snapshot: &Snapshot,
        active: &BTreeMap<u32, u64>,
    ) -> Vec<Event> {
        let of = |instance: &Instance| {
            let targets = wanted(group, instance, snapshot);
            let flows = targets.iter().map(|key| active.get(&state(snapshot, key)?.index).copied());
            (!targets.is_empty()).then(|| flows.sum::<Option<u64>>()).flatten()
        };
        let known = instances.filter_map(|instance| Some((instance.token.clone(), of(instance)?)));
        let changed = known.filter(|(token, flows)| self.flows.insert(token.clone(), *flows) != Some(*flows));
        changed.map(|(token, flows)| Event::Flows { token, flows }).collect()
    }

    fn forget(&mut self, token: &Token) {
        self.placed.remove(token);
        self.told.remove(token);
        self.flows.remove(token);
    }
}

/// The targets that an instance is to be; those of groups that are not there can't be.
pub(super) fn wanted(group: &AutoscalingGroup, instance: &Instance, snapshot: &Snapshot) -> BTreeSet<TargetKey> {
    let Some(socket) = socket(instance).filter(|_| instance.registered && instance.lifecycle.counts()) else {
        return BTreeSet::new();
    };
    let groups = group.target_groups.iter().filter(|name| snapshot.group(name).is_some());
    groups.map(|name| TargetKey { group: name.clone(), address: socket.ip(), port: socket.port() }).collect()
}

/// The target of that name.
pub(super) fn state<'a>(snapshot: &'a Snapshot, key: &TargetKey) -> Option<&'a TargetState> {
    snapshot.group(&key.group)?.targets.iter().find(|target| &target.key == key)
}

fn socket(instance: &Instance) -> Option<SocketAddr> {
    let address = instance.address?;
    (instance.port != 0).then_some(SocketAddr::new(address, instance.port))
}

/// The targets at an instance's address that were registered at run time: by an agent before this one.
fn found(instance: &Instance, snapshot: &Snapshot) -> Vec<TargetKey> {
    let Some(socket) = socket(instance) else { return Vec::new() };
    let targets = snapshot.groups.iter().flat_map(|group| &group.targets);
    let own = targets.filter(|target| target.origin == Origin::Runtime && target.key.socket() == socket);
    own.map(|target| target.key.clone()).collect()
}

fn register(key: &TargetKey, instance: &Instance) -> Change {
    let target = Target {
        address: key.address,
        port: key.port,
        zone: instance.zone.clone(),
        weight: Weight::default(),
        quic_server_id: None,
    };
    Change::Register { group: key.group.clone(), target }
}

/// The health of an instance that is these targets: `None` while it isn't known.
fn health(targets: &BTreeSet<TargetKey>, snapshot: &Snapshot) -> Option<Result<(), String>> {
    if targets.is_empty() {
        return None;
    }
    let states: Vec<&TargetState> = targets.iter().map(|key| state(snapshot, key)).collect::<Option<_>>()?;
    let unhealthy = states.iter().find_map(|target| match (&target.health, &target.next_hop) {
        (Health::Unhealthy, _) => Some(format!("target {}: {}", target.key, target.reason)),
        (_, Err(NoNextHop::Pending)) | (_, Ok(_)) => None,
        (_, Err(why)) => Some(format!("target {}: {why}", target.key)),
    });
    if let Some(reason) = unhealthy {
        return Some(Err(reason));
    }
    let is_well = |target: &&TargetState| target.health == Health::Healthy && target.next_hop.is_ok();
    states.iter().all(is_well).then_some(Ok(()))
}
