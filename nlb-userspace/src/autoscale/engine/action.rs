//! What the engine wants done.

use std::net::IpAddr;

use crate::autoscale::model::{InstanceId, Token, Transition};
use crate::model::Name;
use crate::providers::Launch;

/// Something to be done outside. Each may be asked for again until an event says that it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the provider to launch an instance; [`Launched`](super::Event::Launched) answers.
    Launch(Launch),
    /// Ask the provider to end an instance; [`Terminated`](super::Event::Terminated) answers.
    Terminate {
        /// The instance.
        token: Token,
        /// The provider's name of it.
        id: InstanceId,
    },
    /// Ask the provider to stop an instance of the warm pool. Lists show whether it did.
    Stop {
        /// The instance.
        token: Token,
        /// The provider's name of it.
        id: InstanceId,
    },
    /// Ask the provider to start a stopped instance. Lists show whether it did.
    Start {
        /// The instance.
        token: Token,
        /// The provider's name of it.
        id: InstanceId,
    },
    /// Make an instance a target of just these target groups, at just this address; [`Health`](super::Event::Health) follows.
    Register {
        /// The instance.
        token: Token,
        /// Where it answers.
        address: IpAddr,
        /// The port that it serves.
        port: u16,
        /// Its zone.
        zone: Option<Name>,
        /// The target groups.
        groups: Vec<Name>,
    },
    /// Drain an instance's targets and remove them; [`Drained`](super::Event::Drained) follows.
    Deregister {
        /// The instance.
        token: Token,
    },
    /// Run a hook's command, or tell whoever waits for the hook when there is none;
    /// [`HookEnded`](super::Event::HookEnded) or [`Command::CompleteHook`](super::Command::CompleteHook) follows.
    RunHook {
        /// The instance.
        token: Token,
        /// The provider's name of it.
        id: Option<InstanceId>,
        /// The hook.
        hook: Name,
        /// When it is.
        at: Transition,
        /// Program and arguments; empty when the API is waited for.
        command: Vec<String>,
    },
}
