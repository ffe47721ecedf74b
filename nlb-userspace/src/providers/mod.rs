//! What launches instances: the only modules that know it.
//!
//! A provider does what it is told and says what there is; it decides nothing. Every call has a time limit that the runtime
//! sets; a call that failed, or whose answer got lost, is made again: so each must be safe to repeat. The contract follows
//! that of Cluster Autoscaler's external provider: list, increase, delete by name, state of each, what a template makes.

#[cfg(feature = "docker")]
mod docker;
mod documents;
#[cfg(feature = "ec2")]
mod ec2;
mod exec;
#[cfg(any(feature = "ec2", feature = "kubernetes"))]
mod fleet;
mod hex;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod open;
mod pool;
mod process;
mod settings;
#[cfg(feature = "systemd")]
mod systemd;
#[cfg(test)]
mod tests;
mod webhook;

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use open::{check, open};

use crate::autoscale::model::{InstanceId, LaunchTemplate, ProviderKind, Token};
use crate::model::{Name, Timestamp};

/// Launches and ends instances of one kind.
pub trait Provider: Send + Sync {
    /// Everything it runs for `group`, whatever its state; also what an agent before this one launched. What isn't listed
    /// is gone.
    fn list<'a>(&'a self, group: &'a Name) -> BoxFuture<'a, Result<Vec<Provided>, ProviderError>>;

    /// Begins to launch an instance. One with the same token that exists already is that launch.
    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<InstanceId, ProviderError>>;

    /// Begins to end these instances, which may be gone already.
    fn terminate<'a>(&'a self, group: &'a Name, ids: &'a [InstanceId]) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// Stops an instance for the warm pool, so that [`start`](Self::start) makes it run sooner than a launch would.
    fn stop<'a>(&'a self, group: &'a Name, id: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// Starts a stopped instance.
    fn start<'a>(&'a self, group: &'a Name, id: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>>;
}

/// An order for one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The autoscaling group.
    pub group: Name,
    /// The engine's name of the instance.
    pub token: Token,
    /// What to make it from.
    pub template: LaunchTemplate,
    /// Where to make it.
    pub zone: Option<Name>,
}

/// An instance as its provider sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provided {
    /// Its name.
    pub id: InstanceId,
    /// The token it was launched with; `None` when the provider can't keep tokens.
    #[serde(default)]
    pub token: Option<Token>,
    /// Where it is.
    #[serde(default)]
    pub zone: Option<Name>,
    /// Where it answers, once known.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The port that it serves, if the provider knows.
    #[serde(default)]
    pub port: Option<u16>,
    /// How it stands.
    pub state: ProvidedState,
    /// When it was launched, if the provider knows.
    #[serde(default)]
    pub launched: Option<Timestamp>,
}

/// How an instance stands with its provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProvidedState {
    /// On its way.
    Creating,
    /// Runs.
    Running,
    /// Stopped.
    Stopped,
    /// On its way out.
    Deleting,
    /// Will not run.
    Failed {
        /// Why, for people.
        reason: String,
    },
}

/// Why a provider did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The template's settings are wrong: asking again is of no use.
    #[error("launch template `{template}`: `{key}` {problem}")]
    Settings {
        /// The template.
        template: Name,
        /// Which key.
        key: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// There is no room: asking again later may help.
    #[error("no capacity: {0}")]
    Capacity(String),
    /// It can't be reached, or failed: asking again may help.
    #[error("{what}: {reason}")]
    Unavailable {
        /// What was tried.
        what: String,
        /// What went wrong.
        reason: String,
    },
    /// It did not answer in time: whether it did what it was told is not known.
    #[error("no answer within {limit:?} to: {what}")]
    TimedOut {
        /// What was tried.
        what: String,
        /// The limit.
        limit: Duration,
    },
    /// It can't do that at all.
    #[error("the provider can't {0}")]
    Unsupported(&'static str),
    /// This `nlb` was built without it.
    #[error("this nlb is built without the provider `{}`: build it with that feature", .0.as_str())]
    NotBuiltIn(ProviderKind),
}
