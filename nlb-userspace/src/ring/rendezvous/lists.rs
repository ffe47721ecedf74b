//! Each slot's list of members, in the order in which they reach it, made as far as it is asked for.
//!
//! An entry is one word: the moment above, the member below, so that it sorts as it should. The first entries of all slots come
//! from letting all members run until some moment: a word written for each slot that is reached, however many members there
//! are. Nearly all slots go to their first member. When many others have read what they have, all members run again, further,
//! and only what the slots are reached by that want more is noted; a single one is looked up: the moment of each member, and
//! of those to come the next ones.
//!
//! What a member does at a slot depends on no other member. So the lists of one ring, less who went and with who came, are
//! those of the next: [`Lists::of`] changes them where few differ, and makes them anew otherwise. They hold what new ones would
//! at least as far as anybody reads, so the ring doesn't tell how they came about.

use std::collections::HashMap;

use super::moments::{self, Runner, moment_of_share};
use crate::model::RingSize;
use crate::ring::Member;

/// Entries that slots have at first, on average.
const FIRST: u32 = 4;
/// How many times as many slots have for which members have run further.
const FURTHER: u32 = 2;
/// The most entries that a slot has in its row; further ones are somewhere else.
const ROW: usize = 4;
/// How far a slot that is looked up is known first: as many entries, on average.
const FAR: u32 = 24;
/// Entries that are looked up at a time beyond that.
const PAGE: usize = 16;
/// How many times as long it takes to run one step as to see that a member reaches a slot later than [`FAR`].
const STEP: usize = 4;
/// Bits of a member within an entry: there are fewer targets than this holds.
const MEMBER_BITS: u32 = 20;
const MEMBER_MASK: u64 = (1 << MEMBER_BITS) - 1;
/// Bits of a moment that an entry has no room for.
const DROPPED_BITS: u32 = MEMBER_BITS - 4;
/// No entry: behind all others.
const NONE: u64 = u64::MAX;

fn entry(moment: u64, member: usize) -> u64 {
    (moment >> DROPPED_BITS) << MEMBER_BITS | member as u64
}

fn member_of(entry: u64) -> usize {
    (entry & MEMBER_MASK) as usize
}

/// The moment as far as entries tell it.
const fn whole(moment: u64) -> u64 {
    (moment >> DROPPED_BITS) << DROPPED_BITS
}

/// The entry's moment: what is before it has a smaller one or the same one.
const fn moment_of(entry: u64) -> u64 {
    entry & !MEMBER_MASK
}

/// All slots' lists.
#[derive(Clone, Debug)]
pub(in crate::ring) struct Lists {
    seed: u64,
    size: RingSize,
    /// Slots, those first that every member prefers where it has the same rank.
    order: Vec<u32>,
    /// The members in the order of their identities, which is the order of their numbers.
    members: Vec<Member>,
    runners: Vec<Runner>,
    /// The total weight for which the rows were made.
    weight: u64,
    /// By when members had reached what is in the rows.
    end: u64,
    /// Each slot's first entries, [`ROW`] words each.
    rows: Vec<u64>,
    /// How far each slot's list goes: it holds all entries whose moment is before this.
    ends: Vec<u64>,
    /// What follows the row, of slots that asked for more.
    more: HashMap<u32, Vec<u64>>,
    /// How many slots each member reaches until [`FAR`], once a slot was looked up.
    far: Vec<u32>,
}

impl Lists {
    /// The lists of `members`, which are in the order of their identities and all have a weight; made of those in `kept` if
    /// that is less work.
    pub(super) fn of<'a>(kept: &'a mut Option<Self>, seed: u64, size: RingSize, members: &[Member]) -> &'a mut Self {
        match kept.take() {
            Some(mut lists) if (lists.seed, lists.size) == (seed, size) => {
                let renumbering = Renumbering::between(&lists.members, members);
                if lists.is_worth_changing(&renumbering, members) {
                    lists.change(&renumbering, members);
                    kept.insert(lists)
                } else {
                    let order = lists.order;
                    kept.insert(Self::new(seed, size, order, members))
                }
            }
            _ => kept.insert(Self::new(seed, size, order(seed, size), members)),
        }
    }

    fn new(seed: u64, size: RingSize, order: Vec<u32>, members: &[Member]) -> Self {
        let slots = size.get() as usize;
        let weight = weight(members);
        let end = whole(moment_of_share(FIRST.into(), weight));
        let runners: Vec<Runner> = members.iter().map(|member| Runner::new(seed, size, member)).collect();
        let mut rows = vec![NONE; slots * ROW];
        let mut ends = vec![entry(end, 0); slots];
        let mut lengths = vec![0_u8; slots];
        for (member, runner) in runners.iter().enumerate() {
            let mut runner = *runner;
            while let Some((moment, slot)) = runner.next_before(end) {
                let (entry, slot) = (entry(moment, member), slot as usize);
                let row = &mut rows[slot * ROW..][..ROW];
                let length = usize::from(lengths[slot]);
                if length < ROW {
                    row[length] = entry;
                    lengths[slot] += 1;
                } else {
                    let Some(last) = row.iter_mut().max() else { continue };
                    let dropped = if entry < *last { std::mem::replace(last, entry) } else { entry };
                    ends[slot] = ends[slot].min(moment_of(dropped));
                }
            }
        }
        for ((row, &end), &length) in rows.chunks_exact_mut(ROW).zip(&ends).zip(&lengths) {
            row[..usize::from(length)].sort_unstable();
            cut(row, end);
        }
        let (members, more, far) = (members.to_vec(), HashMap::new(), Vec::new());
        Self { seed, size, order, members, runners, weight, end, rows, ends, more, far }
    }

    /// Slots, those first that every member prefers where it has the same rank.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Lets all members run further for those of the `slots` that want more, if that is less work than to look each up: before
    /// rank 0 those that nobody has reached, later all of them, for who was turned away once will be again.
    pub(super) fn run_further(&mut self, slots: &[u32], rank: usize) {
        let end = whole(self.end.saturating_mul(FURTHER.into()));
        let to = entry(end, 0);
        let wants = |slot: u32| {
            let slot = slot as usize;
            self.ends[slot] < to && (rank > 0 || self.rows[slot * ROW] == NONE)
        };
        let wanting: Vec<u32> = slots.iter().copied().filter(|&slot| wants(slot)).collect();
        if wanting.len() * self.runners.len() < self.ends.len() * (FIRST * FURTHER) as usize * STEP {
            return;
        }
        let mut is_wanting = vec![false; self.ends.len()];
        wanting.iter().for_each(|&slot| is_wanting[slot as usize] = true);
        for (member, runner) in self.runners.iter().enumerate() {
            let mut runner = *runner;
            while let Some((moment, slot)) = runner.next_before(end) {
                if is_wanting[slot as usize] && moment_of(entry(moment, member)) >= self.ends[slot as usize] {
                    self.more.entry(slot).or_default().push(entry(moment, member));
                }
            }
        }
        for slot in wanting {
            self.ends[slot as usize] = to;
            self.more.entry(slot).or_default().sort_unstable();
        }
    }

    /// The number of the member that the slot likes after `rank` others; `None` when there are no more.
    pub(super) fn member(&mut self, slot: u32, rank: usize) -> Option<usize> {
        let row = &self.rows[slot as usize * ROW..][..ROW];
        if let Some(&entry) = row.get(rank).filter(|&&entry| entry != NONE) {
            return Some(member_of(entry));
        }
        let further = rank - row.iter().position(|&entry| entry == NONE).unwrap_or(ROW);
        loop {
            if let Some(&entry) = self.more.get(&slot).and_then(|more| more.get(further)) {
                return Some(member_of(entry));
            }
            if self.ends[slot as usize] == NONE {
                return None;
            }
            self.look_up(slot);
        }
    }

    /// Adds the next entries to the list of a slot that has not all.
    fn look_up(&mut self, slot: u32) {
        let far = whole(moment_of_share(FAR.into(), self.weight));
        let end = &mut self.ends[slot as usize];
        if *end < entry(far, 0) {
            if self.far.is_empty() {
                self.far = self.runners.iter().map(|runner| runner.count_before(far)).collect();
            }
            let more = self.more.entry(slot).or_default();
            let known = more.len();
            for (member, (runner, &count)) in self.runners.iter().zip(&self.far).enumerate() {
                let found = runner.moment_within(count, slot).map(|moment| entry(moment, member));
                more.extend(found.filter(|&entry| moment_of(entry) >= *end));
            }
            more[known..].sort_unstable();
            *end = entry(far, 0);
            return;
        }
        let all = self.runners.iter().enumerate().map(|(member, runner)| entry(runner.moment_at(slot), member));
        let mut to_come: Vec<u64> = all.filter(|&entry| moment_of(entry) >= *end).collect();
        let mut page = PAGE;
        *end = NONE;
        while to_come.len() > page {
            let (first, &mut next, _) = to_come.select_nth_unstable(page);
            // Those of the same moment come together.
            if first.iter().any(|&entry| moment_of(entry) < moment_of(next)) {
                *end = moment_of(next);
                to_come.retain(|&entry| moment_of(entry) < moment_of(next));
                break;
            }
            page *= 2;
        }
        to_come.sort_unstable();
        self.more.entry(slot).or_default().extend(to_come);
    }

    /// Whether it is less work to change these lists than to make new ones, and they stay what new ones would be like.
    fn is_worth_changing(&self, renumbering: &Renumbering, members: &[Member]) -> bool {
        let few = renumbering.changes() * 8 <= members.len();
        let alike = weight(members).abs_diff(self.weight) * 4 <= self.weight;
        few && alike && self.more.len() * 4 <= self.ends.len()
    }

    fn change(&mut self, renumbering: &Renumbering, members: &[Member]) {
        if renumbering.changes() > 0 {
            self.rows.chunks_exact_mut(ROW).for_each(|row| {
                let kept = renumbering.apply(row);
                row[kept..].fill(NONE);
            });
            for list in self.more.values_mut() {
                let kept = renumbering.apply(list);
                list.truncate(kept);
            }
            let runner = |member| Runner::new(self.seed, self.size, member);
            self.runners = members.iter().map(runner).collect();
            self.far.clear();
            renumbering.come.iter().for_each(|&member| self.add(member));
        }
        self.members.clear();
        self.members.extend_from_slice(members);
    }

    /// Puts a member into all lists that go as far as to its moment there.
    fn add(&mut self, member: usize) {
        let mut runner = self.runners[member];
        while let Some((moment, slot)) = runner.next_before(self.end) {
            self.insert(slot, entry(moment, member));
        }
        let further: Vec<u32> = self.more.keys().copied().collect();
        for slot in further {
            let moment = runner.moment_at(slot);
            if moment >= self.end {
                self.insert(slot, entry(moment, member));
            }
        }
    }

    fn insert(&mut self, slot: u32, entry: u64) {
        let end = &mut self.ends[slot as usize];
        if moment_of(entry) >= *end {
            return;
        }
        let row = &mut self.rows[slot as usize * ROW..][..ROW];
        let mut more = self.more.get_mut(&slot);
        let mut going = entry;
        let is_of_the_row = more.as_ref().and_then(|more| more.first()).is_none_or(|&first| entry < first);
        if is_of_the_row {
            for place in row.iter_mut().filter(|place| **place > entry) {
                going = std::mem::replace(place, going);
            }
        }
        match (&mut more, going) {
            (_, NONE) => {}
            (Some(more), going) => {
                let place = more.partition_point(|&other| other < going);
                more.insert(place, going);
            }
            (None, going) => {
                *end = moment_of(going);
                cut(row, *end);
            }
        }
    }
}

/// Takes out of a row what is not before `end`: a list has all entries of a moment, or none.
fn cut(row: &mut [u64], end: u64) {
    row.iter_mut().filter(|entry| moment_of(**entry) >= end).for_each(|entry| *entry = NONE);
}

fn weight(members: &[Member]) -> u64 {
    members.iter().map(|member| u64::from(member.weight.get())).sum()
}

fn order(seed: u64, size: RingSize) -> Vec<u32> {
    let mut slots: Vec<(u32, u32)> = (0..size.get()).map(|slot| (moments::precedence(seed, slot), slot)).collect();
    let mut other = vec![(0, 0); slots.len()];
    for shift in (0..u32::BITS).step_by(DIGIT_BITS as usize) {
        distribute(&slots, &mut other, shift);
        std::mem::swap(&mut slots, &mut other);
    }
    slots.into_iter().map(|(_, slot)| slot).collect()
}

/// Bits of a digit, when slots are sorted by digits of their precedence: three digits.
const DIGIT_BITS: u32 = 11;

/// Sorts by the digit at `shift`, and leaves those where it is the same in the order that they have.
fn distribute(from: &[(u32, u32)], to: &mut [(u32, u32)], shift: u32) {
    let digit = |precedence: u32| (precedence >> shift) as usize & ((1 << DIGIT_BITS) - 1);
    let mut places = [0; 1 << DIGIT_BITS];
    from.iter().for_each(|&(precedence, _)| places[digit(precedence)] += 1);
    let mut before = 0;
    for place in &mut places {
        before += std::mem::replace(place, before);
    }
    for &slot in from {
        let place = &mut places[digit(slot.0)];
        to[*place] = slot;
        *place += 1;
    }
}

/// How members are numbered after a change.
struct Renumbering {
    /// The new number of each, if it stays.
    stay: Vec<Option<u32>>,
    /// The numbers of those that came.
    come: Vec<usize>,
}

impl Renumbering {
    /// From `old` to `new` members, both in the order of their identities. One with another weight goes and comes.
    fn between(old: &[Member], new: &[Member]) -> Self {
        let mut stay = vec![None; old.len()];
        let mut come = Vec::new();
        let mut before = old.iter().enumerate().peekable();
        for (number, member) in new.iter().enumerate() {
            while before.next_if(|(_, other)| other.identity < member.identity).is_some() {}
            match before.next_if(|(_, other)| (other.identity, other.weight) == (member.identity, member.weight)) {
                Some((place, _)) => stay[place] = u32::try_from(number).ok(),
                None => come.push(number),
            }
        }
        Self { stay, come }
    }

    /// How many came and went.
    fn changes(&self) -> usize {
        self.come.len() + self.stay.iter().filter(|stays| stays.is_none()).count()
    }

    /// Renumbers a list's entries, less those that went; how many are left at its beginning.
    fn apply(&self, list: &mut [u64]) -> usize {
        let mut kept = 0;
        for place in 0..list.len() {
            let entry = list[place];
            if entry == NONE {
                break;
            }
            if let Some(number) = self.stay[member_of(entry)] {
                list[kept] = moment_of(entry) | u64::from(number);
                kept += 1;
            }
        }
        kept
    }
}
