//! The most that was asked for in the last minutes: one burst must not move the capacity down and up again.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// How long that is by default.
pub const STABILIZATION: Duration = Duration::from_secs(600);

/// What was asked for, without what a later and greater wish makes moot: capacities fall from front to back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Peaks(VecDeque<(Timestamp, u32)>);

impl Peaks {
    /// Remembers that `capacity` was asked for at `now`, for so long.
    pub(super) fn push(&mut self, now: Timestamp, capacity: u32, stabilization: Duration) {
        while self.0.back().is_some_and(|&(_, other)| other <= capacity) {
            self.0.pop_back();
        }
        self.0.push_back((now, capacity));
        while self.0.front().is_some_and(|&(at, _)| now.since(at) > stabilization) {
            self.0.pop_front();
        }
    }

    /// The most within `stabilization`, and when it was asked for.
    pub(super) fn greatest(&self, now: Timestamp, stabilization: Duration) -> Option<(Timestamp, u32)> {
        self.0.iter().copied().find(|&(at, _)| now.since(at) <= stabilization)
    }
}
