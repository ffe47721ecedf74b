//! What the tables should be, as a pure function of configuration, runtime changes, health and next hops.
//!
//! [`Event`]s come in, a [`Snapshot`](snapshot::Snapshot) and the desired tables go out. No socket, file, clock or
//! kernel is touched here: time is passed in, and whoever calls carries the result out.

mod desired;
pub mod event;
mod first_round;
mod identity;
mod indexes;
mod kept_rings;
mod life;
mod notice;
mod plan;
mod prospect;
mod quic;
mod regions;
mod rings;
mod select;
mod shares;
mod sizes;
pub mod snapshot;
mod state;
mod sweeping;
mod target_set;
#[cfg(test)]
mod tests;
mod transition;
mod view;
mod watched;
mod way;

pub(crate) use identity::endpoint_id;

pub use event::{Change, ChangeError, Event, NextHop, NoNextHop};
pub use notice::Notice;
pub use plan::plan;
pub use prospect::Prospect;
pub use state::{Beginning, Kept, State};
pub use view::Outside;
