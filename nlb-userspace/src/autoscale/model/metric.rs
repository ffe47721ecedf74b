//! Metrics: where a figure comes from, and arithmetic over several.
//!
//! A metric that can't be had is no figure at all, never zero: arithmetic with it is no figure either, so that what is
//! missing never scales anything in.

mod parse;
mod show;
mod value;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use parse::InvalidMetric;

use crate::model::{Name, Timestamp};

/// What is measured: a source, or arithmetic over metrics. As text: `new_flows / 50 + 0.2 * prometheus("up")`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Metric {
    /// Measured.
    Source {
        /// Where.
        source: Source,
        /// How the figures of several instances become one.
        statistic: Statistic,
    },
    /// A number.
    Constant {
        /// The number.
        value: f64,
    },
    /// Two metrics made one.
    Operation {
        /// How.
        operator: Operator,
        /// The left one.
        left: Box<Metric>,
        /// The right one.
        right: Box<Metric>,
    },
}

/// Where a figure comes from. Rates are per second over the period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// New flows of the group's targets.
    NewFlows,
    /// Active flows of the group's targets, as estimated.
    ActiveFlows,
    /// Packets to the group's targets.
    Packets,
    /// Bytes to the group's targets.
    Bytes,
    /// Time that health checks of the group's targets take, in seconds.
    HealthLatency,
    /// Share of CPU time in use, 0 to 100 %, from node_exporter on the instances.
    Cpu,
    /// Share of memory in use, 0 to 100 %, from node_exporter on the instances.
    Memory,
    /// A query of a Prometheus server; several samples are treated as one an instance.
    Prometheus {
        /// In PromQL; `$group` stands for the group's name.
        query: String,
    },
    /// Another name for a target group whose traffic counts instead of the group's own: `new_flows("web")`.
    OfTargetGroup {
        /// Whose.
        group: Name,
        /// What of it.
        source: Box<Source>,
    },
}

/// How the figures of several instances become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Their mean over instances that are in service and warm.
    #[default]
    Mean,
    /// Their sum over all.
    Sum,
    /// The greatest.
    Max,
    /// The least.
    Min,
}

/// Arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; by zero there is no figure.
    Divide,
}

/// A figure, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The end of the period that it is of.
    pub at: Timestamp,
    /// Length of the period: 10, 30 or 60 s.
    pub period: Duration,
    /// The figure, finite.
    pub value: Result<f64, MetricError>,
}

/// Why there is no figure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MetricError {
    /// Nothing is there to measure.
    #[error("no data: {what}")]
    NoData {
        /// What is missing.
        what: String,
    },
    /// The source failed.
    #[error("{source_name} failed: {reason}")]
    Failed {
        /// Which.
        source_name: String,
        /// Why.
        reason: String,
    },
    /// Arithmetic that has no result.
    #[error("{left} {operator} {right} is no number")]
    NotANumber {
        /// Left of the operator.
        left: String,
        /// `/`, …
        operator: String,
        /// Right of it.
        right: String,
    },
}
