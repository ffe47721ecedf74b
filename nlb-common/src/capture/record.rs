//! What the kernel hands over of a captured packet.

use crate::drop_reason::DropReason;
use crate::way::WayOutcome;

/// The number of a reason or outcome that there is none of.
pub const NONE: u32 = u32::MAX;

/// What stands in the ring buffer before the bytes that are kept: first those of the frame as it came, then those of the frame
/// as it left, if it did.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it came, by the kernel's monotonic clock in nanoseconds.
    pub received: u64,
    /// When what becomes of it was decided.
    pub decided: u64,
    /// Index of the interface that it came in by.
    pub interface: u32,
    /// The XDP action.
    pub action: u32,
    /// Number of the [`DropReason`], or [`NONE`].
    pub reason: u32,
    /// Number of the [`WayOutcome`], or [`NONE`].
    pub outcome: u32,
    /// Length of the frame as it came.
    pub length_before: u32,
    /// How many bytes of it are kept.
    pub kept_before: u32,
    /// Length of the frame as it left; 0 if it didn't.
    pub length_after: u32,
    /// How many bytes of it are kept.
    pub kept_after: u32,
}

impl Record {
    /// Reads what stands in the ring buffer: the record, and what is kept of both frames. `None` if it is none.
    pub fn parse(bytes: &[u8]) -> Option<(Self, &[u8], &[u8])> {
        let (record, kept) = bytes.split_at_checked(size_of::<Self>())?;
        // SAFETY: `record` has the length of a `Record`, which takes any bit pattern, and is read wherever it stands.
        let record = unsafe { record.as_ptr().cast::<Self>().read_unaligned() };
        let (before, after) = kept.split_at_checked(usize::try_from(record.kept_before).ok()?)?;
        Some((record, before, after.get(..usize::try_from(record.kept_after).ok()?)?))
    }

    /// Why the packet was dropped.
    pub fn drop_reason(&self) -> Option<DropReason> {
        DropReason::ALL.get(usize::try_from(self.reason).ok()?).copied()
    }

    /// What a way off the fast path did with it.
    pub fn way_outcome(&self) -> Option<WayOutcome> {
        WayOutcome::ALL.get(usize::try_from(self.outcome).ok()?).copied()
    }
}
