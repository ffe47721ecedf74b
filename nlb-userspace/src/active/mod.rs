//! Active flows: how many flows of each target and listener had a packet within the last minute.
//!
//! The packet path sets bits in [sketches](nlb_common::active). What lives here makes numbers of them, and is pure: when
//! the sketches are to be taken, what the taken ones say, and whose they are. What may not: reading a table or a clock.
//!
//! The invariant: a number is only given where every flow of the last minute would have been seen. Of a target that an
//! earlier agent had, that is so after a minute; of a new one at once.

mod estimate;
mod tracker;
mod window;

pub use estimate::estimate;
pub use tracker::{ActiveFlows, ActiveReading, Watched, WatchedGroup, WatchedListener};
pub use window::{PART, PERIOD};

#[cfg(test)]
mod tests;
