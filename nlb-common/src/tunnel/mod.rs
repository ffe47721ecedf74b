//! IP in IP and GUE, each all four ways: the headers that the edge puts before a packet, and what a target host makes of
//! them.
//!
//! Pure code: whoever holds the packet writes what is computed here. RFC 2003 and RFC 2473 say what a tunnel is, RFC 6040
//! what becomes of ECN; what GUE is stands in [`gue`].

mod ecn;
pub mod gue;
mod inner;
mod outer;

pub use ecn::{Ecn, combine};
pub use inner::{Inner, InnerError};
use outer::entropy;
pub use outer::{Carried, HOP_LIMIT, Outer};
