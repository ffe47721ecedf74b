//! One entry of a ring: an aligned 64-bit word, so that a store replaces it whole.

/// The number of a target in the target table; 0 is "none".
pub type TargetIndex = u32;

/// A slot: which target its flows go to, and whether a change of that is still in transition.
///
/// | bits | meaning |
/// | --- | --- |
/// | 0 to 30 | `current`, the target of new flows |
/// | 31 | `open`, a change of this slot is in transition |
/// | 32 to 62 | `previous`, the target before the last change |
/// | 63 | `pinned`, the flow table may hold a flow of this slot |
#[repr(transparent)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Slot(pub u64);

const INDEX: u64 = 0x7fff_ffff;
const OPEN: u64 = 1 << 31;
const PINNED: u64 = 1 << 63;

impl Slot {
    /// A slot without target: what a new map holds.
    pub const EMPTY: Self = Self(0);

    /// A closed slot, with nothing remembered.
    #[inline(always)]
    pub const fn closed(current: TargetIndex, previous: TargetIndex) -> Self {
        Self((current as u64 & INDEX) | (previous as u64 & INDEX) << 32)
    }

    /// The target of new flows, and while the slot is closed of all others too.
    #[inline(always)]
    pub const fn current(self) -> TargetIndex {
        (self.0 & INDEX) as u32
    }

    /// The target before the last change, 0 when there was none.
    #[inline(always)]
    pub const fn previous(self) -> TargetIndex {
        (self.0 >> 32 & INDEX) as u32
    }

    /// Whether a change of this slot is in transition.
    #[inline(always)]
    pub const fn is_open(self) -> bool {
        self.0 & OPEN != 0
    }

    /// Whether the flow table may hold a flow of this slot.
    #[inline(always)]
    pub const fn is_pinned(self) -> bool {
        self.0 & PINNED != 0
    }

    /// Whether `current` alone decides: neither flag is set.
    #[inline(always)]
    pub const fn is_steady(self) -> bool {
        self.0 & (OPEN | PINNED) == 0
    }
}

impl core::fmt::Debug for Slot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Slot")
            .field("current", &self.current())
            .field("previous", &self.previous())
            .field("open", &self.is_open())
            .field("pinned", &self.is_pinned())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_indexes_do_not_reach_the_flags() {
        let slot = Slot::closed(u32::MAX, u32::MAX);
        assert!(slot.is_steady());
        assert_eq!((slot.current(), slot.previous()), (0x7fff_ffff, 0x7fff_ffff));
    }

    #[test]
    fn flags_are_told_apart() {
        assert!(Slot(OPEN).is_open() && !Slot(OPEN).is_pinned() && !Slot(OPEN).is_steady());
        assert!(Slot(PINNED).is_pinned() && !Slot(PINNED).is_open() && !Slot(PINNED).is_steady());
    }
}
