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
//! The moments: a member's order of slots is a permutation (an offset and an odd skip, as Maglev's), and its `k`-th slot is
//! reached at `-ln(1 - (k + phase) / slots) / weight`, `phase` in `[0, 1)` from a hash. That is an exponential variable,
//! so that members win a slot in proportion to their weights, but one drawn evenly: shares vary only by who meets whom, less
//! than by independent draws, and fewer slots have to go on.
//!
//! Cost: the beginning of every slot's list is made by letting all members run for a while, see [`lists`]; how it goes on is
//! looked up for the few slots that ask further.

mod lists;
pub(super) mod moments;

use std::collections::{BinaryHeap, HashMap};

use nlb_common::slot::TargetIndex;

use super::Member;
use crate::model::RingSize;
use lists::Lists;
use moments::Runner;

/// By how much a member's slots may exceed its share, in percent.
const TOLERANCE: u64 = 2;

/// The most slots that each member takes: its share and 2 % of it, in whole slots; its share rounded up where that is more.
/// Together they are never fewer than there are slots.
fn bounds(slots: u64, members: &[Member]) -> Vec<usize> {
    let weight = |member: &Member| u64::from(member.weight.get());
    let total: u64 = members.iter().map(weight).sum();
    let bound = |member| {
        let exact = slots * weight(member);
        exact.div_ceil(total).max(exact * (100 + TOLERANCE) / (total * 100))
    };
    members.iter().map(|member| usize::try_from(bound(member)).unwrap_or(usize::MAX)).collect()
}

/// How little a member wants to keep a slot, so that the greatest is the first to go: the rank that the slot gives the
/// member, the slot's hash, the slot.
type Claim = (u32, u32, u32);

/// The slots that a member holds.
struct Holding {
    bound: usize,
    claims: BinaryHeap<Claim>,
}

impl Holding {
    /// Takes the slot in, if there is room or it is wanted more than another. The slot that has to go on.
    fn offer(&mut self, claim: Claim) -> Option<u32> {
        if self.claims.len() < self.bound {
            self.claims.push(claim);
            return None;
        }
        let mut least = self.claims.peek_mut()?;
        let turned_away = if claim < *least { std::mem::replace(&mut *least, claim) } else { claim };
        Some(turned_away.2)
    }
}

/// See [`super::build`].
pub(super) fn build(seed: u64, size: RingSize, members: &[Member]) -> Vec<TargetIndex> {
    let slots = size.get() as usize;
    let mut members: Vec<Member> = members.iter().filter(|member| member.weight.get() > 0).copied().collect();
    if members.is_empty() {
        return vec![0; slots];
    }
    members.sort_unstable_by_key(|member| member.identity);
    let bounds = bounds(size.get().into(), &members);
    let mut holdings: Vec<Holding> =
        bounds.iter().map(|&bound| Holding { bound, claims: BinaryHeap::with_capacity(bound) }).collect();
    let runners: Vec<Runner> = members.iter().map(|member| Runner::new(seed, size, member)).collect();
    let weight = members.iter().map(|member| u64::from(member.weight.get())).sum();
    let mut lists = Lists::new(&runners, size, weight);
    for asking in 0..size.get() {
        let mut next = Some(asking);
        while let Some(slot) = next {
            // Every slot asks everyone before it is left without a member, and together they have room for all.
            let Some((rank, member)) = lists.next(slot) else { break };
            next = holdings[member].offer((rank, moments::precedence(seed, slot), slot));
        }
    }
    let mut ring = vec![0; slots];
    for (member, holding) in members.iter().zip(&holdings) {
        for &(_, _, slot) in &holding.claims {
            ring[slot as usize] = member.index;
        }
    }
    give_each_one(&mut ring, seed, size, &members, &holdings);
    ring
}

/// A member that no slot came to takes the first of its own order whose holder has others left.
fn give_each_one(ring: &mut [TargetIndex], seed: u64, size: RingSize, members: &[Member], holdings: &[Holding]) {
    let empty = || members.iter().zip(holdings).filter(|(_, holding)| holding.claims.is_empty());
    if empty().next().is_none() {
        return;
    }
    let held = members.iter().zip(holdings).map(|(member, holding)| (member.index, holding.claims.len()));
    let mut held: HashMap<TargetIndex, usize> = held.collect();
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
