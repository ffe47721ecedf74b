//! How the API, the signals and the metrics reach the task that owns the state.
//!
//! Reading never asks the owner: the last [`Snapshot`] is there at once. What changes something, or needs the kernel,
//! is a [`Command`] that carries its own way back.

use std::net::IpAddr;
use std::sync::Arc;

use nlb_common::capture::Order;
use nlb_common::flow::Pin;
use nlb_common::hash::Flow;
use tokio::sync::{mpsc, oneshot, watch};

use crate::autoscale::engine::OtherProvider;
use crate::config::ConfigErrors;
use crate::control::snapshot::{RingChange, Snapshot};
use crate::control::{Change, ChangeError};
use crate::dataplane::{Captures, CounterReading, DataplaneError};
use crate::model::{Name, Subject, TargetKey};

/// What the owner of the state is asked to do.
#[derive(Debug)]
pub enum Command {
    /// Reads the configuration file again and applies what differs.
    Reload {
        /// Where the answer goes.
        reply: oneshot::Sender<Result<ReloadReport, ReloadError>>,
    },
    /// Makes a change over the file, and keeps it.
    Change {
        /// What to change.
        change: Change,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<ChangeReport, ChangeError>>,
    },
    /// Reads the counters of everything in the snapshot.
    Counters {
        /// Where the answer goes.
        reply: oneshot::Sender<Result<CounterReading, DataplaneError>>,
    },
    /// Looks one flow up among those that are remembered.
    Pin {
        /// The flow.
        flow: Flow,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Option<Pin>, DataplaneError>>,
    },
    /// Traces the packets of one flow until the receiver of the lines is dropped.
    Trace {
        /// The flow; zero fields match everything.
        flow: Flow,
        /// Where the lines come from.
        reply: oneshot::Sender<Result<mpsc::Receiver<String>, TraceError>>,
    },
    /// Captures packets until the receiver of the packets is dropped.
    Capture {
        /// Which; until when is not the asker's to say.
        order: Order,
        /// Where the packets come from.
        reply: oneshot::Sender<Result<Captures, CaptureError>>,
    },
    /// Ends the agent; the packet path goes on.
    Stop,
}

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadReport {
    /// Listeners that differ.
    pub listeners: Difference<Name>,
    /// VIPs whose settings differ.
    pub vips: Difference<IpAddr>,
    /// Groups whose own settings differ.
    pub groups: Difference<Name>,
    /// Targets that differ.
    pub targets: Difference<TargetKey>,
    /// Autoscaling groups that differ.
    pub autoscaling_groups: Difference<Name>,
    /// Runtime changes that the new file leaves without object, and that are forgotten.
    pub dropped: Vec<DroppedChange>,
    /// Settings of `[agent]` that differ and are used from the agent's next start on, by their key in the file.
    pub restart_needed: Vec<String>,
}

/// What was added, removed and changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference<T> {
    /// Only in the new configuration.
    pub added: Vec<T>,
    /// Only in the old one.
    pub removed: Vec<T>,
    /// In both, with other settings.
    pub changed: Vec<T>,
}

impl<T> Default for Difference<T> {
    fn default() -> Self {
        Self { added: Vec::new(), removed: Vec::new(), changed: Vec::new() }
    }
}

impl<T> Difference<T> {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// A runtime change that no longer applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedChange {
    /// The change.
    pub change: Change,
    /// Why it no longer applies: "group `web` is gone".
    pub reason: String,
}

/// What a runtime change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeReport {
    /// What was changed.
    pub subject: Subject,
    /// What it moved in the ring of the target's group, or of the listener; `None` when the ring stayed as it was.
    pub ring: Option<RingChange>,
}

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file is not a valid configuration, or can't be read.
    #[error(transparent)]
    Configuration(#[from] ConfigErrors),
    /// With the changes made at run time it is more than the tables hold.
    #[error(transparent)]
    Full(#[from] ChangeError),
    /// Instances of an autoscaling group would be left to nobody.
    #[error(transparent)]
    Provider(#[from] OtherProvider),
}

/// Why a trace can't begin.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Somebody traces already.
    #[error("another trace is running: end it first, there is one at a time")]
    Busy,
    /// The program can't be switched.
    #[error(transparent)]
    Dataplane(#[from] DataplaneError),
}

/// Why a capture can't begin.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Somebody captures already.
    #[error("another capture is running: end it first, there is one at a time")]
    Busy,
    /// The program can't be switched.
    #[error(transparent)]
    Dataplane(#[from] DataplaneError),
}

/// Why a command has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError<E> {
    /// The agent is stopping and takes no more commands.
    #[error("the agent is stopping")]
    Stopped,
    /// The agent's own answer.
    #[error(transparent)]
    Refused(E),
}

/// A hold on the running agent. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Handle {
    /// A handle on the owner that receives from `commands` and publishes to `snapshots`.
    pub const fn new(commands: mpsc::Sender<Command>, snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self { commands, snapshots }
    }

    /// The state as last published.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Waits until another state is published. An error says that the agent has ended.
    pub async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.snapshots.changed().await
    }

    /// See [`Command::Reload`].
    pub async fn reload(&self) -> Result<ReloadReport, AskError<ReloadError>> {
        self.ask(|reply| Command::Reload { reply }).await
    }

    /// See [`Command::Change`].
    pub async fn change(&self, change: Change) -> Result<ChangeReport, AskError<ChangeError>> {
        self.ask(|reply| Command::Change { change, reply }).await
    }

    /// See [`Command::Counters`].
    pub async fn counters(&self) -> Result<CounterReading, AskError<DataplaneError>> {
        self.ask(|reply| Command::Counters { reply }).await
    }

    /// See [`Command::Pin`].
    pub async fn pin(&self, flow: Flow) -> Result<Option<Pin>, AskError<DataplaneError>> {
        self.ask(|reply| Command::Pin { flow, reply }).await
    }

    /// See [`Command::Trace`].
    pub async fn trace(&self, flow: Flow) -> Result<mpsc::Receiver<String>, AskError<TraceError>> {
        self.ask(|reply| Command::Trace { flow, reply }).await
    }

    /// See [`Command::Capture`].
    pub async fn capture(&self, order: Order) -> Result<Captures, AskError<CaptureError>> {
        self.ask(|reply| Command::Capture { order, reply }).await
    }

    /// See [`Command::Stop`]. An agent that is gone already is no error.
    pub async fn stop(&self) {
        drop(self.commands.send(Command::Stop).await);
    }

    async fn ask<T, E>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Command,
    ) -> Result<T, AskError<E>> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| AskError::Stopped)?;
        answer.await.map_err(|_| AskError::Stopped)?.map_err(AskError::Refused)
    }
}
