//! What one policy wants, as data: decisions are made of it and explained by it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::autoscale::model::Bounds;
use crate::model::{Name, Timestamp};

/// What a policy needs to know of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// The present moment.
    pub now: Timestamp,
    /// The capacity that the group is to have.
    pub desired: u32,
    /// Between what it stays.
    pub bounds: Bounds,
    /// Instances in service and warm, healthy: those that metrics are of.
    pub serving: u32,
    /// Instances that count in `desired` and don't serve yet, or not for long enough.
    pub warming: u32,
    /// When an instance was last launched.
    pub launched: Option<Timestamp>,
    /// How long simple scaling rests unless the policy says otherwise.
    pub cooldown: Duration,
    /// How long what was asked for keeps the capacity from falling below it.
    pub stabilization: Duration,
}

/// What one policy wants at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// Whose.
    pub policy: Name,
    /// The figure that it goes by: a metric's, or for a forecast the load in the time ahead.
    pub figure: Option<f64>,
    /// Where the figure should be, or where it begins to act.
    pub target: f64,
    /// What it wants.
    pub want: Want,
    /// Whether it could ever want less: if so, nothing is scaled in without it.
    pub may_scale_in: bool,
}

/// What a policy can want.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Want {
    /// At least so many.
    Out {
        /// Instances.
        capacity: u32,
    },
    /// No more than so many.
    In {
        /// Instances.
        capacity: u32,
    },
    /// No change.
    Keep {
        /// Why.
        why: Keep,
    },
}

/// Why a policy wants no change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Keep {
    /// The figure is where it should be.
    Within,
    /// What it asks for is there already, or on its way.
    Satisfied {
        /// Instances.
        capacity: u32,
    },
    /// Not for long enough yet.
    Early {
        /// Periods so far.
        periods: u32,
        /// Periods needed.
        of: u32,
    },
    /// There is no figure.
    NoData {
        /// What is missing.
        reason: String,
    },
    /// It did something not long ago.
    Resting {
        /// Until when.
        until: Timestamp,
    },
    /// It would scale in, and its setting forbids it.
    ScaleInDisabled,
    /// It only forecasts.
    ForecastOnly {
        /// Instances that it would ask for.
        capacity: u32,
    },
}

impl Wish {
    /// Whether it wants more, or less.
    pub fn wants(&self, out: bool) -> bool {
        match self.want {
            Want::Out { .. } => out,
            Want::In { .. } => !out,
            Want::Keep { .. } => false,
        }
    }
}

impl fmt::Display for Wish {
    /// `cpu: 82.5 against 50: wants at least 17`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.policy)?;
        if let Some(figure) = self.figure {
            // Four digits behind the point are enough for people.
            write!(f, "{} against {}: ", (figure * 1e4).round() / 1e4, self.target)?;
        }
        write!(f, "{}", self.want)
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Out { capacity } => write!(f, "wants at least {capacity}"),
            Self::In { capacity } => write!(f, "wants no more than {capacity}"),
            Self::Keep { why } => write!(f, "no change: {why}"),
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within => f.write_str("it is where it should be"),
            Self::Satisfied { capacity } => write!(f, "the {capacity} it asks for are there or on their way"),
            Self::Early { periods, of } => write!(f, "for {periods} of {of} periods so far"),
            Self::NoData { reason } => f.write_str(reason),
            Self::Resting { .. } => f.write_str("it cools down"),
            Self::ScaleInDisabled => f.write_str("it may not scale in"),
            Self::ForecastOnly { capacity } => write!(f, "it only forecasts, and would want {capacity}"),
        }
    }
}
