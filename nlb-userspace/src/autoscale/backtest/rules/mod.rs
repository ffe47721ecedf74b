//! Rules that decide on a number of instances: ours, and those it stands beside.

mod hpa;
mod oracle;
mod predictive;
mod tracking;

pub use hpa::Hpa;
pub use oracle::Oracle;
pub use predictive::{Predictive, quantiles};
pub use tracking::Tracking;

use crate::autoscale::forecast::Observed;

/// Decides at the end of each bin.
pub trait Rule {
    /// How many instances there should be, given the bin that has just ended and how many there are, starting ones too.
    fn decide(&mut self, bin: &Observed, instances: u32) -> u32;
}
