//! Instance refresh: all instances made anew, a few at a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{LaunchTemplate, Metric, ReplacementBounds};
use crate::model::Timestamp;

/// How a refresh goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefreshSettings {
    /// How many stay healthy, and how many exist at most: 90 and 100 by default.
    pub bounds: ReplacementBounds,
    /// Percentages of replaced instances at which it waits, ascending.
    pub checkpoints: Vec<u8>,
    /// How long it waits there: 3600 s by default.
    pub checkpoint_delay: Duration,
    /// How long it watches after the last instance before it is successful: 0 by default.
    pub bake_time: Duration,
    /// Whether instances that already are of the wanted version stay.
    pub skip_matching: bool,
    /// Whether a failure makes all instances anew from the version before.
    pub auto_rollback: bool,
    /// Stops it, or rolls it back, when a metric is above its limit.
    pub alarms: Vec<(Metric, f64)>,
}

impl Default for RefreshSettings {
    fn default() -> Self {
        Self {
            bounds: ReplacementBounds { min_healthy: 90, max_healthy: 100 },
            checkpoints: Vec::new(),
            checkpoint_delay: Duration::from_secs(3600),
            bake_time: Duration::ZERO,
            skip_matching: false,
            auto_rollback: false,
            alarms: Vec::new(),
        }
    }
}

/// A refresh under way, or the last one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refresh {
    /// How it goes.
    pub settings: RefreshSettings,
    /// What instances are to be made from.
    pub wanted: LaunchTemplate,
    /// What they were made from, for a rollback.
    pub before: LaunchTemplate,
    /// Instances with a lower number are to be replaced.
    pub from: u64,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it stands.
    pub status: RefreshStatus,
    /// Why it stands so, for people.
    pub reason: String,
    /// The capacity that percentages are of.
    pub total: u32,
    /// Instances replaced so far.
    pub replaced: u32,
    /// Checkpoints passed so far.
    pub checkpoints_passed: usize,
    /// Instances of it in a row that never came into service.
    pub failures: u32,
    /// It goes on at this moment: at a checkpoint, or while it bakes.
    pub resumes: Option<Timestamp>,
}

/// How a refresh stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshStatus {
    /// Under way.
    InProgress,
    /// Waits at a checkpoint.
    Checkpoint,
    /// All replaced; watched for a while.
    Baking,
    /// Done.
    Successful,
    /// Stopped by a failure.
    Failed,
    /// Stopped by somebody; what is replaced stays.
    Cancelled,
    /// Makes instances from the version before.
    RollingBack,
    /// Has done so.
    RolledBack,
}
