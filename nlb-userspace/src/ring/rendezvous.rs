//! Weighted rendezvous hashing with a bound on each member's share.
//!
//! Each slot likes members in the order of the moments at which they reach it, earliest first. A member reaches every slot
//! once, in an order of its own, at moments that depend on nothing but itself: so whoever comes or goes leaves the order of
//! all others at every slot as it was (Thaler and Ravishankar, 1998). Without a bound each slot would go to the member that
//! it likes best, and a change would move no slot but those of the member that came or went; but shares would vary as
//! chance has it. So a member takes no more than its [bound](bounds), and what a full one can't take goes on to the
//! next.
//!
//! Who has to go on is decided as in deferred acceptance (Gale and Shapley, 1962): a full member keeps those slots that
//! like it best (by the rank it has there), and among equals those whose hash is lower. The
//! outcome is one and the same in whatever order slots ask: the stable matching. It is a function of the members alone,
//! and a member that comes or goes displaces few: a displaced slot ranks its next member lower than most slots there do,
//! so that it is turned away instead of displacing another, until it finds one with room.
//!
//! Slots ask in the order in which members like them: all of them whom they like best, those with lower hashes first; then
//! those that were turned away their second, and so on. Whoever asks later is liked less, so a slot that was taken never has
//! to go again, and a member is no more than the room that it has left.
//!
//! The moments: a member's order of slots is a permutation (an offset and an odd skip, as Maglev's), and its `k`-th slot is
//! reached at `-ln(1 - (k + phase) / slots) / weight`, `phase` in `[0, 1)` from a hash. That is an exponential variable,
//! so that members win a slot in proportion to their weights, but one drawn evenly: shares vary only by who meets whom, less
//! than by independent draws, and fewer slots have to go on.
//!
//! Cost: most of it is the beginning of every slot's list, which [`lists`] keeps from one ring to the next.

mod lists;
pub(super) mod moments;

use std::collections::HashMap;

use nlb_common::slot::TargetIndex;

use super::Member;
use crate::model::RingSize;
pub(super) use lists::Lists;
use moments::Runner;

/// By how much a member's slots may exceed its share, in percent.
const TOLERANCE: u64 = 2;

/// The most slots that each member takes: its share and 2 % of it, in whole slots; its share rounded up where that is more.
/// Together they are never fewer than there are slots.
fn bounds(slots: u64, members: &[Member]) -> Vec<u32> {
    let weight = |member: &Member| u64::from(member.weight.get());
    let total: u64 = members.iter().map(weight).sum();
    let bound = |member| {
        let exact = slots * weight(member);
        exact.div_ceil(total).max(exact * (100 + TOLERANCE) / (total * 100))
    };
    members.iter().map(|member| u32::try_from(bound(member)).unwrap_or(u32::MAX)).collect()
}

/// See [`super::build`]. `kept` is what the last ring of the group left, whatever its members were; it is left for the next.
pub(super) fn build(kept: &mut Option<Lists>, seed: u64, size: RingSize, members: &[Member]) -> Vec<TargetIndex> {
    let slots = size.get() as usize;
    let mut members: Vec<Member> = members.iter().filter(|member| member.weight.get() > 0).copied().collect();
    if members.is_empty() {
        return vec![0; slots];
    }
    members.sort_unstable_by_key(|member| member.identity);
    let lists = Lists::of(kept, seed, size, &members);
    let bounds = bounds(size.get().into(), &members);
    let mut room = bounds.clone();
    let mut ring = vec![0; slots];
    let mut asking = lists.order().to_vec();
    // Every slot asks everyone before it is left without a member, and together they have room for all.
    for rank in 0..members.len() {
        if asking.is_empty() {
            break;
        }
        lists.run_further(&asking, rank);
        asking.retain(|&slot| {
            let Some(member) = lists.member(slot, rank).filter(|&member| room[member] > 0) else { return true };
            room[member] -= 1;
            ring[slot as usize] = members[member].index;
            false
        });
    }
    let held: Vec<u32> = bounds.iter().zip(&room).map(|(bound, room)| bound - room).collect();
    give_each_one(&mut ring, seed, size, &members, &held);
    ring
}

/// A member that no slot came to takes the first of its own order whose holder has others left.
fn give_each_one(ring: &mut [TargetIndex], seed: u64, size: RingSize, members: &[Member], held: &[u32]) {
    let empty = || members.iter().zip(held).filter(|&(_, &held)| held == 0);
    if empty().next().is_none() {
        return;
    }
    let mut held: HashMap<TargetIndex, u32> =
        members.iter().map(|member| member.index).zip(held.iter().copied()).collect();
    for (member, _) in empty() {
        let mut runner = Runner::new(seed, size, member);
        while let Some((_, slot)) = runner.next_before(u64::MAX) {
            let slot = slot as usize;
            if let Some(others) = held.get_mut(&ring[slot]).filter(|held| **held > 1) {
                *others -= 1;
                ring[slot] = member.index;
                break;
            }
        }
    }
}
