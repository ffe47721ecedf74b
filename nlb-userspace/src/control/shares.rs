//! Rings of listeners that several target groups share by weight.
//!
//! Two choices, one after the other. Which group a slot belongs to is a ring over the groups, by their weights alone. Which target
//! of that group, its own ring says, at the same slot. So:
//!
//! - A change of weights moves as many slots as the shares differ by, and what happens within a group moves none of another's.
//! - With all weight on one group the ring is that group's own: `target_group = "blue"` becomes `["blue=90", "green=10"]` by moving a
//!   tenth of the slots, and ends as `target_group = "green"` without moving any.
//! - All that is known of slots in transition holds here as it does for a group's ring, so flows stay where they are meanwhile.
//!
//! Groups whose targets all fail, or that have none, are passed over as long as another has healthy ones.

use std::sync::Arc;

use nlb_common::slot::{Slot, TargetIndex};
use nlb_common::tables;

use super::desired::listener_key;
use super::identity::{listener_tag, share_tag};
use super::notice::Notice;
use super::rings::{Ring, Stepped, Wanted};
use super::sizes::repeated;
use super::snapshot::{OwnRing, Routing};
use super::state::State;
use super::target_set::TargetSet;
use crate::dataplane::Tables;
use crate::model::{GroupShare, Listener, RingKind, RingSize, ServedBy, TargetGroup, Timestamp};
use crate::ring::{self, Member};

/// Which of its groups each slot of a listener's ring belongs to.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// Of what it was made.
    members: Vec<Member>,
    /// By slot the group's place in the listener's list, from 1; 0 for none.
    places: Arc<[TargetIndex]>,
}

impl State {
    /// Tag and size of a listener's own ring, if groups share it. As large as the largest of theirs, and never smaller than before: a
    /// slot of a smaller ring would have flows of several targets.
    pub(super) fn own_tag(&self, listener: &Listener) -> Option<(u64, RingSize)> {
        let ServedBy::Shares(_) = &listener.served_by else { return None };
        let groups =
            listener.served_by.groups().filter_map(|name| self.groups.iter().find(|group| &group.name == name));
        let wanted = groups.map(|group| self.size_of(group)).max()?;
        let tag = |size: RingSize| listener_tag(&listener.name, size.get());
        let held = RingSize::all().filter(|&size| size > wanted && self.rings.contains_key(&tag(size))).last();
        let size = held.unwrap_or(wanted);
        Some((tag(size), size))
    }

    /// The listener's own ring as others see it.
    pub(super) fn own_ring_of(&self, listener: &Listener) -> Option<OwnRing> {
        let (tag, size) = self.own_tag(listener)?;
        let first_slot = self.regions.held(tag, size.get())?;
        Some(OwnRing { first_slot, ring: Arc::clone(&self.rings.get(&tag)?.slots) })
    }

    /// Puts the ring of a listener that groups share into `tables`, and its entry among the groups. The entry's index.
    pub(super) fn build_shared(
        &mut self,
        listener: &Listener,
        shares: &[GroupShare],
        tables: &mut Tables,
        notices: &mut Vec<Notice>,
        now: Timestamp,
    ) -> Option<u32> {
        let (tag, size) = self.own_tag(listener)?;
        let groups: Vec<TargetGroup> = shares
            .iter()
            .filter_map(|share| self.groups.iter().find(|group| group.name == share.group))
            .cloned()
            .collect();
        let first = groups.first()?;
        let mut full = |what| notices.push(Notice::Full { what, name: format!("listener {}", listener.name) });
        let Some(index) = self.group_indexes.assign(&tag) else {
            full("groups");
            return None;
        };
        let Some(first_slot) = self.regions.assign(tag, size.get()) else {
            full("slots");
            return None;
        };
        let before = self.rings.remove(&tag).unwrap_or_else(|| Ring::found(self.taken_over(listener, size)));
        let stepped = Self::stepped_by_all(listener, first, tables);
        let tracking = stepped.tracking as u8;
        let built = self.built_of(tag, size, shares, &groups, &before.slots);
        let is_same = before.slots.iter().map(|slot| slot.current()).eq(built.iter().copied());
        let slots = if is_same && before.is_stepped_by(&stepped, now) {
            let slots = Arc::clone(&before.slots);
            self.rings.insert(tag, before);
            slots
        } else {
            let (slots, change) = self.advance(tag, first_slot, before, Wanted { filled: None, built, stepped }, now);
            notices.extend(change.map(|change| Notice::ListenerRing { listener: listener.name.clone(), change }));
            slots
        };
        tables.rings.insert(index, slots);
        let affinity = nlb_common::hash::Affinity::from(first.affinity) as u8;
        let slot_mask = size.get() - 1;
        tables.groups.insert(index, tables::Group { tag, first_slot, slot_mask, affinity, tracking, padding: [0; 6] });
        Some(index)
    }

    /// What a new ring of the listener begins with: the slots of the ring that it used before.
    fn taken_over(&self, listener: &Listener, size: RingSize) -> Arc<[Slot]> {
        let length = usize::try_from(size.get()).unwrap_or_default();
        let before = self.served.get(&listener_key(listener)).and_then(|tag| self.rings.get(tag));
        match before.filter(|ring| !ring.slots.is_empty() && ring.slots.len() <= length) {
            Some(ring) => repeated(&ring.slots, length).into(),
            None => vec![Slot::EMPTY; length].into(),
        }
    }

    /// Every target may have flows of the listener, also of a group that shares it no longer.
    fn stepped_by_all(listener: &Listener, group: &TargetGroup, tables: &Tables) -> Stepped {
        let is_serving = |target: &tables::Target| target.flags & tables::Target::DEAD == 0;
        let serve: TargetSet =
            tables.targets.iter().filter(|(_, target)| is_serving(target)).map(|(&index, _)| index).collect();
        Stepped::new(
            group,
            &group.flows.in_force([listener.traffic()]),
            tables.targets.keys().copied().collect(),
            serve,
        )
    }

    /// The target of each slot's new flows.
    fn built_of(
        &mut self,
        tag: u64,
        size: RingSize,
        shares: &[GroupShare],
        groups: &[TargetGroup],
        before: &[Slot],
    ) -> Vec<TargetIndex> {
        let routing = |share: &GroupShare| self.routings.get(&share.group).copied().unwrap_or(Routing::Waiting);
        let weighted = || (1..).zip(shares).filter(|(_, share)| share.weight.get() > 0);
        // As with a group's first ring: who begins with one group alone would move flows when the next one is ready.
        let is_fresh = before.iter().all(|slot| slot.current() == 0 && slot.previous() == 0);
        if is_fresh && weighted().any(|(_, share)| routing(share) == Routing::Waiting) {
            return vec![0; before.len()];
        }
        let best = weighted().map(|(_, share)| routing(share)).min();
        let is_served = |routing: Routing| match best {
            Some(Routing::Healthy | Routing::OtherZones) => routing <= Routing::OtherZones,
            _ => routing == Routing::FailOpen,
        };
        let served = weighted().filter(|(_, share)| is_served(routing(share)));
        let members: Vec<Member> = served
            .map(|(index, share)| Member { index, identity: share_tag(&share.group), weight: share.weight })
            .collect();
        let rings: Vec<_> = groups.iter().map(|group| self.rings.get(&self.tag_of(group))).collect();
        let rings: Vec<Option<Arc<[Slot]>>> = rings.into_iter().map(|ring| Some(Arc::clone(&ring?.slots))).collect();
        let known = self.choices.get(&tag).filter(|choice| choice.members == members);
        let places = known
            .map(|choice| Arc::clone(&choice.places))
            .unwrap_or_else(|| ring::build(RingKind::Rendezvous, self.seed, size, &members).into());
        self.choices.insert(tag, Choice { members, places: Arc::clone(&places) });
        let target = |(slot, &place): (usize, &TargetIndex)| {
            let ring = usize::try_from(place).ok().and_then(|place| rings.get(place.checked_sub(1)?)?.as_ref());
            ring.and_then(|ring| ring.get(slot % ring.len().max(1))).map_or(0, |slot| slot.current())
        };
        places.iter().enumerate().map(target).collect()
    }
}
