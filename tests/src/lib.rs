//! What the tests and the demonstration share: the laboratory.

pub mod lab;
