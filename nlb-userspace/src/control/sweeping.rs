//! Sweeps over the pinned flows: when they are due, what they remove, and what follows when one is over.

use nlb_common::flow::Tracking;
use nlb_common::hash::{Flow, HashKeys};
use nlb_common::slot::Slot;

use super::state::State;
use super::target_set::TargetSet;
use super::transition::pins::{Place, Verdict, judge};
use super::transition::step::may_lose_pins;
use super::transition::sweep::{self, Found, Sweep};
use crate::dataplane::{PinBatch, PinPlace, Tables};
use crate::model::Timestamp;

/// What the last whole sweep found.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    /// When it began.
    pub(super) began: Timestamp,
    pub(super) found: Found,
    /// Targets that it may have missed a pin of: one that came meanwhile.
    pub(super) awaited: TargetSet,
}

/// Where a pin belongs by the tables in force.
struct Home {
    /// Its group's tag.
    group: u64,
    /// Its slot, as an index of the slot table.
    index: u32,
    place: Place,
}

impl State {
    /// When [`rebuild`](Self::rebuild) has something to do by the passing of time alone.
    pub const fn rebuild_due(&self) -> Option<Timestamp> {
        self.rebuild_due
    }

    /// When [`sweep`](Self::sweep) has something to do; `None` while no flow can be pinned.
    pub fn sweep_due(&self) -> Option<Timestamp> {
        match &self.sweep {
            Some(sweep) => Some(sweep.looks_at),
            None => self.is_sweep_wanted().then_some(self.sweep_after),
        }
    }

    fn is_sweep_wanted(&self) -> bool {
        !self.condemned.is_empty() || !self.drains.is_empty() || self.rings.values().any(|ring| ring.open.pinned > 0)
    }

    /// Goes on with the sweep, or begins one. Gives behind which pin to read on; `None`: not yet. Only for tables that
    /// are written: what a sweep concludes it concludes of the packet path.
    pub fn sweep(&mut self, now: Timestamp) -> Option<Option<PinPlace>> {
        let due = self.sweep_due().filter(|&due| due <= now)?;
        if let Some(sweep) = &self.sweep {
            debug_assert!(due >= sweep.looks_at);
            return Some(sweep.after);
        }
        let tick = self.packets.tick(now);
        let candidates = self.rings.iter().filter_map(|(tag, ring)| {
            let stepped = ring.stepped.as_ref().filter(|stepped| stepped.tracking == Tracking::Transition)?;
            let first = self.regions.held(*tag, u32::try_from(ring.slots.len()).ok()?)?;
            let losing = |(_, slot): &(u32, &Slot)| may_lose_pins(**slot, stepped.idle, tick);
            Some((first..).zip(ring.slots.iter()).filter(losing).map(|(index, _)| index).collect::<Vec<_>>())
        });
        let candidates = candidates.flatten().collect();
        let unnamed = self.condemned.iter().copied().collect();
        let mut awaited = TargetSet::default();
        self.rings.values().for_each(|ring| awaited.insert_all(&ring.open.previous));
        self.sweep = Some(Sweep::new(candidates, unnamed, awaited, now));
        None
    }

    /// Takes in what was read behind the pin that [`sweep`](Self::sweep) gave, by the `tables` in force. Gives the pins
    /// to remove, and whether that was the last batch.
    pub fn swept(&mut self, batch: PinBatch, tables: &Tables, now: Timestamp) -> (Vec<PinPlace>, bool) {
        let (pins, after) = batch;
        let Some(mut sweep) = self.sweep.take() else { return (Vec::new(), true) };
        let keys = HashKeys::from_seed(self.seed);
        let seconds = u32::try_from(self.packets.seconds(now)).unwrap_or(u32::MAX);
        let mut gone = Vec::new();
        for (place, pin) in pins {
            sweep.found.seen += 1;
            let home = self.home(&place.flow, pin.target, tables, &keys);
            match home.as_ref().map(|home| judge(&pin, &home.place, seconds)) {
                Some(Verdict::Keep) => {
                    if let Some(home) = home {
                        sweep.keep(home.group, home.index, pin.target);
                    }
                }
                _ => gone.push(place),
            }
        }
        sweep.after = after;
        self.sweep = Some(sweep);
        (gone, after.is_none())
    }

    /// The flow's group and slot; `None` when no listener takes it any more.
    fn home(&self, flow: &Flow, target: u32, tables: &Tables, keys: &HashKeys) -> Option<Home> {
        let listener = tables.listener_of(flow)?;
        let group = tables.groups.get(&listener.group)?;
        let index = group.slot_index(keys.hash(flow, group.affinity()));
        let offset = usize::try_from(index.checked_sub(group.first_slot)?).ok()?;
        let slot = *tables.rings.get(&listener.group)?.get(offset)?;
        let stepped = self.rings.get(&group.tag)?.stepped.as_ref()?;
        let exists = tables.targets.get(&target).is_some_and(|entry| !self.condemned.contains(&entry.tag));
        let place = Place { slot, tracking: stepped.tracking, idle: stepped.idle_of(flow.protocol), exists };
        Some(Home { group: group.tag, index, place })
    }

    /// The last batch's pins are removed: slots without pins become steady, entries that no pin names any more go with
    /// the next rebuild, and what was counted is known.
    pub fn sweep_over(&mut self, now: Timestamp) {
        let Some(sweep) = self.sweep.take() else { return };
        for (tag, ring) in &mut self.rings {
            let size = u32::try_from(ring.slots.len()).unwrap_or_default();
            let Some(first) = self.regions.held(*tag, size) else { continue };
            let Some(end) = first.checked_add(size) else { continue };
            let losing: Vec<u32> = sweep.without_pins().range(first..end).copied().collect();
            if losing.is_empty() {
                continue;
            }
            let mut slots = ring.slots.to_vec();
            for index in losing {
                if let Some(slot) = usize::try_from(index - first).ok().and_then(|offset| slots.get_mut(offset)) {
                    *slot = slot.with_pins(false);
                    ring.open.pinned = ring.open.pinned.saturating_sub(1);
                }
            }
            ring.slots = slots.into();
        }
        for tag in &sweep.unnamed {
            self.condemned.remove(tag);
            self.target_indexes.retain(|known| known != tag);
            self.adopted.remove(tag);
        }
        self.sweep_after = sweep::next(now, sweep.found.seen);
        self.counted = Some(Counted { began: sweep.looks_at, found: sweep.found, awaited: sweep.awaited });
        self.rebuild_due = Some(now);
    }

    /// The tables or the pins can't be read or written: what the sweep found says nothing.
    pub fn abandon_sweep(&mut self, now: Timestamp) {
        self.sweep = None;
        self.sweep_after = sweep::next(now, 0);
    }
}
