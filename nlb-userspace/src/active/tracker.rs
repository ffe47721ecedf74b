//! Whose flows are estimated, when their sketches are taken, and what they say.

use std::collections::{BTreeMap, BTreeSet};

use nlb_common::active::Sketch;
use nlb_common::slot::TargetIndex;
use nlb_common::tables::ListenerKey;

use super::estimate::estimate;
use super::window::{PART, PERIOD, Window};
use crate::dataplane::{SketchOf, Tables};
use crate::model::Timestamp;

/// Active flows. What is not known is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActiveReading {
    /// By `Listener::counters`.
    pub listeners: BTreeMap<u32, u64>,
    /// By target index.
    pub targets: BTreeMap<TargetIndex, u64>,
}

/// A listener whose active flows are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchedListener {
    /// Its identity.
    pub key: ListenerKey,
    /// Index of its counters.
    pub counters: u32,
}

/// A target group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchedGroup {
    /// The listener that has the group for itself: its flows are those of the targets.
    pub sole: Option<WatchedListener>,
    /// Listeners that share the group, each with the index of its own sketch.
    pub sharing: Vec<(WatchedListener, u32)>,
    /// Tags and indexes of the targets.
    pub targets: Vec<(u64, TargetIndex)>,
}

/// Everything whose active flows are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched(pub Vec<WatchedGroup>);

/// Who has a sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Listener(ListenerKey),
    Target(u64),
}

/// A sketch in the packet path, and its last minute.
#[derive(Clone, Debug)]
struct Followed {
    place: SketchOf,
    window: Window,
    /// When nothing of the last minute is missing.
    known: Timestamp,
}

/// Follows the sketches.
#[derive(Clone, Debug)]
pub struct ActiveFlows {
    watched: Watched,
    followed: BTreeMap<Owner, Followed>,
    /// Those that an earlier agent had, until they are followed: how old the bits in their sketches are is not known.
    adopted: BTreeSet<Owner>,
    due: Timestamp,
}

impl ActiveFlows {
    /// Begins, with tables of an earlier agent or empty ones.
    pub fn begin(tables: &Tables, now: Timestamp) -> Self {
        let listeners = tables.listeners.keys().map(|&key| Owner::Listener(key));
        let targets = tables.targets.values().map(|target| Owner::Target(target.tag));
        Self {
            watched: Watched::default(),
            followed: BTreeMap::new(),
            adopted: listeners.chain(targets).collect(),
            due: now,
        }
    }

    /// Follows what is in `watched` from now on, and nothing else.
    pub fn watch(&mut self, watched: Watched, now: Timestamp) {
        if watched == self.watched {
            return;
        }
        let mut before = std::mem::take(&mut self.followed);
        let sole_before: BTreeSet<_> = self.watched.0.iter().filter_map(|group| Some(group.sole?.key)).collect();
        for group in &watched.0 {
            let listeners = group.sharing.iter().map(|&(listener, sketch)| {
                (Owner::Listener(listener.key), SketchOf::Listener(sketch), sole_before.contains(&listener.key))
            });
            let targets =
                group.targets.iter().map(|&(tag, index)| (Owner::Target(tag), SketchOf::Target(index), false));
            for (owner, place, had_flows) in listeners.chain(targets) {
                // A new one's sketch is empty, and so is its past.
                let known = match (self.adopted.contains(&owner), had_flows) {
                    (true, _) => now + PERIOD,
                    // What is left in its sketch of an earlier time goes with the next turn only.
                    (_, true) => now + PERIOD + PART,
                    _ => now,
                };
                let followed = before.remove(&owner).filter(|followed| followed.place == place);
                let followed = followed.unwrap_or_else(|| Followed { place, window: Window::default(), known });
                self.followed.insert(owner, followed);
            }
        }
        self.adopted.clear();
        self.watched = watched;
    }

    /// When the next part ends.
    pub const fn due(&self) -> Timestamp {
        self.due
    }

    /// A part is over. `take` gives what a sketch holds, and empties it.
    pub fn turn<E>(
        &mut self,
        now: Timestamp,
        mut take: impl FnMut(SketchOf) -> Result<Option<Box<Sketch>>, E>,
    ) -> Result<(), E> {
        self.due = now + PART;
        for followed in self.followed.values_mut() {
            if let Some(sketch) = take(followed.place)? {
                followed.window.turn(&sketch);
            }
        }
        Ok(())
    }

    /// The active flows now. `look` gives what a sketch holds.
    pub fn read<E>(
        &self,
        now: Timestamp,
        mut look: impl FnMut(SketchOf) -> Result<Option<Box<Sketch>>, E>,
    ) -> Result<ActiveReading, E> {
        let mut minute = |owner| -> Result<Option<Box<Sketch>>, E> {
            let Some(followed) = self.followed.get(&owner).filter(|followed| followed.known <= now) else {
                return Ok(None);
            };
            let mut sketch = look(followed.place)?;
            if let Some(sketch) = &mut sketch {
                followed.window.add_to(sketch);
            }
            Ok(sketch)
        };
        let mut reading = ActiveReading::default();
        for group in &self.watched.0 {
            let mut together = Some(Sketch::EMPTY);
            for &(tag, index) in &group.targets {
                match minute(Owner::Target(tag))? {
                    Some(sketch) => {
                        reading.targets.insert(index, estimate(&sketch));
                        together.iter_mut().for_each(|together| together.add(&sketch));
                    }
                    None => together = None,
                }
            }
            if let (Some(listener), Some(together)) = (group.sole, together) {
                reading.listeners.insert(listener.counters, estimate(&together));
            }
            for &(listener, _) in &group.sharing {
                if let Some(sketch) = minute(Owner::Listener(listener.key))? {
                    reading.listeners.insert(listener.counters, estimate(&sketch));
                }
            }
        }
        Ok(reading)
    }
}
