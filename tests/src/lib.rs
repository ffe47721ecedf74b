//! What tests stand on: kernel programs run on single packets, and the packets.

pub mod packets;
pub mod run;
