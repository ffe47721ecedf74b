//! The snapshot of a state.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use nlb_common::slot::TargetIndex;
use nlb_common::tables::Target as Entry;

use super::desired::listener_key;
use super::event::NoNextHop;
use super::snapshot::{
    Draining, GroupState, ListenerState, Origin, ReloadFailure, RingChange, Routing, Snapshot, TargetState,
};
use super::state::State;
use crate::dataplane::Attachment;
use crate::health::Checked;
use crate::model::{Drain, Name, Quic, Subject, Target, TargetGroup, Timestamp, Weight};

/// What a snapshot shows that the state itself doesn't know.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// Where the configuration was read from.
    pub configuration_path: PathBuf,
    /// The last reload, if it failed.
    pub reload_failure: Option<ReloadFailure>,
    /// Where the program is attached.
    pub attachments: Vec<Attachment>,
    /// Why the tables are not what they should be, if they are not.
    pub dataplane_error: Option<String>,
}

/// What all targets of a group are looked at with.
struct Seen<'a> {
    /// The targets that the file has.
    in_file: HashMap<(IpAddr, u16), &'a Target>,
    /// How many slots each target has.
    held: &'a BTreeMap<TargetIndex, u32>,
    /// What connection ids name targets by, if a listener asks for them.
    quic: Option<Quic>,
    now: Timestamp,
}

impl State {
    /// The state as others see it, with what its owner knows of the world `outside`.
    pub fn snapshot(&self, outside: Outside, now: Timestamp) -> Snapshot {
        let listeners = self.listeners.iter().filter_map(|listener| {
            let counters = self.listener_indexes.get(&listener_key(listener))?;
            Some(ListenerState { listener: listener.clone(), counters, own_ring: self.own_ring_of(listener) })
        });
        let in_file: HashMap<&Name, &TargetGroup> =
            self.configuration.groups.iter().map(|group| (&group.name, group)).collect();
        let groups = self.groups.iter();
        let groups = groups.filter_map(|group| self.group_state(group, in_file.get(&group.name).copied(), now));
        Snapshot {
            at: now,
            started: self.started,
            configuration: Arc::clone(&self.configuration),
            configured: self.configured,
            seed: self.seed,
            attachments: outside.attachments,
            configuration_path: outside.configuration_path,
            reload_failure: outside.reload_failure,
            dataplane_error: outside.dataplane_error,
            listeners: listeners.collect(),
            groups: groups.collect(),
        }
    }

    /// What the health checks are to watch: every target, those of a group with the same settings.
    pub fn checked(&self) -> Vec<Checked> {
        let of_group = |group: &TargetGroup| {
            let check = Arc::new(group.health_check.clone());
            let checked = |target: &Target| {
                let key = group.key(target);
                Checked { begin: self.health_of(&key), check: Arc::clone(&check), key }
            };
            self.with_leaving(group).map(checked).collect::<Vec<_>>()
        };
        self.groups.iter().flat_map(of_group).collect()
    }

    /// Whether a group has no traffic yet because its targets are at their first checks, or their ways are looked up.
    pub fn is_waiting(&self) -> bool {
        let pending = |way: &Result<_, NoNextHop>| matches!(way, Err(NoNextHop::Pending));
        self.routings.values().any(|&routing| routing == Routing::Waiting) || self.next_hops.values().any(pending)
    }

    /// The addresses whose way netlink is to follow.
    pub fn addresses(&self) -> BTreeSet<IpAddr> {
        self.next_hops.keys().copied().collect()
    }

    /// The last change of the ring that new flows of `subject` are spread by.
    pub fn last_ring_change(&self, subject: &Subject) -> Option<RingChange> {
        let tag = match subject {
            Subject::Target(key) => self.tag_of(self.groups.iter().find(|known| known.name == key.group)?),
            Subject::Listener(name) => self.own_tag(self.listeners.iter().find(|known| &known.name == name)?)?.0,
        };
        self.rings.get(&tag)?.last_change
    }

    /// `file`: the group as the file has it.
    fn group_state(&self, group: &TargetGroup, file: Option<&TargetGroup>, now: Timestamp) -> Option<GroupState> {
        let tag = self.tag_of(group);
        let ring = self.rings.get(&tag)?;
        let in_file = file
            .map_or(&[][..], |file| &file.targets)
            .iter()
            .map(|target| ((target.address, target.port), target))
            .collect();
        let quic = self.configuration.quic_of(&group.name);
        let seen = Seen { in_file, held: &ring.shares, quic, now };
        Some(GroupState {
            name: group.name.clone(),
            index: self.group_indexes.get(&tag)?,
            affinity: group.affinity,
            routing: self.routings.get(&group.name).copied().unwrap_or(Routing::Waiting),
            targets: self.with_leaving(group).filter_map(|target| self.target_state(group, target, &seen)).collect(),
            first_slot: self.regions.held(tag, self.size_of(group).get())?,
            ring: Arc::clone(&ring.slots),
            last_change: ring.last_change,
            rules: self.rules_of(&group.name),
            open_slots: ring.open.count,
            pins: self.counted.as_ref().map(|counted| counted.found.groups.get(&tag).copied().unwrap_or(0)),
        })
    }

    fn target_state(
        &self,
        group: &TargetGroup,
        target: &Target,
        &Seen { ref in_file, held, quic, now }: &Seen<'_>,
    ) -> Option<TargetState> {
        let key = group.key(target);
        let condition = self.conditions.get(&key)?;
        let index = self.target_indexes.get(&condition.tag)?;
        let file = in_file.get(&(target.address, target.port));
        let flags = self.flags(group, &key, held.contains_key(&index), now);
        let draining = self.drains.get(&key).map(|&Drain { cause, began, ends, .. }| {
            let cutting = flags & Entry::RESET != 0;
            Draining { cause, began, ends, cutting }
        });
        let file_weight = file.map(|file| file.weight).filter(|&weight| weight != target.weight);
        Some(TargetState {
            target: target.clone(),
            file_weight: file_weight.map(Weight::get),
            origin: if file.is_some() { Origin::File } else { Origin::Runtime },
            index,
            health: condition.health,
            since: condition.since,
            reason: condition.reason.clone(),
            next_hop: self.way_to(target.address, group.forwarding),
            slots: held.get(&index).copied().unwrap_or(0),
            serves: flags & Entry::DEAD == 0,
            draining,
            pins: self.pins_of(index),
            quic_server_id: quic.map(|quic| quic.server_id(target)),
            key,
        })
    }
}
