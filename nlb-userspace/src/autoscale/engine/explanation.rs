//! Why the capacity is what it is.

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
