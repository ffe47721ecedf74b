//! What a group did and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Token;
use crate::model::{Name, Timestamp};

/// One thing that a group did, or tried to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Counts up within the group.
    pub number: u64,
    /// Why, for programs.
    pub cause: Cause,
    /// What and why, for people: one sentence with the figures that led there.
    pub description: String,
    /// The instance that it is about.
    pub instance: Option<Token>,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it stands.
    pub status: ActivityStatus,
    /// 0 to 100 %.
    pub progress: u8,
}

/// Why a group does something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Cause {
    /// Somebody asked for it.
    Manual,
    /// A scaling policy.
    Policy(Name),
    /// A scheduled action.
    Schedule(Name),
    /// The configured bounds.
    Bounds,
    /// An instance that failed its health checks, or was gone.
    Unhealthy,
    /// An instance that grew too old.
    MaxLifetime,
    /// Zones that were uneven.
    ZoneRebalance,
    /// An instance refresh.
    Refresh,
    /// The warm pool.
    WarmPool,
    /// An instance that was launched and never came into service.
    FailedLaunch,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manual => f.write_str("somebody asked for it"),
            Self::Policy(name) => write!(f, "policy `{name}`"),
            Self::Schedule(name) => write!(f, "scheduled action `{name}`"),
            Self::Bounds => f.write_str("the bounds"),
            Self::Unhealthy => f.write_str("an unhealthy instance"),
            Self::MaxLifetime => f.write_str("the greatest lifetime"),
            Self::ZoneRebalance => f.write_str("uneven zones"),
            Self::Refresh => f.write_str("an instance refresh"),
            Self::WarmPool => f.write_str("the warm pool"),
            Self::FailedLaunch => f.write_str("a launch that failed"),
        }
    }
}

/// How an activity stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityStatus {
    /// Under way.
    InProgress,
    /// Done.
    Successful,
    /// Given up: the description says why.
    Failed,
    /// Overtaken by another.
    Cancelled,
}
