//! The control API: HTTP and JSON over a Unix socket, described by an OpenAPI document.
//!
//! [`routes`] answers requests from a snapshot or by asking the owner of the state; [`server`] puts them on a socket;
//! [`client`] is the command line's side. [`dto`] is what travels. Nothing here holds state of its own.

pub mod client;
pub mod dto;
pub mod openapi;
pub mod routes;
pub mod server;

mod failure;

pub use server::{Server, ServerError};

/// Where the socket is when nobody says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/nlb/nlb.sock";
