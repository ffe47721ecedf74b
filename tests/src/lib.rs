//! What tests, benches and the demonstration stand on: kernel programs run on single packets, the packets, a packet generator,
//! small segments of network for one thread, and the laboratory of whole hosts.

pub mod campaign;
pub mod generator;
pub mod lab;
pub mod packets;
pub mod prove;
pub mod run;
pub mod segment;
mod sys;
