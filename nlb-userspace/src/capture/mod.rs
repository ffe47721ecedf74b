//! Captures: which packets, what became of them, and the file that tells it. Pure: packets come from `dataplane`, bytes go to
//! whoever asked.
//!
//! ```text
//! text ─▶ Filter ─▶ Pattern, compared in the kernel ─▶ CapturedPacket ─▶ Fate, by the snapshot ─▶ blocks of a pcapng file
//! ```
//!
//! Beside that, `file` reads the packets of such a file, or of anybody's.

mod blocks;
mod error;
mod fate;
mod file;
mod filter;
mod parse;
#[cfg(test)]
mod tests;

pub use blocks::{Block, Blocks, Splitter, Told};
pub use error::{FilterError, UnknownListener, Wrong};
pub use fate::Fate;
pub use file::{FileError, FilePacket, packets};
pub use filter::{Condition, Filter, FilteredTarget};

/// Bytes that are kept of a frame unless another number is asked for: enough for all headers, before and after.
pub const SNAPLEN: u32 = 256;
