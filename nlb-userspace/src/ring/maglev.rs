//! Weighted Maglev over a power of two.
//!
//! Maglev (Eisenbud et al., NSDI 2016, section 3.4): each member has a preference list, a permutation of all slots, and
//! members take turns; at its turn a member takes the first slot of its list that is still free. The paper's table has
//! a prime size, so that every skip makes a permutation. Here the size is a power of two, so that the packet path masks
//! instead of dividing, and the skip is odd, hence coprime to the size.
//!
//! Weights decide when a member's turns are. Its turn `k` (from 0) is due at the virtual time `(k + phase) / weight`,
//! where `phase`, in `[0, 1)`, comes from the hash of the member. Two things follow:
//! - up to a time `T` a member has had `T × weight` turns, rounded up or down, so shares follow weights whether they
//!   are 1 against 999 or 3 against 7; phases spread the rounding, so that light members don't all take at once;
//! - which of two turns is earlier depends on these two members alone. A weight that changes, or a member that comes
//!   or goes, leaves the order of all other turns as it was, and with it nearly all of their slots.
//!
//! First turns come before all others: that gives each member its favourite slot, and even the lightest one a slot.
//!
//! How much a change moves: when a member goes, its slots fall to whoever's turn finds them first; some taker then skips
//! what it would have taken, and that slot moves too. The chain ends soon, because early turns hardly ever meet an
//! occupied slot; only the last turns, in a nearly full ring, are moved by chance. Beyond the [least](super::least_moved)
//! that is on average under 1/64 of 65,536 slots and at most 1/16, for 2 to 1,000 equal members of which one is added,
//! removed or weighted anew (the test `little_more_moves_than_must` sees to it). Smaller rings move more: with 4,096
//! slots some 3 %, with 256 some 8 %. A weight that changes by one part in a hundred moves slots in that proportion.
//!
//! Cost: the sum over slots of how many occupied ones a turn steps over, about `N × ln N` steps for `N` slots, each a
//! few instructions on a bitmap that fits the first-level cache; and one sort of `N` turns.

use nlb_common::slot::TargetIndex;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::Member;
use crate::model::RingSize;

/// Bits of a phase.
const PHASE_BITS: u32 = 30;
/// Fraction bits of virtual time beyond those of a phase: dividing by a weight (below 2^10) then keeps turns apart.
const TIME_BITS: u32 = 10;

/// What a member's hash makes of it: where its preference list begins, how it goes on, and when its turns are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traits {
    /// First slot of the preference list, before the mask.
    pub(super) offset: u32,
    /// Distance from one preference to the next, odd, before the mask.
    pub(super) skip: u32,
    /// How far into its first period the first turn is, in units of 2^-30.
    pub(super) phase: u32,
}

impl Traits {
    /// The traits of the member `identity` under `seed`.
    pub(super) fn new(seed: u64, identity: u64) -> Self {
        let hash = xxh3_128_with_seed(&identity.to_le_bytes(), seed).to_le_bytes();
        let word = |i: usize| u32::from_le_bytes([hash[i], hash[i + 1], hash[i + 2], hash[i + 3]]);
        Self { offset: word(0), skip: word(4) | 1, phase: word(8) >> (32 - PHASE_BITS) }
    }

    /// When turn `k` of a member of this weight is due.
    pub(super) fn turn(self, k: u64, weight: u64) -> u64 {
        ((k << PHASE_BITS | u64::from(self.phase)) << TIME_BITS) / weight
    }
}

/// A member on its way down its preference list.
struct Walker {
    index: TargetIndex,
    position: u32,
    skip: u32,
}

/// See [`super::build`].
pub(super) fn build(seed: u64, size: RingSize, members: &[Member]) -> Vec<TargetIndex> {
    let mask = size.get() - 1;
    let mut ring = vec![0; size.get() as usize];
    let mut members: Vec<(Member, Traits)> = members
        .iter()
        .filter(|member| member.weight.get() > 0)
        .map(|member| (*member, Traits::new(seed, member.identity)))
        .collect();
    members.sort_unstable_by_key(|(member, _)| member.identity);
    let mut walkers: Vec<Walker> = members
        .iter()
        .map(|(member, traits)| Walker {
            index: member.index,
            position: traits.offset & mask,
            skip: traits.skip & mask,
        })
        .collect();

    let mut taken = vec![0_u64; ring.len().div_ceil(64)];
    for member in turns(&members, ring.len()) {
        let walker = &mut walkers[member];
        let slot = loop {
            let slot = walker.position as usize;
            walker.position = (walker.position + walker.skip) & mask;
            if taken[slot / 64] >> (slot % 64) & 1 == 0 {
                break slot;
            }
        };
        taken[slot / 64] |= 1 << (slot % 64);
        ring[slot] = walker.index;
    }
    ring
}

/// Whose turn it is, `slots` times, as positions in `members`; nothing when there are no members. Equal times are
/// ordered by position, that is by identity.
fn turns(members: &[(Member, Traits)], slots: usize) -> impl Iterator<Item = usize> {
    let weight = |member: &Member| u64::from(member.weight.get());
    let total: u64 = members.iter().map(|(member, _)| weight(member)).sum();
    let mut first: Vec<(u64, usize)> =
        members.iter().enumerate().map(|(i, (member, traits))| (traits.turn(0, weight(member)), i)).collect();
    first.sort_unstable();

    // By the time `(slots + n) / total` every member has had more than its proportional part of that, less one turn:
    // together more than `slots`. No turn after that time can be among the first `slots`.
    let horizon = (slots + members.len()) as u64;
    let mut later = Vec::with_capacity(slots + 3 * members.len());
    if members.len() < slots {
        for (i, (member, traits)) in members.iter().enumerate() {
            let last = horizon * weight(member) / total;
            later.extend((1..=last).map(|k| (traits.turn(k, weight(member)), i)));
        }
        later.sort_unstable();
    }
    first.into_iter().chain(later).map(|(_, member)| member).take(slots)
}
