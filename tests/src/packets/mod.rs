//! Packets described, built and tunnelled by a packet library: the reference that the kernel programs are held against.
//!
//! Nothing here uses the wire code of `nlb-common`. Only what tables hold is taken from there, and where the choice of a slot is
//! not what is tested, `HashKeys::hash`; where it is, [`hash`](mod@hash) has its own.

pub mod corpus;
pub mod described;
pub mod fuzz;
pub mod garbage;
pub mod hash;
pub mod icmp;
pub mod pieces;
pub mod reference;
pub mod shim;
pub mod translated;
pub mod world;

pub use described::{Described, Extension, Kind, Network, Segment, Tag};
pub use reference::Tunnel;
pub use world::World;
