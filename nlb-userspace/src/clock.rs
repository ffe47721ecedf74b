//! The one place where the agent reads time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use crate::control::Beginning;
use crate::model::Timestamp;

/// Makes [`Timestamp`]s that never run backwards.
///
/// The wall clock is read once; from there on time is the kernel's monotonic clock (which stands still while the
/// machine is suspended). A step of the wall clock, by an administrator or NTP, moves no timer and shortens no drain;
/// the price is that moments shown to people are off by that step until the agent restarts.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: Timestamp,
    started: Instant,
}

impl Clock {
    /// A clock that agrees with the wall clock now. A wall clock before 1970 counts as 1970.
    pub fn new() -> Self {
        let base = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { base: Timestamp::from_epoch(base), started: Instant::now() }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.base + self.started.elapsed()
    }

    /// The present moment with that of the kernel's monotonic clock, which the packet path reads.
    pub fn beginning(&self) -> Beginning {
        let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has this clock").into();
        Beginning { now: self.now(), monotonic }
    }

    /// When `moment` is on the monotonic clock, for timers; what is past is the clock's own beginning at the earliest.
    pub fn instant(&self, moment: Timestamp) -> Instant {
        self.started + moment.since(self.base)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_never_run_backwards_and_copies_agree() {
        let clock = Clock::new();
        let copy = clock;
        let mut last = clock.now();
        for clock in [clock, copy].repeat(1000) {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn the_packet_paths_clock_counts_as_this_one_does() {
        let clock = Clock::new();
        let (first, second) = (clock.beginning(), clock.beginning());
        assert!(first.monotonic > Duration::ZERO);
        assert!(second.monotonic >= first.monotonic);
    }

    #[test]
    fn a_moment_has_one_instant() {
        let clock = Clock::new();
        let before = Instant::now();
        let instant = clock.instant(clock.now());
        assert!(before <= instant && instant <= Instant::now());
    }
}
