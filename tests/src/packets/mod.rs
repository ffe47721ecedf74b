//! Packets described, built and tunnelled by a packet library: the reference that the kernel programs are held against.
//!
//! Nothing here uses the wire code of `nlb-common`. Only the choice of a slot is taken from there (`HashKeys::hash`), and what
//! tables hold.

pub mod corpus;
pub mod described;
pub mod fuzz;
pub mod garbage;
pub mod icmp;
pub mod reference;
pub mod shim;
pub mod translated;
pub mod world;

pub use described::{Described, Extension, Kind, Network, Segment, Tag};
pub use reference::Tunnel;
pub use world::World;
