//! Which entry of a table belongs to whom.

use std::collections::{BTreeMap, BTreeSet};

/// Gives out the indexes `first..end` of a table. An index that is given back rests until [`settle`](Self::settle):
/// while the tables are still being rewritten, a slot may name it, so nobody else may get it.
#[derive(Clone, Debug)]
pub(super) struct Indexes<K> {
    owners: BTreeMap<K, u32>,
    free: BTreeSet<u32>,
    resting: BTreeSet<u32>,
    /// The lowest index never given out.
    next: u32,
    end: u32,
}

impl<K: Ord + Clone> Indexes<K> {
    /// A table whose entries `first..end` are all free.
    pub(super) fn new(first: u32, end: u32) -> Self {
        Self { owners: BTreeMap::new(), free: BTreeSet::new(), resting: BTreeSet::new(), next: first, end }
    }

    /// Takes over `index` for `owner`, as found in the kernel. False when it is out of range or taken, or when the
    /// owner has one already: then the entry is garbage and will be overwritten.
    pub(super) fn adopt(&mut self, owner: K, index: u32) -> bool {
        if index >= self.end || self.owners.contains_key(&owner) || !self.take(index) {
            return false;
        }
        self.owners.insert(owner, index);
        true
    }

    /// The index of `owner`: the one it has, or a free one. `None` when the table is full.
    pub(super) fn assign(&mut self, owner: &K) -> Option<u32> {
        if let Some(&index) = self.owners.get(owner) {
            return Some(index);
        }
        let index = self.free.first().copied().or((self.next < self.end).then_some(self.next))?;
        self.take(index);
        self.owners.insert(owner.clone(), index);
        Some(index)
    }

    /// The index of `owner`, if it has one.
    pub(super) fn get(&self, owner: &K) -> Option<u32> {
        self.owners.get(owner).copied()
    }

    /// Who has an index.
    pub(super) fn owners(&self) -> impl Iterator<Item = &K> {
        self.owners.keys()
    }

    /// Takes the index of every owner that `keep` refuses, to rest.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        let resting = &mut self.resting;
        self.owners.retain(|owner, index| {
            let kept = keep(owner);
            if !kept {
                resting.insert(*index);
            }
            kept
        });
    }

    /// The tables are rewritten: what rested is free.
    pub(super) fn settle(&mut self) {
        self.free.append(&mut self.resting);
    }

    /// Makes `index` not free. False when it was not.
    fn take(&mut self, index: u32) -> bool {
        if index >= self.next {
            self.free.extend(self.next..index);
            self.next = index + 1;
            return true;
        }
        self.free.remove(&index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_keeps_its_index() {
        let mut indexes = Indexes::new(1, 4);
        assert_eq!(indexes.assign(&"a"), Some(1));
        assert_eq!(indexes.assign(&"b"), Some(2));
        assert_eq!(indexes.assign(&"a"), Some(1));
    }

    #[test]
    fn an_index_given_back_rests_until_the_tables_are_rewritten() {
        let mut indexes = Indexes::new(1, 3);
        indexes.assign(&"a");
        indexes.assign(&"b");
        indexes.retain(|owner| *owner != "a");
        assert_eq!(indexes.assign(&"c"), None);
        indexes.settle();
        assert_eq!(indexes.assign(&"c"), Some(1));
    }

    #[test]
    fn what_is_found_in_the_kernel_is_adopted_once() {
        let mut indexes = Indexes::new(1, 10);
        assert!(indexes.adopt("a", 5));
        assert!(!indexes.adopt("b", 5), "taken");
        assert!(!indexes.adopt("a", 6), "has one");
        assert!(!indexes.adopt("c", 10), "out of range");
        assert_eq!(indexes.assign(&"d"), Some(1), "gaps are filled");
        assert_eq!(indexes.assign(&"a"), Some(5));
    }
}
