//! The laboratory.

pub mod run;
pub mod segment;
