//! The listener table, written while packets look up in it. [`nlb_common::listener`] says in what order, and why.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering};

use nlb_common::layout::edge;
use nlb_common::listener::{Claim, Entry, Key, shift_of};
use nlb_common::tables::{Listener, ListenerKey};

use super::KernelError;
use super::grace::Grace;
use super::mapped::Mapped;
use crate::dataplane::places::path_to_free;

const HEAD: usize = offset_of!(Entry, head) / size_of::<u64>();
const CLAIM: usize = offset_of!(Entry, claim) / size_of::<u64>();
const ADDRESS: usize = offset_of!(Entry, address) / size_of::<u64>();
const GROUP: usize = offset_of!(Entry, group) / size_of::<u64>();

/// The table, and who stands where.
#[derive(Debug)]
pub(super) struct Listeners {
    table: Mapped,
    shift: u32,
    /// How many listeners it is for: fewer than it has entries.
    room: usize,
    places: HashMap<ListenerKey, u32>,
    /// Entries emptied since the last grace period: a program may still be in one.
    resting: BTreeSet<u32>,
}

impl Listeners {
    /// Takes over a table for so many listeners, and mends what a writer that died left half done.
    pub(super) fn take(table: Mapped, room: u32, grace: &Grace) -> Result<Self, KernelError> {
        let shift = shift_of(u32::try_from(table.len()).unwrap_or(u32::MAX));
        let mut taken = Self {
            table,
            shift,
            room: usize::try_from(room).unwrap_or(usize::MAX),
            places: HashMap::new(),
            resting: BTreeSet::new(),
        };
        let mut twice = Vec::new();
        for (place, entry) in (0..).zip(taken.table.entries().map(read)) {
            match entry.listener() {
                // Under way from one of its places to the other: packets take the first.
                Some((key, _)) if taken.places.contains_key(&key) => {
                    let first = Key::from(&key).places(shift).first();
                    let other = if place == first { taken.places.insert(key, place) } else { Some(place) };
                    twice.extend(other);
                }
                Some((key, _)) => {
                    taken.places.insert(key, place);
                }
                None => {
                    if entry != Entry::default() {
                        taken.resting.insert(place);
                    }
                }
            }
        }
        if !twice.is_empty() {
            grace.wait()?;
        }
        for place in twice {
            taken.empty(place)?;
        }
        Ok(taken)
    }

    /// All listeners.
    pub(super) fn read(&self) -> BTreeMap<ListenerKey, Listener> {
        self.table.entries().filter_map(|entry| read(entry).listener()).collect()
    }

    /// Writes a listener: one store if it is there, and gives what it was.
    pub(super) fn write(
        &mut self,
        key: &ListenerKey,
        listener: &Listener,
        grace: &Grace,
    ) -> Result<Option<Listener>, KernelError> {
        let Some(&place) = self.places.get(key) else {
            self.insert(key, listener, grace)?;
            return Ok(None);
        };
        let words = self.table.entry(place)?;
        let before = read(words).listener();
        words[CLAIM].store(Claim::of(listener).0, Ordering::Release);
        words[GROUP].store(group_word(&Entry::new(key, listener)), Ordering::Release);
        Ok(before.map(|(_, listener)| listener))
    }

    fn insert(&mut self, key: &ListenerKey, listener: &Listener, grace: &Grace) -> Result<(), KernelError> {
        if self.places.len() >= self.room {
            return Err(self.crowded());
        }
        let holder = |place| self.table.entry(place).ok().and_then(|entry| read(entry).listener()).map(|(key, _)| key);
        let path = path_to_free(key, self.shift, holder).ok_or_else(|| self.crowded())?;
        for (&from, &to) in path.iter().zip(path.iter().skip(1)).rev() {
            let Some((key, listener)) = read(self.table.entry(from)?).listener() else { continue };
            self.fill(to, &key, &listener, grace)?;
            // Packets that found nobody there yet have looked here by then.
            grace.wait()?;
            self.empty(from)?;
        }
        let Some(&place) = path.first() else { return Err(self.crowded()) };
        self.fill(place, key, listener, grace)
    }

    /// Removes a listener, if it is there.
    pub(super) fn remove(&mut self, key: &ListenerKey) -> Result<(), KernelError> {
        match self.places.remove(key) {
            Some(place) => self.empty(place),
            None => Ok(()),
        }
    }

    /// A grace period is over: nobody is in an emptied entry any more.
    pub(super) fn settle(&mut self) -> Result<(), KernelError> {
        for place in std::mem::take(&mut self.resting) {
            for word in self.table.entry(place)? {
                word.store(0, Ordering::Release);
            }
        }
        Ok(())
    }

    fn fill(&mut self, place: u32, key: &ListenerKey, listener: &Listener, grace: &Grace) -> Result<(), KernelError> {
        if self.resting.contains(&place) {
            grace.wait()?;
            self.settle()?;
        }
        let words = self.table.entry(place)?;
        let entry = Entry::new(key, listener);
        words[ADDRESS].store(entry.address[0], Ordering::Release);
        words[ADDRESS + 1].store(entry.address[1], Ordering::Release);
        words[GROUP].store(group_word(&entry), Ordering::Release);
        words[CLAIM].store(entry.claim.0, Ordering::Release);
        words[HEAD].store(entry.head, Ordering::Release);
        self.places.insert(*key, place);
        Ok(())
    }

    fn empty(&mut self, place: u32) -> Result<(), KernelError> {
        self.table.entry(place)?[HEAD].store(0, Ordering::Release);
        self.resting.insert(place);
        Ok(())
    }

    fn crowded(&self) -> KernelError {
        KernelError::Crowded { table: edge::LISTENERS, listeners: self.places.len() }
    }
}

/// Group and sketch, which are one word.
fn group_word(entry: &Entry) -> u64 {
    u64::from(entry.group) | u64::from(entry.sketch) << 32
}

fn half(word: u64) -> u32 {
    u32::try_from(word).unwrap_or_default()
}

/// The entry in those words. What it has no field for is 0.
fn read(words: &[AtomicU64]) -> Entry {
    let word = |at: usize| words.get(at).map_or(0, |word| word.load(Ordering::Acquire));
    Entry {
        head: word(HEAD),
        claim: Claim(word(CLAIM)),
        address: [word(ADDRESS), word(ADDRESS + 1)],
        group: half(word(GROUP) & 0xffff_ffff),
        sketch: half(word(GROUP) >> 32),
        ..Entry::default()
    }
}
