//! Which flows are active, without remembering any: a sketch of each target's flows, and of a listener's.
//!
//! Flajolet and Martin's probabilistic counting ("Probabilistic Counting Algorithms for Data Base Applications", 1985). A
//! flow's hash names one [`Cell`] of a sketch, and its packets set that cell's bit: the bucket is uniform, the bit geometric,
//! so that half of all flows have bit 0, a quarter bit 1 and so on. A bucket's lower bits fill up first, and whatever the
//! number of flows, some bits are neither nearly all set nor nearly all clear: those tell the number. Nothing has to be sized
//! for it.
//!
//! The same bit of all buckets is a *level*, and a table of sketches holds them level by level ([`row`]): half of all packets look
//! into one sixteenth of it, a quarter into another, so that what nearly all look at stays in the caches, pages and all.
//!
//! A flow has the same cell in every sketch, so the sketches of several targets, combined, are that of their flows together.
//!
//! What lives here is what the packet path does. The number is made of a sketch by whoever can compute an exponential.

/// Buckets of a sketch. An estimate's standard error is 0.65 / √`BUCKETS`, which is 1.4 %.
pub const BUCKETS: usize = 1 << BUCKET_BITS;

/// Bits of a bucket: room for a hundred million flows.
pub const LEVELS: u32 = u16::BITS;

/// Words of a sketch.
pub const WORDS: usize = LEVELS as usize * ROW_WORDS;

const BUCKET_BITS: u32 = 11;
/// Bits of a place within a word.
const PLACE_BITS: u32 = 6;
/// Words of a [`Row`].
const ROW_WORDS: usize = BUCKETS >> PLACE_BITS;

/// A level of a sketch: a bit for each bucket. It is what a table of sketches has as its entries.
pub type Row = [u64; ROW_WORDS];

/// The index of a row of the sketch number `sketch` in a table of so many `sketches`: that of the level that is the `block`th of
/// all.
#[inline(always)]
pub const fn row(sketches: u32, sketch: u32, block: u32) -> u32 {
    block * sketches + sketch
}

/// Cells that packets were of, level by level. 4 KiB.
///
/// A packet whose bit is set writes nothing, and that is nearly every one: the lines of a busy sketch are in the caches of all
/// CPUs at once. Nothing is atomic: two CPUs that set bits of one word in the same instant may lose one of them, and that
/// flow's next packet sets it again.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sketch(pub [u64; WORDS]);

/// A flow's place in every sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Which of the levels.
    pub block: u32,
    /// Which word of its row.
    pub word: usize,
    /// The bit that is the flow's, and no other.
    pub bit: u64,
}

/// Where a level stands among the others, of the only bit that is set in `level`, below 2^16.
///
/// Any order will do. This one takes a multiplication: four bits in a row are nowhere the same in the constant, a sequence of
/// de Bruijn's.
#[inline(always)]
const fn block_of(level: u32) -> u32 {
    level.wrapping_mul(0x09af) >> 12 & (LEVELS - 1)
}

impl Cell {
    /// The place of the flow with this hash, which is that of the whole flow whatever the group's affinity.
    ///
    /// Made of the hash's upper 27 bits. Its lower bits decide the slot: a sketch of one target has only flows whose lower bits
    /// lead to it, and must not tell them apart by these.
    #[inline(always)]
    pub const fn of(hash: u64) -> Self {
        // The lowest of the bits that are set. The highest one is always set, and takes what no other does.
        let levels = (hash >> (u64::BITS - BUCKET_BITS - LEVELS)) as u32 | 1 << (LEVELS - 1);
        let block = block_of(levels & levels.wrapping_neg());
        let bucket = hash >> (u64::BITS - BUCKET_BITS);
        Self { block, word: (bucket >> PLACE_BITS) as usize, bit: 1 << (bucket & ((1 << PLACE_BITS) - 1)) }
    }
}

impl Sketch {
    /// No flow.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// Whether no packet was seen.
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// Notes a flow.
    pub const fn set(&mut self, cell: Cell) {
        self.0[cell.block as usize * ROW_WORDS + cell.word] |= cell.bit;
    }

    /// The rows, in the order of their blocks.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [u64]> {
        self.0.chunks_exact_mut(ROW_WORDS)
    }

    /// Adds another sketch's flows; those of both count once.
    pub fn add(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word |= other;
        }
    }

    /// In how many buckets each level's bit is set.
    pub fn set_by_level(&self) -> [u32; LEVELS as usize] {
        core::array::from_fn(|level| {
            let words = &self.0[block_of(1 << level) as usize * ROW_WORDS..][..ROW_WORDS];
            words.iter().map(|word| word.count_ones()).sum()
        })
    }
}

impl Default for Sketch {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl core::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let set: u32 = self.set_by_level().iter().sum();
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
            let mut sketch = Sketch::EMPTY;
            sketch.set(Cell::of(levels << 37 | 0x5a5a));
            let set = sketch.set_by_level();
            assert_eq!(set.iter().sum::<u32>(), 1);
            taken.iter_mut().zip(set).for_each(|(taken, set)| *taken += set);
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
        let level = |cell| {
            let mut sketch = Sketch::EMPTY;
            sketch.set(cell);
            sketch.set_by_level().iter().position(|&set| set == 1)
        };
        assert_eq!((level(Cell::of(u64::MAX)), level(Cell::of(0))), (Some(0), Some(15)));
        let places = |levels: u64| (0..BUCKETS as u64).map(move |bucket| Cell::of(bucket << 53 | levels << 37));
        for levels in [1, 2, 0] {
            let block = places(levels).next().unwrap().block;
            let wanted = (0..BUCKETS).map(|bucket| Cell { block, word: bucket / 64, bit: 1 << (bucket % 64) });
            assert!(places(levels).eq(wanted), "a level's buckets stand in a row");
        }
    }

    #[test]
    fn a_full_sketch_is_full_at_every_level_and_no_cell_is_two() {
        let mut sketch = Sketch::EMPTY;
        for level in 0..LEVELS {
            for bucket in 0..BUCKETS as u64 {
                let before = sketch;
                sketch.set(Cell::of(bucket << 53 | 1 << (37 + level)));
                assert!(sketch != before);
            }
        }
        assert_eq!(sketch.set_by_level().map(|set| set as usize), [BUCKETS; LEVELS as usize]);
        assert!(sketch.0 == [u64::MAX; WORDS]);
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
