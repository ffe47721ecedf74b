//! Time that a test moves.
//!
//! The program reads the kernel's clock, which nobody can move. So this clock is ahead of it by what was waited for: when
//! a test waits, the pins in the kernel become that much older, and whoever reads them here adds it again.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nlb_userspace::model::Timestamp;

/// The moment that the kernel's clock began at, as far as timestamps are concerned.
const BOOT: Timestamp = Timestamp::from_epoch(Duration::from_secs(1_800_000_000));

/// The kernel's monotonic clock, ahead by what was waited for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    ahead: u32,
}

impl Clock {
    /// Seconds by which this clock is ahead of the kernel's.
    pub const fn ahead(self) -> u32 {
        self.ahead
    }

    /// Whole seconds since boot.
    pub fn seconds(self) -> u32 {
        let kernel = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every kernel has it").tv_sec();
        u32::try_from(kernel).expect("a machine runs for less than 136 years") + self.ahead
    }

    /// The present moment of the agent.
    pub fn now(self) -> Timestamp {
        BOOT + self.monotonic()
    }

    /// The same since boot.
    pub fn monotonic(self) -> Duration {
        Duration::from_secs(self.seconds().into())
    }

    /// Seconds from now to `then`, 0 when it is over.
    pub fn until(self, then: Timestamp) -> u32 {
        u32::try_from(then.since(self.now()).as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
    }

    /// Waits without waiting.
    pub const fn wait(&mut self, seconds: u32) {
        self.ahead += seconds;
    }
}
