//! Samples in a row on one side of a limit.

use serde::{Deserialize, Serialize};

/// How many samples in a row were above, and below, where nothing is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) above: u32,
    pub(super) below: u32,
}

impl Row {
    /// Takes in a sample, which may be on both sides when their limits meet.
    pub(super) fn observe(&mut self, above: bool, below: bool) {
        self.above = if above { self.above.saturating_add(1) } else { 0 };
        self.below = if below { self.below.saturating_add(1) } else { 0 };
    }

    /// A sample is missing. It may have been anything: what is known to be low begins anew; what is high stays high, as
    /// a gap is no reason to wait for longer.
    pub(super) fn miss(&mut self) {
        self.below = 0;
    }
}
