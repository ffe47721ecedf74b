//! One entry of a ring: an aligned 64-bit word, so that a store replaces it whole.

/// The number of a target in the target table; 0 is "none".
pub type TargetIndex = u32;

/// A slot: which target its flows go to, and whether a change of that is still in transition.
///
/// | bits | meaning |
/// | --- | --- |
/// | 0 to 23 | `current`, the target of new flows |
/// | 24 to 47 | `previous`, the target before the transition; once closed, a hint where a flow may still be |
/// | 48 to 61 | `opened`, when the transition began: seconds of the monotonic clock, modulo 2^14 |
/// | 62 | `open`, a change of this slot is in transition |
/// | 63 | `pinned`, the flow table may hold a flow of this slot |
///
/// While a slot is open, a flow that is not pinned belongs to `previous`; while it is closed, to `current`.
#[repr(transparent)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Slot(pub u64);

const INDEX: u64 = 0xff_ffff;
const PREVIOUS: u32 = 24;
const OPENED: u32 = 48;
const TICK: u64 = 0x3fff;
const OPEN: u64 = 1 << 62;
const PINNED: u64 = 1 << 63;

/// The largest index that a slot can name.
#[expect(clippy::cast_possible_truncation, reason = "24 bits")]
pub const LARGEST_TARGET: TargetIndex = INDEX as TargetIndex;

/// A moment as a slot holds it: seconds of the monotonic clock, modulo 2^14 (four and a half hours). The longest
/// transition is shorter, so that a difference of two is right as long as an agent looks at the slot in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tick(u16);

impl Tick {
    /// The tick of a moment of the monotonic clock.
    pub const fn at(monotonic_seconds: u64) -> Self {
        Self((monotonic_seconds & TICK) as u16)
    }

    /// Seconds from `earlier` to this tick.
    pub const fn since(self, earlier: Self) -> u32 {
        (self.0.wrapping_sub(earlier.0) as u64 & TICK) as u32
    }
}

impl Slot {
    /// A slot without target: what a new map holds.
    pub const EMPTY: Self = Self(0);

    /// A closed slot without pins.
    #[inline(always)]
    pub const fn closed(current: TargetIndex, previous: TargetIndex) -> Self {
        Self((current as u64 & INDEX) | (previous as u64 & INDEX) << PREVIOUS)
    }

    /// A slot in transition since `opened`. It may get pins from now on.
    #[inline(always)]
    pub const fn open(current: TargetIndex, previous: TargetIndex, opened: Tick) -> Self {
        Self(Self::closed(current, previous).0 | (opened.0 as u64) << OPENED | OPEN | PINNED)
    }

    /// The same slot, with another target for new flows.
    #[inline(always)]
    pub const fn with_current(self, current: TargetIndex) -> Self {
        Self(self.0 & !INDEX | current as u64 & INDEX)
    }

    /// The same slot, its transition over; what is pinned stays pinned.
    #[inline(always)]
    pub const fn close(self) -> Self {
        Self(self.0 & !OPEN)
    }

    /// The same slot, with or without pins.
    #[inline(always)]
    pub const fn with_pins(self, pinned: bool) -> Self {
        if pinned { Self(self.0 | PINNED) } else { Self(self.0 & !PINNED) }
    }

    /// The target of new flows, and while the slot is closed of all others too.
    #[inline(always)]
    pub const fn current(self) -> TargetIndex {
        (self.0 & INDEX) as u32
    }

    /// The target before the transition, 0 when there was none.
    #[inline(always)]
    pub const fn previous(self) -> TargetIndex {
        (self.0 >> PREVIOUS & INDEX) as u32
    }

    /// When the last transition began.
    #[inline(always)]
    pub const fn opened(self) -> Tick {
        Tick((self.0 >> OPENED & TICK) as u16)
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
            .field("opened", &self.opened())
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
        assert_eq!((slot.current(), slot.previous()), (LARGEST_TARGET, LARGEST_TARGET));
    }

    #[test]
    fn a_transition_is_read_as_it_was_written() {
        let opened = Tick::at(70_000);
        let slot = Slot::open(3, 7, opened);
        assert_eq!((slot.current(), slot.previous(), slot.opened()), (3, 7, opened));
        assert!(slot.is_open() && slot.is_pinned() && !slot.is_steady());
        let closed = slot.with_current(9).close();
        assert_eq!((closed.current(), closed.previous()), (9, 7));
        assert!(!closed.is_open() && closed.is_pinned() && !closed.is_steady());
        assert!(closed.with_pins(false).is_steady());
    }

    #[test]
    fn ticks_count_on_over_their_end() {
        assert_eq!(Tick::at(16_390).since(Tick::at(16_380)), 10);
        assert_eq!(Tick::at(5).since(Tick::at(5)), 0);
    }
}
