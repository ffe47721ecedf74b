//! Random and mutated packets, and what should become of each.
//!
//! The expectation is made here a second time, from the documents alone: [`read`] reads a packet, [`edge`] and [`host`] say what the
//! two programs should do with it. None of it looks into the wire code of `nlb-common`; what tables hold is taken from there, and
//! the choice of a slot. Outer headers, GUE and resets are the packet library's.

pub mod control;
pub mod edge;
pub mod frames;
pub mod host;
mod nat;
pub mod pieces;
mod quic;
pub mod read;
pub mod shrink;
mod tables;

use std::fmt;

use nlb_common::drop_reason::DropReason;

use crate::run::{Action, Ran};

/// What should become of a packet, or became of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The XDP action.
    pub action: Action,
    /// The frame as the program leaves it.
    pub frame: Vec<u8>,
}

impl Outcome {
    /// The frame as it came, and the action.
    pub fn untouched(action: Action, frame: &[u8]) -> Self {
        Self { action, frame: frame.to_vec() }
    }
}

impl From<Ran> for Outcome {
    fn from(ran: Ran) -> Self {
        Self { action: ran.action, frame: ran.packet }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.action, hex(&self.frame))
    }
}

/// Why a packet goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is the stack's.
    Pass,
    /// It is nobody's.
    Drop(DropReason),
}

/// Bytes as two digits each, which `xxd -r -p` and text2pcap understand.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
