//! IP in IP, all four ways: the header that the edge puts before a packet, and what a target host makes of it.
//!
//! Pure code: whoever holds the packet writes what is computed here. RFC 2003 and RFC 2473 say what a tunnel is, RFC 6040
//! what becomes of ECN.

mod ecn;
mod inner;
mod outer;

pub use ecn::{Ecn, combine};
pub use inner::{Inner, InnerError};
pub use outer::{Carried, HOP_LIMIT, Outer};
