//! The snapshot of a state.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::NoNextHop;
use super::identity::target_tag;
use super::snapshot::{GroupState, ListenerState, Origin, Routing, Snapshot, TargetState};
use super::state::State;
use crate::dataplane::Attachment;
use crate::model::{Target, TargetGroup, Timestamp};

use super::desired::listener_key;

impl State {
    /// The state as others see it. `attachments` and `dataplane_error` are what the caller knows of the kernel.
    pub fn snapshot(&self, attachments: Vec<Attachment>, dataplane_error: Option<String>, now: Timestamp) -> Snapshot {
        let listeners = self.configuration.listeners.iter().filter_map(|listener| {
            let counters = self.listener_indexes.get(&listener_key(listener))?;
            Some(ListenerState { listener: listener.clone(), counters })
        });
        Snapshot {
            at: now,
            started: self.started,
            configuration: Arc::clone(&self.configuration),
            configured: self.configured,
            seed: self.seed,
            attachments,
            listeners: listeners.collect(),
            groups: self.groups.iter().filter_map(|group| self.group_state(group)).collect(),
            dataplane_error,
        }
    }

    fn group_state(&self, group: &TargetGroup) -> Option<GroupState> {
        let tag = Self::tag_of(group);
        let ring = self.rings.get(&tag)?;
        let mut held = BTreeMap::<u32, u32>::new();
        for slot in ring.slots.iter() {
            *held.entry(slot.current()).or_default() += 1;
        }
        let in_file = self.configuration.group(&group.name).map_or(&[][..], |file| &file.targets);
        Some(GroupState {
            name: group.name.clone(),
            index: self.group_indexes.get(&tag)?,
            affinity: group.affinity,
            routing: self.routings.get(&group.name).copied().unwrap_or(Routing::Waiting),
            targets: group.targets.iter().filter_map(|target| self.target_state(group, target, in_file, &held)).collect(),
            first_slot: self.regions.held(tag, group.ring_size.get())?,
            ring: Arc::clone(&ring.slots),
            last_change: ring.last_change,
        })
    }

    fn target_state(
        &self,
        group: &TargetGroup,
        target: &Target,
        in_file: &[Target],
        held: &BTreeMap<u32, u32>,
    ) -> Option<TargetState> {
        let key = group.key(target);
        let index = self.target_indexes.get(&target_tag(&key))?;
        let condition = self.conditions.get(&key)?;
        let file = in_file.iter().find(|file| (file.address, file.port) == (target.address, target.port));
        let file_weight = file.map(|file| file.weight).filter(|&weight| weight != target.weight);
        Some(TargetState {
            target: target.clone(),
            file_weight: file_weight.map(crate::model::Weight::get),
            origin: if file.is_some() { Origin::File } else { Origin::Runtime },
            index,
            health: condition.health,
            since: condition.since,
            reason: condition.reason.clone(),
            next_hop: self.next_hops.get(&target.address).cloned().unwrap_or(Err(NoNextHop::Pending)),
            slots: held.get(&index).copied().unwrap_or(0),
            key,
        })
    }
}
