//! What drives the engines: a task that tells them what happens, and carries out what they want.
//!
//! ```text
//! snapshots, counters ─▶ placement, meter ─┐                     ┌─▶ changes of targets ─▶ owner of the state
//! Prometheus, node_exporter ─▶ outside ────┤                     │
//! answers of providers ────────────────────┼─▶ engine ─▶ actions ┼─▶ calls, hooks (a task each, with a time limit)
//! API, schedules, time ────────────────────┘      └─▶ store      └─▶ views ─▶ API
//! ```
//! One task owns all engines; there is no lock. What it makes of snapshots, counters and answers is pure (`placement`, `meter`,
//! `outside` but for the asking, `figures`).
//! Targets are registered and drained as `nlb target` does it: by commands to the owner of the state.
//!
//! The invariant: an engine's state is in the store before its actions are carried out. Where it can't be kept, nothing is
//! done until it can.

mod calls;
mod figures;
mod foresight;
mod handle;
mod hooks;
mod member;
mod meter;
mod outside;
mod placement;
mod task;
#[cfg(test)]
mod tests;

pub use figures::Measured;
pub use foresight::Foreseen;
pub use handle::{Asked, Handle, Import, Outlook, Refusal, View, Views, Wanted};
pub use task::{Opener, Runtime};
