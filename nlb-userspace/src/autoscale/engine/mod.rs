//! The autoscaling engine: what a group does about what happens, as a pure function of (state, event, now).
//!
//! ```text
//! metrics, forecasts ─▶ policies ─┐
//! schedules, people, bounds ──────┴▶ desired ─▶ launches, terminations ─▶ actions
//! provider's list, answers, health, drains, hooks ─▶ instances' lives ──────┘
//! ```
//!
//! One [`Engine`] is one group's. Whoever drives it tells every [`Event`], [`Event::Tick`] at least every ten seconds, and carries
//! the [`Action`]s out. **The state is kept before its actions are carried out**: then a crash at any moment loses nothing, as
//! [`Engine::resume`] asks again for whatever isn't known to be done, and all of it may be asked for twice.
//!
//! No socket, file, clock or provider is touched here, and chance comes from a seed: the agent, its tests and the back-test run
//! the same code.

mod action;
mod activities;
mod capacity;
mod census;
mod command;
mod condemn;
mod event;
mod explanation;
mod facade;
mod hooks;
mod launch;
mod leave;
mod life;
mod listing;
mod provider;
mod refresh;
mod replace;
mod schedules;
mod state;
mod terminate;
#[cfg(test)]
mod tests;
mod trouble;
mod warm_pool;
mod zones;

pub use action::Action;
pub use command::{Command, Refused};
pub use event::{Event, Gauge};
pub use explanation::{Explanation, LastChange};
pub use facade::Engine;
pub use provider::OtherProvider;
pub use state::State;
