//! Each slot's list of members, in the order in which they reach it, made as far as it is asked for.
//!
//! An entry is one word: the moment above, the member below, so that it sorts as it should. The first entries of all slots come
//! from letting all members run until some moment: a word written for each slot that is reached, however many members there
//! are. A slot that has read those is looked up by itself: the moment of each member, and of those to come the next ones.

use std::collections::HashMap;

use super::moments::{Runner, moment_of_share};
use crate::model::RingSize;

/// Entries that each slot has at first, on average.
const FIRST: u64 = 7;
/// Entries that are looked up at a time.
const PAGE: usize = 16;
/// Bits of a member within an entry: there are fewer targets than this holds.
const MEMBER_BITS: u32 = 20;
/// Bits of a moment that an entry has no room for.
const DROPPED_BITS: u32 = MEMBER_BITS - 4;

fn entry(moment: u64, member: usize) -> u64 {
    (moment >> DROPPED_BITS) << MEMBER_BITS | member as u64
}

/// How far a slot has read its list.
#[derive(Clone, Copy, Default)]
struct Reader {
    /// Entries read.
    rank: u32,
    /// The last of them.
    last: u64,
}

/// All slots' lists.
pub(super) struct Lists<'a> {
    runners: &'a [Runner],
    /// Where each slot's first entries begin; one more at the end.
    begins: Vec<u32>,
    first: Vec<u64>,
    readers: Vec<Reader>,
    /// Of slots that have read their first entries: what comes next, the last one foremost.
    pages: HashMap<u32, Vec<u64>>,
    /// Working memory of a look-up.
    scratch: Vec<u64>,
}

impl<'a> Lists<'a> {
    /// The lists of `size` slots of members of that total `weight`.
    pub(super) fn new(runners: &'a [Runner], size: RingSize, weight: u64) -> Self {
        let slots = size.get() as usize;
        let end = moment_of_share(FIRST, weight);
        let mut reached: Vec<(u32, u64)> = Vec::new();
        let mut begins = vec![0_u32; slots + 1];
        for (member, runner) in runners.iter().enumerate() {
            let mut runner = *runner;
            while let Some((moment, slot)) = runner.next_before(end) {
                begins[slot as usize + 1] += 1;
                reached.push((slot, entry(moment, member)));
            }
        }
        for slot in 0..slots {
            begins[slot + 1] += begins[slot];
        }
        let mut places = begins.clone();
        let mut first = vec![0; reached.len()];
        for (slot, entry) in reached {
            let place = &mut places[slot as usize];
            first[*place as usize] = entry;
            *place += 1;
        }
        for slot in 0..slots {
            first[begins[slot] as usize..begins[slot + 1] as usize].sort_unstable();
        }
        Self {
            runners,
            begins,
            first,
            readers: vec![Reader::default(); slots],
            pages: HashMap::new(),
            scratch: Vec::new(),
        }
    }

    /// The slot's next member, and how many it had before; `None` when it had all.
    pub(super) fn next(&mut self, slot: u32) -> Option<(u32, usize)> {
        let at = slot as usize;
        let (begin, end) = (self.begins[at], self.begins[at + 1]);
        let Reader { rank, last } = self.readers[at];
        let entry = if begin + rank < end { self.first[(begin + rank) as usize] } else { self.looked_up(slot, last)? };
        self.readers[at] = Reader { rank: rank + 1, last: entry };
        Some((rank, (entry & ((1 << MEMBER_BITS) - 1)) as usize))
    }

    /// The entry behind `last`.
    fn looked_up(&mut self, slot: u32, last: u64) -> Option<u64> {
        let page = self.pages.entry(slot).or_default();
        if page.is_empty() {
            let all = self.runners.iter().enumerate().map(|(member, runner)| entry(runner.moment_at(slot), member));
            let to_come = &mut self.scratch;
            to_come.clear();
            to_come.extend(all.filter(|entry| *entry > last));
            if to_come.len() > PAGE {
                to_come.select_nth_unstable(PAGE);
                to_come.truncate(PAGE);
            }
            to_come.sort_unstable_by(|a, b| b.cmp(a));
            page.extend_from_slice(to_come);
        }
        page.pop()
    }
}
