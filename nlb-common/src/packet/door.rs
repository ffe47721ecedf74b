//! The only way to a packet's bytes.

use super::{Stop, network};
use crate::wire::Header;

/// Bounds-checked access to a packet, from its first byte of Ethernet on.
pub trait Door {
    /// Length of the whole frame.
    fn length(&self) -> usize;

    /// The header at `offset`, `None` if the frame ends before it does.
    fn header<T: Header>(&self, offset: usize) -> Option<&T>;

    /// The same offset, of which the kernel's verifier knows bounds and no more: what follows a loop is then checked once, and
    /// not for each way out of the loop.
    #[inline(always)]
    fn settled(&self, offset: usize) -> usize {
        offset
    }

    /// [`network::follow_extensions`]. The kernel's door does it in a function of its own: inlined, the ways through each chain would be
    /// multiplied with all that comes after.
    ///
    /// # Errors
    /// Those of that function.
    #[inline(always)]
    fn chain(&self, offset: usize, room: usize, kind: u8) -> Result<(u8, usize), Stop> {
        network::follow_extensions(self, offset, room, kind)
    }
}

impl Door for [u8] {
    fn length(&self) -> usize {
        self.len()
    }

    fn header<T: Header>(&self, offset: usize) -> Option<&T> {
        let bytes = self.get(offset..)?.get(..size_of::<T>())?;
        // SAFETY: `bytes` is as long as a `T`, lives as long as `self`, and a `Header` has alignment 1 and takes any
        // bit pattern.
        Some(unsafe { &*bytes.as_ptr().cast::<T>() })
    }
}
