//! Capturing packets: which ones, and what the kernel hands over of each.
//!
//! The capture's program asks an [`Order`] about each packet, and writes a [`Record`] with the frame as it came and as it left
//! into a ring buffer for each that the order covers.

mod headers;
mod pattern;
mod record;

pub use headers::Headers;
pub use pattern::{Network, Pattern, PortRange};
pub use record::{NONE, Record};

/// The most bytes that are kept of a frame: those of the largest that an Ethernet with jumbo frames carries.
pub const MOST: usize = 9_216;

/// What is to be captured.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Until when, by the kernel's monotonic clock in nanoseconds. Whoever reads puts it off again and again: a capture that
    /// nobody reads any more ends by itself.
    pub until: u64,
    /// Which packets.
    pub pattern: Pattern,
    /// A packet is captured if a random number is not above this: `u32::MAX` captures all.
    pub chance: u32,
    /// How many bytes are kept of a frame, [`MOST`] at most.
    pub keep: u32,
}

const _: () = assert!(size_of::<Order>() == 144 && size_of::<Record>() == 48, "no hidden padding");

impl Order {
    /// The chance of one in `number`.
    pub const fn one_in(number: u32) -> u32 {
        match number {
            0 | 1 => u32::MAX,
            _ => u32::MAX / number,
        }
    }
}

#[cfg(test)]
mod tests;
