//! Instances and their life.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Cause, TemplateVersion, Transition};
use crate::model::{Name, Timestamp};

/// What a provider calls an instance: unique within the provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub String);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What the engine calls an instance, from before it is launched: a launch with a token that the provider has seen is the
/// same launch. Group and a number that is never used again: `web-17`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One instance of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The engine's name of it.
    pub token: Token,
    /// The token's number: higher than that of every instance before it.
    pub number: u64,
    /// The provider's name of it; `None` until the provider has said so.
    pub id: Option<InstanceId>,
    /// Where it answers; `None` until the provider has said so.
    pub address: Option<IpAddr>,
    /// The port that it serves; 0 until known.
    pub port: u16,
    /// Zone it was asked for.
    pub zone: Option<Name>,
    /// What it was made from.
    pub template: TemplateVersion,
    /// How far its life has come.
    pub lifecycle: Lifecycle,
    /// Since when.
    pub since: Timestamp,
    /// When its launch was decided.
    pub launched: Timestamp,
    /// When it came into service, the last time it did.
    pub in_service: Option<Timestamp>,
    /// Whether scale-in passes it by.
    pub protected: bool,
    /// Why it is thought unhealthy, and since when.
    pub unhealthy: Option<(String, Timestamp)>,
    /// What it was launched for, or is on its way to.
    pub purpose: Purpose,
    /// Why it is to be replaced. It serves on until it may go.
    pub condemned: Option<Cause>,
    /// Whether its targets exist, or are about to.
    pub registered: bool,
    /// Active flows of its targets, as last told.
    pub flows: Option<u64>,
    /// What the provider said of it last; `None` before it was ever listed.
    pub provided: Option<Standing>,
    /// Listings in a row in which it was missing.
    pub missing: u32,
}

/// What an instance is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To serve: it counts in the capacity.
    #[default]
    Serve,
    /// To wait in the warm pool.
    Wait,
    /// To be ended.
    End,
}

/// How an instance stands with its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// On its way.
    Creating,
    /// Runs.
    Running,
    /// Stopped.
    Stopped,
    /// On its way out, or failed.
    Ending,
}

/// The stages of an instance's life.
///
/// ```text
/// launching → pending → (pending_wait) → pending_proceed → in_service
///                │            │                │               │
///                ▼ (for the warm pool)         │               ▼
///             warmed → pending                 ├────────→ draining
///                │                             │               │ (reuse → warmed)
///                └─────────────────────────────┤               ▼
///         gone ← shutting_down ← terminating_proceed ← (terminating_wait)
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Lifecycle {
    /// The provider is to be asked, or was and has not answered.
    Launching {
        /// How often it was asked.
        attempts: u32,
        /// When it is asked again.
        retry: Timestamp,
    },
    /// The provider makes it.
    Pending,
    /// A hook holds it.
    PendingWait(Wait),
    /// It becomes a target.
    PendingProceed,
    /// It serves.
    InService,
    /// In the warm pool.
    Warmed,
    /// Its targets are draining.
    Draining,
    /// A hook holds it.
    TerminatingWait(Wait),
    /// The provider is to be asked, or was and has not answered.
    TerminatingProceed {
        /// How often it was asked.
        attempts: u32,
        /// When it is asked again.
        retry: Timestamp,
    },
    /// The provider ends it.
    ShuttingDown,
}

/// A hook that holds an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The hook's name.
    pub hook: Name,
    /// When the default is taken for the answer.
    pub until: Timestamp,
    /// When the default is taken whatever signs of life come.
    pub latest: Timestamp,
}

/// The stage as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// On its way into service.
    Pending,
    /// Held by a hook on its way into service.
    PendingWait,
    /// About to serve.
    PendingProceed,
    /// Serves.
    InService,
    /// Waits in the warm pool.
    Warmed,
    /// Its flows are waited for, or the provider ends it.
    Terminating,
    /// Held by a hook on its way out.
    TerminatingWait,
    /// About to be ended.
    TerminatingProceed,
}

impl Lifecycle {
    /// As people see it.
    pub const fn state(&self) -> InstanceState {
        match self {
            Self::Launching { .. } | Self::Pending => InstanceState::Pending,
            Self::PendingWait(_) => InstanceState::PendingWait,
            Self::PendingProceed => InstanceState::PendingProceed,
            Self::InService => InstanceState::InService,
            Self::Warmed => InstanceState::Warmed,
            Self::Draining | Self::ShuttingDown => InstanceState::Terminating,
            Self::TerminatingWait(_) => InstanceState::TerminatingWait,
            Self::TerminatingProceed { .. } => InstanceState::TerminatingProceed,
        }
    }

    /// Whether it counts in the capacity: on its way into service, or there.
    pub const fn counts(&self) -> bool {
        matches!(
            self.state(),
            InstanceState::Pending
                | InstanceState::PendingWait
                | InstanceState::PendingProceed
                | InstanceState::InService
        )
    }

    /// The hook that holds it, and at which transition.
    pub const fn wait(&self) -> Option<(Transition, &Wait)> {
        match self {
            Self::PendingWait(wait) => Some((Transition::Launch, wait)),
            Self::TerminatingWait(wait) => Some((Transition::Terminate, wait)),
            _ => None,
        }
    }
}
