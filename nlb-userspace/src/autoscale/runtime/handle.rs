//! How the API reaches the task that owns the engines: it reads views, and sends commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::foresight::Foreseen;
use crate::agent::handle::AskError;
use crate::autoscale::engine::{self, Engine};
use crate::autoscale::model::Predictive;
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

/// A command to a group, and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// The group.
    pub group: Name,
    /// What it is asked for.
    pub command: engine::Command,
    /// How it went.
    pub reply: oneshot::Sender<Result<(), Refusal>>,
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
        let (reply, answer) = oneshot::channel();
        self.commands.send(Asked { group, command, reply }).await.map_err(|_| AskError::Stopped)?;
        answer.await.map_err(|_| AskError::Stopped)?.map_err(AskError::Refused)
    }
}
