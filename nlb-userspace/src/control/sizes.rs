//! How a ring gets another size without moving a flow.
//!
//! A flow's slot is the low bits of its hash, and sizes are powers of two. So all flows of a larger ring's slot `i` are of
//! the smaller ring's slot `i` modulo the smaller size, and of no other:
//!
//! - A ring that grows takes its slots over as they are, each as often as the new ring has room for it; what the new size
//!   makes of its targets is then a change like any other.
//! - A ring that shrinks has several slots for each of the new ones, which may hold flows of different targets. So it first
//!   takes over what the smaller ring will be, as often as there is room for it, by a change like any other. Once nothing of
//!   that is in transition, its slots agree, and those that agree become one.
//!
//! Until then the old size is in force: what a group's ring is called in the kernel, and how large it is, say
//! [`tag_of`](State::tag_of) and [`size_of`](State::size_of), never the configuration alone.

use std::collections::{BTreeSet, HashMap};

use nlb_common::slot::{Slot, Tick};

use super::identity::group_tag;
use super::notice::Notice;
use super::rings::Ring;
use super::state::State;
use super::transition::step::settled;
use crate::model::{Name, RingSize, TargetGroup, Timestamp, Tracking};

/// The size of each group's ring, where it is known.
pub(super) type Sizes = HashMap<Name, HeldSize>;

/// A ring's size, and the tag that a group with such a ring has: to find it takes less than to make it of the name again.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeldSize {
    size: RingSize,
    tag: u64,
}

impl HeldSize {
    fn new(name: &Name, size: RingSize) -> Self {
        Self { size, tag: group_tag(name, size.get()) }
    }
}

impl State {
    /// The size in force of a group's ring.
    pub(super) fn size_of(&self, group: &TargetGroup) -> RingSize {
        self.sizes.get(&group.name).map_or(group.ring_size, |held| held.size)
    }

    /// What the kernel's tables call a group: another name for each size, so that both rings may be there for a moment.
    pub(super) fn tag_of(&self, group: &TargetGroup) -> u64 {
        self.sizes.get(&group.name).map_or_else(|| group_tag(&group.name, group.ring_size.get()), |held| held.tag)
    }

    /// Finds out which size each group's ring was found with. When an agent died between two, either is right.
    pub(super) fn adopt_sizes(&mut self, groups: &[TargetGroup]) {
        let found = groups.iter().filter_map(|group| {
            let sizes = std::iter::once(group.ring_size).chain(RingSize::all());
            let held = |size: &RingSize| self.rings.contains_key(&group_tag(&group.name, size.get()));
            sizes.into_iter().find(held).map(|size| (group.name.clone(), HeldSize::new(&group.name, size)))
        });
        self.sizes = found.collect();
    }

    /// Gives the rings their configured sizes, where that is possible now.
    pub(super) fn resize(&mut self, notices: &mut Vec<Notice>, now: Timestamp) {
        let names: BTreeSet<&Name> = self.groups.iter().map(|group| &group.name).collect();
        self.sizes.retain(|name, _| names.contains(name));
        let groups = std::mem::take(&mut self.groups);
        groups.iter().for_each(|group| self.resize_one(group, notices, now));
        self.groups = groups;
    }

    fn resize_one(&mut self, group: &TargetGroup, notices: &mut Vec<Notice>, now: Timestamp) {
        let (tag, wanted) = (self.tag_of(group), group.ring_size);
        let Some(ring) = self.rings.get(&tag).filter(|_| self.size_of(group) != wanted) else {
            if !self.rings.contains_key(&tag) {
                self.sizes.insert(group.name.clone(), HeldSize::new(&group.name, wanted));
            }
            return;
        };
        let Some(slots) = self.resized(group, ring, now) else { return };
        let next = group_tag(&group.name, wanted.get());
        let missing = match (self.regions.assign(next, wanted.get()), self.group_indexes.assign(&next)) {
            (Some(_), Some(_)) => None,
            (None, _) => Some("slots"),
            (_, None) => Some("groups"),
        };
        // What was given out of one without the other is taken back as nobody's.
        if let Some(what) = missing {
            notices
                .push(Notice::Full { what, name: format!("the new ring of group {}: it stays as it is", group.name) });
            return;
        }
        let last_change = self.rings.remove(&tag).and_then(|ring| ring.last_change);
        self.rings.insert(next, Ring { last_change, ..Ring::found(slots.into()) });
        self.sizes.insert(group.name.clone(), HeldSize::new(&group.name, wanted));
        // What it saw, it saw of other slots.
        self.abandon_sweep(now);
    }

    /// The slots of `ring` in the size that `group` wants; `None`: not yet.
    fn resized(&self, group: &TargetGroup, ring: &Ring, now: Timestamp) -> Option<Vec<Slot>> {
        let wanted = usize::try_from(group.ring_size.get()).ok()?;
        if wanted > ring.slots.len() {
            return Some(repeated(&ring.slots, wanted));
        }
        let rules = self.rules_of(&group.name);
        if rules.tracking == Tracking::None {
            return Some(ring.slots.iter().take(wanted).copied().collect());
        }
        let idle = ring.stepped.as_ref()?.idle;
        folded(&ring.slots, wanted, idle, self.packets.tick(now))
    }
}

/// `items` as often as `length` has room for them.
pub(super) fn repeated<T: Copy>(items: &[T], length: usize) -> Vec<T> {
    items.iter().copied().cycle().take(length).collect()
}

/// The slots of a ring made one where they are `wanted` apart; `None` while one is in transition, or they differ.
fn folded(slots: &[Slot], wanted: usize, idle: u32, now: Tick) -> Option<Vec<Slot>> {
    let one = |place: usize| {
        let mut copies = slots.iter().skip(place).step_by(wanted).map(|&slot| settled(slot, idle, now));
        let first = copies.next()?;
        copies.try_fold(first, |one, slot| {
            let agree = !one.is_open() && !slot.is_open() && one.current() == slot.current();
            // It may have the pins of all, and may lose them when the last one may.
            let last = if now.since(slot.opened()) < now.since(one.opened()) { slot } else { one };
            agree.then(|| last.with_pins(one.is_pinned() || slot.is_pinned()))
        })
    };
    (0..wanted).map(one).collect()
}
