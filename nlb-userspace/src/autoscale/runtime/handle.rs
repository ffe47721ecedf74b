//! How the API reaches the task that owns the engines: it reads views, and sends commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::figures::Measured;
use super::foresight::Foreseen;
use crate::agent::handle::AskError;
use crate::autoscale::engine::{self, Engine};
use crate::autoscale::forecast::Minutes;
use crate::autoscale::model::{Metric, Predictive};
use crate::model::{Name, Timestamp};

/// A group at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// When it was taken.
    pub at: Timestamp,
    /// Its engine as it was then.
    pub engine: Engine,
    /// Why the provider can't be used at the moment, if it can't.
    pub trouble: Option<String>,
    /// What its predictive policies go by, by their names.
    pub forecasts: BTreeMap<Name, Outlook>,
    /// What was last measured for it, and when.
    pub measured: Option<(Timestamp, Arc<Vec<Measured>>)>,
}

/// What a predictive policy goes by.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The policy's rule.
    pub rule: Predictive,
    /// The last forecast; `None` before the first.
    pub foreseen: Option<Arc<Foreseen>>,
    /// How many more minutes have to be recorded before anything is forecast.
    pub minutes_missing: usize,
}

/// All groups, by name.
pub type Views = BTreeMap<Name, Arc<View>>;

/// What a group is asked for, and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// The group.
    pub group: Name,
    /// What it is asked for.
    pub wanted: Wanted,
    /// How it went.
    pub reply: oneshot::Sender<Result<(), Refusal>>,
}

/// What a group can be asked for.
#[derive(Debug)]
pub enum Wanted {
    /// What its engine does.
    Command(engine::Command),
    /// To take in a load that others recorded.
    Import(Import),
}

/// A load that others recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// The load, as predictive policies have it.
    pub metric: Metric,
    /// What it was.
    pub minutes: Minutes,
}

/// Why a command was not obeyed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such group.
    #[error("no autoscaling group `{group}`; there are: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    UnknownGroup {
        /// The name asked for.
        group: Name,
        /// The names that exist.
        known: Vec<String>,
    },
    /// The group's engine says no.
    #[error(transparent)]
    Refused(#[from] engine::Refused),
    /// Nobody forecasts that load.
    #[error(
        "no predictive policy of group `{group}` goes by `{metric}`; they go by: {}",
        if known.is_empty() { "none, there is no such policy".to_owned() } else { known.join(", ") }
    )]
    UnknownLoad {
        /// The group.
        group: Name,
        /// The load.
        metric: String,
        /// The loads that are forecast.
        known: Vec<String>,
    },
    /// A load of minutes that are still to come.
    #[error("the last minute is not over before {end}", end = crate::api::dto::Moment::from(*end))]
    NotOver {
        /// When it is.
        end: Timestamp,
    },
    /// It is in force, and may be forgotten when the agent ends now.
    #[error("done, but not kept: {reason}")]
    NotKept {
        /// What the store says.
        reason: String,
    },
}

/// A hold on the engines. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Asked>,
    views: watch::Receiver<Arc<Views>>,
}

impl Handle {
    /// A handle on the task that receives from `commands` and publishes to `views`.
    pub const fn new(commands: mpsc::Sender<Asked>, views: watch::Receiver<Arc<Views>>) -> Self {
        Self { commands, views }
    }

    /// All groups as last published.
    pub fn views(&self) -> Arc<Views> {
        Arc::clone(&self.views.borrow())
    }

    /// Asks a group for something.
    pub async fn command(&self, group: Name, command: engine::Command) -> Result<(), AskError<Refusal>> {
        self.ask(group, Wanted::Command(command)).await
    }

    /// Has a group take in a load that others recorded: all of it, or nothing.
    pub async fn import(&self, group: Name, import: Import) -> Result<(), AskError<Refusal>> {
        self.ask(group, Wanted::Import(import)).await
    }

    async fn ask(&self, group: Name, wanted: Wanted) -> Result<(), AskError<Refusal>> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Asked { group, wanted, reply }).await.map_err(|_| AskError::Stopped)?;
        answer.await.map_err(|_| AskError::Stopped)?.map_err(AskError::Refused)
    }
}
