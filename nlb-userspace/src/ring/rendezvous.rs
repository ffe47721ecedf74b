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
//! like it best (by the rank it has there), and among equals those of the higher priority, which is a hash of the slot. The
//! outcome is one and the same in whatever order slots ask: the stable matching. It is a function of the members alone,
//! and a member that comes or goes displaces few: a displaced slot ranks its next member lower than most slots there do,
//! so that it is turned away instead of displacing another, until it finds one with room.
//!
//! The moments: a member's order of slots is a permutation (an offset and an odd skip, as Maglev's), and its `k`-th slot is
//! reached at `-ln(1 - (k + phase) / slots) / weight`, `phase` in `[0, 1)` from a hash. That is an exponential variable,
//! so that members win a slot in proportion to their weights, but one drawn evenly: shares vary only by who meets whom, with
//! about seven tenths of the deviation that independent draws have, and fewer slots have to go on.
//!
//! Cost: a slot's list of members is made in [`Chapter`]s, each for a span of time that doubles what was before, and only
//! until the last slot has found its member. What is made in total is some 10 to 30 entries a slot, however many
//! members there are.

pub(super) mod moments;

use std::collections::BinaryHeap;

use nlb_common::slot::TargetIndex;

use super::Member;
use crate::model::RingSize;
use moments::{Runner, moment_of_share};

/// By how much a member's slots may exceed its share, in percent.
const TOLERANCE: u64 = 2;
/// Entries of the first chapter, per slot.
const FIRST_ENTRIES: u64 = 4;

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

/// The part of all slots' lists that lies within a span of time.
struct Chapter {
    /// Where each slot's entries begin; one more at the end.
    begins: Vec<u32>,
    /// Moment and member, by slot, in order within each.
    entries: Vec<(u64, u32)>,
}

impl Chapter {
    /// What all runners do from their present position until `end`.
    fn until(end: u64, runners: &mut [Runner], slots: usize) -> Self {
        let from: Vec<Runner> = runners.to_vec();
        let mut begins = vec![0_u32; slots + 1];
        for runner in &mut *runners {
            while let Some((_, slot)) = runner.next_before(end) {
                begins[slot + 1] += 1;
            }
        }
        for slot in 0..slots {
            begins[slot + 1] += begins[slot];
        }
        let mut places = begins.clone();
        let mut entries = vec![(0, 0); begins[slots] as usize];
        for (member, mut runner) in (0..).zip(from) {
            while let Some((moment, slot)) = runner.next_before(end) {
                entries[places[slot] as usize] = (moment, member);
                places[slot] += 1;
            }
        }
        for slot in 0..slots {
            // Equal moments are ordered by member, that is by identity.
            entries[begins[slot] as usize..begins[slot + 1] as usize].sort_unstable();
        }
        Self { begins, entries }
    }

    fn of(&self, slot: usize) -> &[(u64, u32)] {
        &self.entries[self.begins[slot] as usize..self.begins[slot + 1] as usize]
    }
}

/// How far a slot has read its list.
#[derive(Clone, Copy, Default)]
struct Reader {
    chapter: u32,
    entry: u32,
    /// Members read in all.
    rank: u32,
}

/// How much a member wants to keep a slot: the greatest goes first. Rank, what is left to the priority's maximum, slot.
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
    let mut runners: Vec<Runner> = members.iter().map(|member| Runner::new(seed, size, member)).collect();
    let weight: u64 = members.iter().map(|member| u64::from(member.weight.get())).sum();

    let mut chapters: Vec<Chapter> = Vec::new();
    let mut readers = vec![Reader::default(); slots];
    let mut waiting: Vec<u32> = (0..size.get()).collect();
    let mut entries = FIRST_ENTRIES;
    while !waiting.is_empty() {
        chapters.push(Chapter::until(moment_of_share(entries, weight), &mut runners, slots));
        entries *= 2;
        let mut asking = std::mem::take(&mut waiting);
        while let Some(slot) = asking.pop() {
            let reader = &mut readers[slot as usize];
            match next(&chapters, slot as usize, reader) {
                Some(member) => {
                    let claim = (reader.rank, moments::priority(seed, slot), slot);
                    asking.extend(holdings[member as usize].offer(claim));
                }
                None => waiting.push(slot),
            }
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

/// The next member of the slot's list, as far as it is made.
fn next(chapters: &[Chapter], slot: usize, reader: &mut Reader) -> Option<u32> {
    loop {
        let entries = chapters.get(reader.chapter as usize)?.of(slot);
        if let Some(&(_, member)) = entries.get(reader.entry as usize) {
            reader.entry += 1;
            reader.rank += 1;
            return Some(member);
        }
        (reader.chapter, reader.entry) = (reader.chapter + 1, 0);
    }
}

/// A member that no slot came to takes the first of its own order whose holder has others left.
fn give_each_one(ring: &mut [TargetIndex], seed: u64, size: RingSize, members: &[Member], holdings: &[Holding]) {
    let empty = || members.iter().zip(holdings).filter(|(_, holding)| holding.claims.is_empty());
    if empty().next().is_none() {
        return;
    }
    let held = members.iter().zip(holdings).map(|(member, holding)| (member.index, holding.claims.len()));
    let mut held: std::collections::HashMap<TargetIndex, usize> = held.collect();
    for (member, _) in empty() {
        let mut runner = Runner::new(seed, size, member);
        while let Some((_, slot)) = runner.next_before(u64::MAX) {
            if let Some(others) = held.get_mut(&ring[slot]).filter(|held| **held > 1) {
                *others -= 1;
                ring[slot] = member.index;
                break;
            }
        }
    }
}
