//! What is kept of the rings that changed last, so that their next change costs less.

use std::collections::VecDeque;

use nlb_common::slot::TargetIndex;

use crate::model::{RingKind, RingSize};
use crate::ring::{Kept, Member};

/// Slots of all rings of which something is kept: four rings of the default size, some 12 MB.
const MOST: u64 = 1 << 18;

/// Of some groups, what is kept of their rings.
#[derive(Debug)]
pub(super) struct KeptRings {
    /// By the group's tag, the one that changed last foremost.
    rings: VecDeque<(u64, RingSize, Kept)>,
    /// Slots of all of them, at most.
    most: u64,
}

impl Default for KeptRings {
    fn default() -> Self {
        Self { rings: VecDeque::new(), most: MOST }
    }
}

impl KeptRings {
    /// The ring of the group with that tag.
    pub(super) fn build(
        &mut self,
        tag: u64,
        (kind, size): (RingKind, RingSize),
        seed: u64,
        members: &[Member],
    ) -> Vec<TargetIndex> {
        let place = self.rings.iter().position(|(of, ..)| *of == tag);
        let mut kept = place.and_then(|place| self.rings.remove(place)).map(|(.., kept)| kept).unwrap_or_default();
        let built = kept.build(kind, seed, size, members);
        if !kept.is_empty() {
            self.rings.push_front((tag, size, kept));
        }
        let mut slots = 0;
        let too_many = self.rings.iter().position(|(_, size, _)| {
            slots += u64::from(size.get());
            slots > self.most
        });
        // The last one is kept whatever its size.
        self.rings.truncate(too_many.map_or(usize::MAX, |place| place.max(1)));
        built
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Weight;
    use crate::ring;

    fn members(count: u32) -> Vec<Member> {
        let member = |index| Member { index, identity: u64::from(index) << 32, weight: Weight::default() };
        (1..=count).map(member).collect()
    }

    #[test]
    fn what_is_kept_is_bounded_and_changes_no_ring() {
        let mut kept = KeptRings { most: 1 << 12, ..KeptRings::default() };
        let tags = |kept: &KeptRings| kept.rings.iter().map(|(tag, ..)| *tag).collect::<Vec<_>>();
        let mut build = |tag, slots, kind, count| {
            let (size, members) = (RingSize::new(slots).unwrap(), members(count));
            let built = kept.build(tag, (kind, size), 7, &members);
            assert!(built == ring::build(kind, 7, size, &members), "another ring of {count} members");
            tags(&kept)
        };
        for tag in 1..=4 {
            build(tag, 1 << 10, RingKind::Rendezvous, 20);
        }
        assert_eq!(build(2, 1 << 10, RingKind::Rendezvous, 19), [2, 4, 3, 1], "the last change is foremost");
        assert_eq!(build(5, 256, RingKind::Rendezvous, 3), [5, 2, 4, 3], "four rings and no slot more");
        assert_eq!(build(6, 256, RingKind::Maglev, 3), [5, 2, 4, 3], "nothing is kept of Maglev's");
        assert_eq!(build(7, 1 << 13, RingKind::Rendezvous, 3), [7], "one is kept whatever its size");
    }
}
