//! Where each ring lies in the slot table.

use std::collections::BTreeMap;

/// Gives out power-of-two regions of a table, each aligned to its own size, so that regions never fragment each other
/// smaller than they are. As with [`Indexes`](super::indexes::Indexes), a region given back rests until `settle`.
#[derive(Clone, Debug)]
pub(super) struct Regions {
    /// First slot to owner and size.
    used: BTreeMap<u32, (u64, u32)>,
    /// Owner and size to first slot, of those that don't rest.
    held: BTreeMap<(u64, u32), u32>,
    resting: Vec<u32>,
    end: u32,
}

impl Regions {
    /// A table of `end` slots, all free.
    pub(super) fn new(end: u32) -> Self {
        Self { used: BTreeMap::new(), held: BTreeMap::new(), resting: Vec::new(), end }
    }

    /// Takes over a region found in the kernel. False when it does not fit or overlaps another.
    pub(super) fn adopt(&mut self, owner: u64, first: u32, size: u32) -> bool {
        if !size.is_power_of_two() || !self.is_free(first, size) {
            return false;
        }
        self.hold(owner, first, size);
        true
    }

    /// The first slot of `owner`'s region of `size` slots: the one it has, or the first free place. `None` when there
    /// is none.
    pub(super) fn assign(&mut self, owner: u64, size: u32) -> Option<u32> {
        if let Some(first) = self.held(owner, size) {
            return Some(first);
        }
        let mut first = 0_u32;
        while !self.is_free(first, size) {
            first = first.checked_add(size)?;
            if first >= self.end {
                return None;
            }
        }
        self.hold(owner, first, size);
        Some(first)
    }

    fn hold(&mut self, owner: u64, first: u32, size: u32) {
        self.used.insert(first, (owner, size));
        self.held.insert((owner, size), first);
    }

    /// Where `owner`'s region of `size` slots lies, if it has one.
    pub(super) fn held(&self, owner: u64, size: u32) -> Option<u32> {
        self.held.get(&(owner, size)).copied()
    }

    /// Takes back the regions of every owner that `keep` refuses, to rest.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(u64) -> bool) {
        let resting = self.held.extract_if(.., |&(owner, _), _| !keep(owner));
        self.resting.extend(resting.map(|(_, first)| first));
    }

    /// The tables are rewritten: what rested is free.
    pub(super) fn settle(&mut self) {
        for first in self.resting.drain(..) {
            self.used.remove(&first);
        }
    }

    fn is_free(&self, first: u32, size: u32) -> bool {
        let Some(end) = first.checked_add(size).filter(|&end| end <= self.end) else { return false };
        match self.used.range(..end).next_back() {
            Some((&other, &(_, other_size))) => other + other_size <= first,
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_table_refuses_and_has_room_again_after_the_rewrite() {
        let mut regions = Regions::new(1024);
        assert_eq!(regions.assign(1, 512), Some(0));
        assert_eq!(regions.assign(2, 512), Some(512));
        assert_eq!(regions.assign(3, 256), None);
        regions.retain(|owner| owner != 1);
        assert_eq!(regions.assign(3, 256), None, "the old ring may still be read");
        regions.settle();
        assert_eq!(regions.assign(3, 256), Some(0));
        assert_eq!(regions.assign(2, 512), Some(512));
    }

    proptest! {
        #[test]
        fn regions_never_overlap(asks in prop::collection::vec((0_u64..20, 8_u32..12, any::<bool>()), 1..80)) {
            let mut regions = Regions::new(1 << 14);
            let mut held: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
            for (owner, bits, give_back) in asks {
                if give_back {
                    held.remove(&owner);
                    regions.retain(|o| o != owner);
                    regions.settle();
                } else if !held.contains_key(&owner) {
                    let size = 1 << bits;
                    if let Some(first) = regions.assign(owner, size) {
                        prop_assert!(first + size <= 1 << 14);
                        prop_assert_eq!(first % size, 0);
                        for &(other, other_size) in held.values() {
                            prop_assert!(first + size <= other || other + other_size <= first);
                        }
                        held.insert(owner, (first, size));
                    }
                }
            }
        }
    }
}
