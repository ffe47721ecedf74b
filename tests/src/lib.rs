//! The laboratory.

pub mod run;
