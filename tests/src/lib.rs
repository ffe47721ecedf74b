//! The laboratory.

pub mod segment;
