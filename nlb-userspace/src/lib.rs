//! The agent's library.

pub mod programs;
