//! IP in IP, GUE and GENEVE, each all four ways: the headers that the edge puts before a packet, and what who receives them
//! makes of them.
//!
//! Pure code: whoever holds the packet writes what is computed here. RFC 2003 and RFC 2473 say what a tunnel is, RFC 6040
//! what becomes of ECN; what the others are stands in [`gue`] and [`geneve`].

mod ecn;
pub mod geneve;
pub mod gue;
mod inner;
mod outer;
mod udp;

pub use ecn::{Ecn, combine};
pub use inner::{Inner, InnerError};
use outer::entropy;
pub use outer::{Carried, HOP_LIMIT, Outer};
pub use udp::{Malformed, Received};
