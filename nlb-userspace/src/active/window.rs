//! The last minute of one sketch.
//!
//! The packet path's sketch is taken every [`PART`] of a minute. Each cell remembers for how many more turns it counts, in two
//! bits: three when it was set in the part that ended, one less with each turn. With the cells that were set since, that are
//! the flows of the last 60 to 80 seconds: none of the last minute is missing.

use std::time::Duration;

use nlb_common::active::{Sketch, WORDS};

/// A flow is active for this long after a packet of it, at least.
pub const PERIOD: Duration = Duration::from_secs(60);

/// Time between two turns: a flow counts for up to this much longer.
pub const PART: Duration = Duration::from_secs(20);

/// Turns for which a cell that was set counts: as many as two bits can say.
#[cfg(test)]
pub(super) const TURNS: usize = 3;

const _: () = assert!(PERIOD.as_secs() == 3 * PART.as_secs(), "as many parts as two bits can count");

/// What is remembered of the parts before the one that runs. Nothing is, where nothing happens.
#[derive(Clone, Debug, Default)]
pub(super) struct Window(Option<Box<Turns>>);

/// For how many more turns each cell counts: the low bits and the high bits of that number.
#[derive(Clone, Debug)]
struct Turns {
    low: Sketch,
    high: Sketch,
}

impl Window {
    /// A part is over, in which the cells `seen` were set.
    pub(super) fn turn(&mut self, seen: &Sketch) {
        if self.0.is_none() && seen.is_empty() {
            return;
        }
        let turns = self.0.get_or_insert_with(|| Box::new(Turns { low: Sketch::EMPTY, high: Sketch::EMPTY }));
        let mut left = 0;
        for word in 0..WORDS {
            let (low, high, seen) = (turns.low.0[word], turns.high.0[word], seen.0[word]);
            // One less, but none below zero: 3, 2, 1, 0 is 11, 10, 01, 00.
            turns.low.0[word] = high & !low | seen;
            turns.high.0[word] = high & low | seen;
            left |= turns.low.0[word] | turns.high.0[word];
        }
        if left == 0 {
            self.0 = None;
        }
    }

    /// Adds the parts before to `sketch`, which holds the one that runs.
    pub(super) fn add_to(&self, sketch: &mut Sketch) {
        if let Some(turns) = &self.0 {
            sketch.add(&turns.low);
            sketch.add(&turns.high);
        }
    }

    /// Whether it takes no memory.
    #[cfg(test)]
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}
