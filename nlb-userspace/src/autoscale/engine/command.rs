//! What people ask a group for, which can be refused.

use crate::autoscale::model::{Bounds, HookResult, LaunchTemplate, Process, RefreshSettings, Token};
use crate::model::Name;

/// Something that is asked of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Make the capacity so many.
    SetDesired(u32),
    /// Stop doing something.
    Suspend(Process),
    /// Do it again.
    Resume(Process),
    /// Protect an instance from scale-in, or no longer.
    Protect {
        /// The instance.
        token: Token,
        /// Whether it is.
        protected: bool,
    },
    /// End this very instance.
    Terminate {
        /// The instance.
        token: Token,
        /// Whether the capacity falls with it; otherwise it is replaced.
        decrement: bool,
    },
    /// A hook is done with.
    CompleteHook {
        /// The instance.
        token: Token,
        /// The hook.
        hook: Name,
        /// How it goes on.
        result: HookResult,
    },
    /// A hook still works: wait for as long again.
    Heartbeat {
        /// The instance.
        token: Token,
        /// The hook.
        hook: Name,
    },
    /// Make all instances anew.
    StartRefresh {
        /// From this; the group's own template when `None`.
        template: Option<LaunchTemplate>,
        /// How; as configured when `None`.
        settings: Option<RefreshSettings>,
    },
    /// Stop the refresh; what is replaced stays.
    CancelRefresh,
    /// Stop the refresh and make all instances from the version before.
    RollbackRefresh,
}

/// Why a group does not do what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Beyond the bounds.
    #[error("{wanted} is not between the least and greatest capacity, {} and {}", .bounds.min, .bounds.max)]
    OutOfBounds {
        /// What was asked for.
        wanted: u32,
        /// What is allowed.
        bounds: Bounds,
    },
    /// No such instance.
    #[error("no instance `{0}`: `nlb asg show` lists them")]
    UnknownInstance(Token),
    /// The instance is not held by that hook.
    #[error("instance `{token}` does not wait for hook `{hook}`")]
    NotWaiting {
        /// The instance.
        token: Token,
        /// The hook.
        hook: Name,
    },
    /// The instance is on its way out already.
    #[error("instance `{0}` is being terminated already")]
    Leaving(Token),
    /// One refresh at a time.
    #[error("an instance refresh is under way: cancel it first")]
    RefreshUnderWay,
    /// There is none to stop.
    #[error("no instance refresh is under way")]
    NoRefresh,
    /// Nothing to go back to.
    #[error("the refresh does not change the template: there is no version before to go back to")]
    NothingBefore,
}
