//! From a file's text to a checked configuration, or to every problem that the file has.
//!
//! `reader`, `schema`, `source` and `error` know TOML and positions but no key's meaning: both agents' files are read
//! with them.

pub mod duration;
pub mod error;
mod nearest;
pub mod reader;
pub mod schema;
pub mod source;

pub use error::{ConfigErrors, Problem};
