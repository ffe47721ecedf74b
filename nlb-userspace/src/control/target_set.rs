//! Sets of targets, asked for every slot of a ring: a bit for each index.

use nlb_common::slot::TargetIndex;

/// A set of targets. It takes an eighth of a byte for each index up to the greatest in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TargetSet {
    words: Vec<u64>,
}

impl TargetSet {
    /// Puts a target in.
    pub(super) fn insert(&mut self, index: TargetIndex) {
        let (word, bit) = place(index);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= bit;
    }

    /// Puts all targets of another set in.
    pub(super) fn insert_all(&mut self, others: &Self) {
        if self.words.len() < others.words.len() {
            self.words.resize(others.words.len(), 0);
        }
        self.words.iter_mut().zip(&others.words).for_each(|(bits, others)| *bits |= others);
    }

    /// Whether a target is in it.
    pub(super) fn contains(&self, index: TargetIndex) -> bool {
        let (word, bit) = place(index);
        self.words.get(word).is_some_and(|bits| bits & bit != 0)
    }
}

impl FromIterator<TargetIndex> for TargetSet {
    fn from_iter<I: IntoIterator<Item = TargetIndex>>(indexes: I) -> Self {
        let mut set = Self::default();
        indexes.into_iter().for_each(|index| set.insert(index));
        set
    }
}

fn place(index: TargetIndex) -> (usize, u64) {
    (usize::try_from(index / u64::BITS).unwrap_or(usize::MAX), 1 << (index % u64::BITS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(first: BTreeSet<u8>, second: BTreeSet<u8>) {
            let set = |of: &BTreeSet<u8>| of.iter().rev().map(|&index| index.into()).collect::<TargetSet>();
            let same = set(&first) == set(&second);
            prop_assert_eq!(same, first == second);
            let mut both = set(&first);
            both.insert_all(&set(&second));
            prop_assert_eq!(both, set(&first.union(&second).copied().collect()));
            let set = set(&first);
            prop_assert!((0..=u8::MAX).all(|index| set.contains(index.into()) == first.contains(&index)));
            prop_assert!(!set.contains(TargetIndex::MAX));
        }
    }
}
