//! Whether targets serve: asking them, and making up one's mind.
//!
//! - [`probe`] asks one target once, and fetches documents for those who read what other servers measure;
//! - `machine` turns a target's outcomes into its health, `schedule` says whom to ask when: both pure, time passed in;
//! - [`checker`] is the task at the rim that runs the three together.
//!
//! The invariant: a target's health changes only by as many outcomes in a row as its thresholds say, and an outcome
//! that tells about this host rather than the target (no descriptor left) is no outcome.

pub mod checker;
mod limit;
mod machine;
mod pace;
pub mod probe;
mod schedule;

pub use checker::{Checked, Observer, spawn};
pub use probe::{Answer, Document, Outcome, ProbeError, Prober};
