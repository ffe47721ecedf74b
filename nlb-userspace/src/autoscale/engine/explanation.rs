//! Why the capacity is what it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::autoscale::model::{Bounds, Cause};
use crate::autoscale::policy::{Decision, Hold};
use crate::model::Timestamp;

/// How a group's capacity came about, as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// When policies were last asked.
    pub at: Timestamp,
    /// The capacity before that.
    pub before: u32,
    /// What the policies made of it.
    pub decision: Decision,
    /// Between what it stays.
    pub bounds: Bounds,
    /// Instances that metrics are of.
    pub serving: u32,
    /// Instances that warm up.
    pub warming: u32,
    /// The last change of the capacity: when, by what, from and to what. `None` before the first.
    pub last_change: Option<LastChange>,
    /// What keeps the group from the capacity that is desired.
    pub held: Vec<Hold>,
}

/// A change of the capacity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastChange {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub cause: Cause,
    /// The capacity before.
    pub from: u32,
    /// The capacity since.
    pub to: u32,
}

impl fmt::Display for Explanation {
    /// Several lines: the capacity and how it came about, what each policy wants, and what holds the group back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bounds { min, max } = self.bounds;
        let (serving, warming) = (self.serving, self.warming);
        write!(f, "capacity {} ({min} to {max}); {serving} serve, {warming} warm up", self.decision.desired)?;
        if let Some(LastChange { cause, from, to, .. }) = &self.last_change {
            write!(f, "\nlast change: {from} to {to}, by {cause}")?;
        }
        for wish in &self.decision.wishes {
            write!(f, "\npolicy {wish}")?;
        }
        for hold in self.decision.held.iter().chain(&self.held) {
            write!(f, "\nheld back: {hold}")?;
        }
        Ok(())
    }
}
