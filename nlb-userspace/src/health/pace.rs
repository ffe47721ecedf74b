//! How fast checks may begin: the brake that keeps a scheduler that woke up late from asking everyone at once.
//!
//! The generic cell rate algorithm (ITU-T I.371): each start moves a theoretical arrival time one gap further; a start
//! is allowed while that time is no more than a tolerance ahead of now. In a steady state the brake never bites, since
//! it allows twice the rate that the intervals of all targets add up to.

use std::time::Duration;

use crate::model::Timestamp;

/// Timers are a few milliseconds coarse: what fell due meanwhile may begin at once.
const COARSENESS: Duration = Duration::from_millis(20);
/// Starts that are always allowed together: few targets need no brake.
const BURST: u32 = 32;
/// Nanoseconds in 1,000,000 s.
const UNIT: u128 = 1_000_000 * 1_000_000_000;

/// The brake.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// Sum over targets of checks in 1,000,000 s.
    rate: u128,
    /// When the next start would be due at the fastest steady pace.
    arrival: Timestamp,
}

impl Pace {
    /// Counts a target that is checked once in `interval`.
    pub(super) fn add(&mut self, interval: Duration) {
        self.rate += rate(interval);
    }

    /// Takes back what [`add`](Self::add) counted.
    pub(super) fn remove(&mut self, interval: Duration) {
        self.rate -= rate(interval);
    }

    /// When the next start is allowed.
    pub(super) fn allowed(&self) -> Timestamp {
        self.arrival - self.tolerance()
    }

    /// Counts a start.
    pub(super) fn start(&mut self, now: Timestamp) {
        self.arrival = self.arrival.max(now) + self.gap();
    }

    fn gap(&self) -> Duration {
        let nanos = UNIT / self.rate.max(1) / 2;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn tolerance(&self) -> Duration {
        COARSENESS.max(self.gap().saturating_mul(BURST - 1))
    }
}

fn rate(interval: Duration) -> u128 {
    UNIT / interval.as_nanos().max(1)
}
