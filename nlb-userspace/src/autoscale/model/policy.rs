//! Scaling policies.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Metric;
use crate::model::Name;

/// A rule by which the capacity follows something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Unique within the group.
    pub name: Name,
    /// The rule.
    pub kind: PolicyKind,
}

/// The kinds of rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PolicyKind {
    /// Keeps a metric near a value.
    TargetTracking(TargetTracking),
    /// Adjusts by how far a metric is beyond a threshold.
    Step(StepScaling),
    /// Adjusts once, then cools down.
    Simple(Simple),
    /// Launches ahead of a forecast.
    Predictive(Predictive),
}

impl PolicyKind {
    /// What it goes by; for a forecast, what is forecast.
    pub const fn metric(&self) -> &Metric {
        match self {
            Self::TargetTracking(rule) => &rule.metric,
            Self::Step(rule) => &rule.metric,
            Self::Simple(rule) => &rule.metric,
            Self::Predictive(rule) => &rule.load,
        }
    }
}

/// How long a policy does nothing after it did something; zero for both by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cooldowns {
    /// Before it scales out again.
    pub out: Duration,
    /// Before it scales in, after either.
    pub r#in: Duration,
}

/// Keeps the mean of a metric over instances near `target`: wanted are `ceil(instances × metric / target)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetTracking {
    /// A mean over instances that falls as instances are added.
    pub metric: Metric,
    /// Where it should be; above 0.
    pub target: f64,
    /// Periods in a row above target that scale out: 3 by default.
    pub out_periods: u32,
    /// Periods in a row below the tolerance that scale in: 15 by default.
    pub in_periods: u32,
    /// Scale-in begins below `target × (1 − tolerance)`: 0.1 by default.
    pub tolerance: f64,
    /// It never scales in.
    pub disable_scale_in: bool,
    /// How long it rests.
    pub cooldowns: Cooldowns,
}

/// Adjusts by how far a metric is beyond `threshold`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepScaling {
    /// What is watched.
    pub metric: Metric,
    /// Where the alarm goes off.
    pub threshold: f64,
    /// Periods in a row beyond it: 1 by default.
    pub periods: u32,
    /// Steps without gap or overlap; at most one is open below and one above.
    pub steps: Vec<Step>,
    /// What the steps' adjustments mean.
    pub kind: AdjustmentKind,
    /// Least number of instances that a percentage changes: 1 by default.
    pub min_magnitude: u32,
    /// How long it rests.
    pub cooldowns: Cooldowns,
}

/// An interval of (metric − threshold), and what to do there: `[lower, upper)` above the threshold, `(lower, upper]` below.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Open below when `None`.
    pub lower: Option<f64>,
    /// Open above when `None`.
    pub upper: Option<f64>,
    /// What to do.
    pub adjustment: i32,
}

/// One adjustment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    /// What `value` means.
    pub kind: AdjustmentKind,
    /// By how much, or to what.
    pub value: i32,
    /// Least number of instances that a percentage changes: 1 by default.
    pub min_magnitude: u32,
}

/// What an adjustment's number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentKind {
    /// So many instances more or less.
    ChangeInCapacity,
    /// So many instances.
    ExactCapacity,
    /// So many percent more or less: above 1 instance rounded down, 0 to 1 to one, and the same below zero.
    PercentChangeInCapacity,
}

/// Adjusts once when a metric is above (or below) a threshold; then waits for the cooldown, from the last instance on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Simple {
    /// What is watched.
    pub metric: Metric,
    /// Where the alarm goes off.
    pub threshold: f64,
    /// Whether it goes off below instead of above.
    pub below: bool,
    /// Periods in a row beyond it: 1 by default.
    pub periods: u32,
    /// What to do.
    pub adjustment: Adjustment,
    /// How long it rests; the group's default when `None`.
    pub cooldown: Option<Duration>,
}

/// Launches ahead of what is forecast. It never scales in by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predictive {
    /// The load that is forecast: a sum over the group that does not depend on the number of instances.
    pub load: Metric,
    /// How much of it one instance should carry; above 0.
    pub per_instance: f64,
    /// Only forecast, or scale by it: only forecast by default.
    pub mode: PredictiveMode,
    /// How far ahead of need instances are launched: 300 s by default, below 3600.
    pub buffer: Duration,
    /// The quantile of the forecast's distribution to provision for: 0.9 by default.
    pub quantile: f64,
    /// Time between the forecast's points: 300 s or 3600 s.
    pub resolution: Duration,
    /// What the greatest capacity means for it.
    pub max_capacity: MaxCapacityBehavior,
}

/// What a forecast is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictiveMode {
    /// To be looked at.
    #[default]
    ForecastOnly,
    /// To be followed.
    ForecastAndScale,
}

/// What a forecast beyond the group's greatest capacity does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MaxCapacityBehavior {
    /// Keeps to it.
    #[default]
    Honor,
    /// Raises it to the forecast and so many percent more.
    Raise {
        /// Percent.
        buffer: u8,
    },
}
