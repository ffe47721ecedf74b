//! Moments as the packet path tells them: seconds of the monotonic clock.

use std::time::Duration;

use nlb_common::slot::Tick;

use crate::model::Timestamp;

/// Turns moments of the state into those of the packet path: both clocks are read once, together.
#[derive(Clone, Copy, Debug)]
pub(in crate::control) struct PacketClock {
    read: Timestamp,
    monotonic: Duration,
}

impl PacketClock {
    /// The packet path's clock shows `monotonic` at `read`.
    pub(in crate::control) const fn new(read: Timestamp, monotonic: Duration) -> Self {
        Self { read, monotonic }
    }

    /// Whole seconds of the monotonic clock.
    pub(in crate::control) fn seconds(&self, now: Timestamp) -> u64 {
        (self.monotonic + now.since(self.read)).as_secs()
    }

    /// The same as slots hold it.
    pub(in crate::control) fn tick(&self, now: Timestamp) -> Tick {
        Tick::at(self.seconds(now))
    }
}
