//! Scaling policies: what each wants of the capacity, and what comes of it when several want something.
//!
//! Pure. A policy's [`Memory`] takes in what is measured and forecast; a [`Wish`] is what it wants at a moment; [`combine()`]
//! makes one decision of all wishes. Nothing here changes a group. The rule that is kept throughout: what isn't known never
//! scales anything in.

mod adjust;
mod combine;
mod memory;
mod peaks;
mod predictive;
mod row;
mod simple;
mod step;
mod target_tracking;
#[cfg(test)]
mod tests;
mod wish;

pub use adjust::adjusted;
pub use combine::{Decision, Hold, combine};
pub use memory::{ForecastPoint, Memory};
pub use peaks::STABILIZATION;
pub use target_tracking::whole;
pub use wish::{Keep, Situation, Want, Wish};
