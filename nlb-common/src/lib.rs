//! The contract between the kernel programs and the agent.
//!
//! What lives here: the keys and values of every map, the layout version that names them, wire formats, and the flow
//! hash. What may not: anything that needs `std`, an allocator, or an eBPF helper. Both sides compile this crate, so
//! that a value can't mean one thing to the kernel and another to the agent.
#![no_std]

pub mod active;
pub mod address;
pub mod answer;
pub mod bucket;
pub mod capture;
pub mod checksum;
pub mod counters;
pub mod datagram;
pub mod drop_reason;
pub mod flow;
pub mod gateway;
pub mod guard;
pub mod hash;
pub mod icmp;
pub mod known;
pub mod layout;
pub mod listener;
pub mod nat;
pub mod packet;
pub mod quic;
pub mod ranges;
pub mod slot;
pub mod tables;
pub mod tunnel;
pub mod way;
pub mod wire;

#[cfg(feature = "user")]
mod pod;
