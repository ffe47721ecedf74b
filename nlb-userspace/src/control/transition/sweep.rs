//! One walk over all pins, in batches, and what is known when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nlb_common::slot::TargetIndex;

use crate::control::target_set::TargetSet;
use crate::dataplane::PinPlace;
use crate::model::Timestamp;

/// A packet that was read before a change is pinned by it within this time at the latest: a sweep looks from then on.
const GRACE: Duration = Duration::from_secs(1);

/// Time from the end of a sweep to the beginning of the next, at least.
const PAUSE: Duration = Duration::from_secs(10);

/// Pins that lengthen the pause by a second, so that a large table costs no more of the processor than a small one.
const PINS_PER_SECOND: u64 = 25_000;

/// A sweep under way. What it began with is compared with what it finds: a slot whose last pin went away meanwhile is
/// one only if nothing changed it since the sweep began.
#[derive(Clone, Debug)]
pub(in crate::control) struct Sweep {
    /// Slots that lose `pinned` if no pin of theirs is found.
    candidates: BTreeSet<u32>,
    /// Tags of entries that are to go once no pin names them any more.
    pub(in crate::control) unnamed: Vec<u64>,
    /// Targets that open slots still had unpinned flows of when it began: such a flow may be pinned behind its back.
    pub(in crate::control) awaited: TargetSet,
    /// When it begins to look.
    pub(in crate::control) looks_at: Timestamp,
    /// Behind which pin it goes on; `None` at its beginning.
    pub(in crate::control) after: Option<PinPlace>,
    /// What was found so far.
    pub(in crate::control) found: Found,
}

/// What a sweep counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Found {
    /// Pins that stay, by group tag.
    pub(in crate::control) groups: BTreeMap<u64, u64>,
    /// Pins that stay, by target.
    pub(in crate::control) targets: BTreeMap<TargetIndex, u64>,
    /// Pins that were looked at.
    pub(in crate::control) seen: u64,
}

impl Sweep {
    /// A sweep that begins at `now`.
    pub(in crate::control) fn new(
        candidates: BTreeSet<u32>,
        unnamed: Vec<u64>,
        awaited: TargetSet,
        now: Timestamp,
    ) -> Self {
        let looks_at = now + GRACE;
        Self { candidates, unnamed, awaited, looks_at, after: None, found: Found::default() }
    }

    /// A pin was looked at and stays.
    pub(in crate::control) fn keep(&mut self, group: u64, slot: u32, target: TargetIndex) {
        self.candidates.remove(&slot);
        *self.found.groups.entry(group).or_default() += 1;
        *self.found.targets.entry(target).or_default() += 1;
    }

    /// That slot was written: what was seen of it before says nothing.
    pub(in crate::control) fn touch(&mut self, slot: u32) {
        self.candidates.remove(&slot);
    }

    /// At its end: the slots without pins.
    pub(in crate::control) const fn without_pins(&self) -> &BTreeSet<u32> {
        &self.candidates
    }
}

/// When the next sweep begins after one that ended at `now` and looked at `seen` pins.
pub(in crate::control) fn next(now: Timestamp, seen: u64) -> Timestamp {
    now + PAUSE + Duration::from_secs(seen / PINS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_loses_its_pins_when_none_was_found_and_nothing_changed_it() {
        let mut sweep = Sweep::new(BTreeSet::from([1, 2, 3]), vec![], TargetSet::default(), Timestamp::default());
        sweep.keep(7, 1, 4);
        sweep.keep(7, 9, 4);
        sweep.touch(3);
        assert_eq!(*sweep.without_pins(), BTreeSet::from([2]));
        assert_eq!(sweep.found.targets, BTreeMap::from([(4, 2)]));
        assert_eq!(sweep.found.groups, BTreeMap::from([(7, 2)]));
    }

    #[test]
    fn a_sweep_does_not_look_at_once() {
        assert!(
            Sweep::new(BTreeSet::new(), vec![], TargetSet::default(), Timestamp::default()).looks_at
                > Timestamp::default()
        );
    }

    #[test]
    fn larger_tables_are_swept_less_often() {
        let now = Timestamp::default();
        assert_eq!(next(now, 0), now + PAUSE);
        assert_eq!(next(now, 1_000_000), now + PAUSE + Duration::from_secs(40));
    }
}
