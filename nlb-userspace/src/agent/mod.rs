//! The running agent: the one task that owns the state, and the handle that everything else holds on to it.
//!
//! No other task may hold state of its own about listeners, groups or targets: they read snapshots and send commands.

pub mod handle;
mod owner;
mod reload;
mod runtime;

pub use handle::{Command, Handle};
pub use owner::{Inlets, Owner};
pub use runtime::run;
