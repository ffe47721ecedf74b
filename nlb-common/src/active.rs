//! Which flows are active, without remembering any: a sketch of each target's flows, and of a listener's.
//!
//! Flajolet and Martin's probabilistic counting ("Probabilistic Counting Algorithms for Data Base Applications", 1985). A
//! flow's hash names one [`Cell`] of a sketch, and its packets set that cell's bit: the bucket is uniform, the bit geometric,
//! so that half of all flows have bit 0, a quarter bit 1 and so on. A bucket's lower bits fill up first, and whatever the
//! number of flows, some bits are neither nearly all set nor nearly all clear: those tell the number. Nothing has to be sized
//! for it.
//!
//! A flow has the same cell in every sketch, so the sketches of several targets, combined, are that of their flows together.
//!
//! What lives here is what the packet path does. The number is made of a sketch by whoever can compute an exponential.

/// Buckets of a sketch. An estimate's standard error is 0.65 / √`BUCKETS`, which is 1.4 %.
pub const BUCKETS: usize = 1 << BUCKET_BITS;

/// Bits of a bucket: room for a hundred million flows.
pub const LEVELS: u32 = u16::BITS;

const BUCKET_BITS: u32 = 11;

/// Cells that packets were of, one word of [`LEVELS`] bits a bucket. 4 KiB.
///
/// A packet whose bit is set writes nothing, and that is nearly every one: the lines of a busy sketch are in the caches of all
/// CPUs at once. Nothing is atomic: two CPUs that set bits of one bucket in the same instant may lose one of them, and that
/// flow's next packet sets it again.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sketch(pub [u16; BUCKETS]);

/// A flow's place in every sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Below [`BUCKETS`].
    pub bucket: usize,
    /// The bit that is the flow's, and no other.
    pub bit: u16,
}

impl Cell {
    /// The place of the flow with this hash, which is that of the whole flow whatever the group's affinity.
    ///
    /// Made of the hash's upper 27 bits. Its lower bits decide the slot: a sketch of one target has only flows whose lower bits
    /// lead to it, and must not tell them apart by these.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the words are cut out of the hash")]
    pub const fn of(hash: u64) -> Self {
        // The lowest of the bits that are set. The highest one is always set, and takes what no other does.
        let levels = (hash >> (u64::BITS - BUCKET_BITS - LEVELS)) as u32 | 1 << (LEVELS - 1);
        Self { bucket: (hash >> (u64::BITS - BUCKET_BITS)) as usize, bit: (levels & levels.wrapping_neg()) as u16 }
    }
}

impl Sketch {
    /// No flow.
    pub const EMPTY: Self = Self([0; BUCKETS]);

    /// Whether no packet was seen.
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// Notes a flow.
    pub const fn set(&mut self, cell: Cell) {
        self.0[cell.bucket] |= cell.bit;
    }

    /// Adds another sketch's flows; those of both count once.
    pub fn add(&mut self, other: &Self) {
        for (bucket, other) in self.0.iter_mut().zip(&other.0) {
            *bucket |= other;
        }
    }
}

impl Default for Sketch {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl core::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let set: u32 = self.0.iter().map(|bucket| bucket.count_ones()).sum();
        f.debug_struct("Sketch").field("cells", &set).finish_non_exhaustive()
    }
}

const _: () = assert!(size_of::<Sketch>() == 4096, "as the documentation says, and no hidden padding");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_takes_half_of_what_the_one_below_leaves() {
        // Every value of the bits that decide the level, once.
        let mut taken = [0_u32; LEVELS as usize];
        for levels in 0..1_u64 << LEVELS {
            let cell = Cell::of(levels << 37 | 0x5a5a);
            assert_eq!(cell.bit.count_ones(), 1);
            taken[cell.bit.trailing_zeros() as usize] += 1;
        }
        for (level, &taken) in taken.iter().enumerate() {
            let share = if level == 15 { 2 } else { 1 << (15 - level) };
            assert_eq!(taken, share, "level {level}");
        }
    }

    #[test]
    fn buckets_and_levels_are_of_bits_that_decide_no_slot() {
        for slot in 0..20 {
            assert_eq!(Cell::of(1 << slot), Cell::of(0));
        }
        assert_eq!(Cell::of(u64::MAX), Cell { bucket: BUCKETS - 1, bit: 1 });
        assert_eq!(Cell::of(0), Cell { bucket: 0, bit: 1 << 15 });
        let buckets = (0..BUCKETS as u64).map(|bucket| Cell::of(bucket << 53).bucket);
        assert!(buckets.eq(0..BUCKETS));
    }

    #[test]
    fn the_flows_of_two_sketches_are_those_of_either() {
        let [mut one, mut other, mut both] = [Sketch::EMPTY; 3];
        for hash in (0..1000_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            both.set(Cell::of(hash));
            if hash % 3 != 0 {
                one.set(Cell::of(hash));
            }
            if hash % 3 != 1 {
                other.set(Cell::of(hash));
            }
        }
        one.add(&other);
        assert_eq!(one, both);
        assert!(Sketch::default().is_empty() && !both.is_empty());
    }
}
