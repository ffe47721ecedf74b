//! When a member reaches which slot: integers only, so that all edges agree to the last bit.

use std::sync::LazyLock;

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::model::RingSize;
use crate::ring::Member;

/// Fraction bits of a share of the ring, from 0 (nothing) to 1 (all slots).
const SHARE_BITS: u32 = 36;
/// Segments between which the logarithm is interpolated: 2^12.
const SEGMENT_BITS: u32 = 12;
/// Fraction bits of moments before they are divided by a weight.
const MOMENT_BITS: u32 = 36;
/// Fraction bits of the reciprocal of a weight, which is below 2^10.
const RECIPROCAL_BITS: u32 = 20;

const SEGMENTS: usize = 1 << SEGMENT_BITS;

/// `-ln(1 - i / 2^12)` in units of 2^-36; the last, which is infinite, is the one before it and as much again.
type Logarithms = [u64; SEGMENTS + 1];

static LOGARITHMS: LazyLock<Logarithms> = LazyLock::new(|| {
    let mut table = [0; SEGMENTS + 1];
    let mut numerators = (1..=SEGMENTS as u64).rev();
    for (logarithm, numerator) in table.iter_mut().zip(&mut numerators) {
        *logarithm = minus_ln(numerator);
    }
    table[SEGMENTS] = table[SEGMENTS - 1] + (1 << MOMENT_BITS);
    table
});

/// `-ln(numerator / 2^12)` in units of 2^-36, by the bits of the binary logarithm, one after the other.
fn minus_ln(numerator: u64) -> u64 {
    /// `ln 2` in units of 2^-36.
    const LN_2: u128 = 47_632_711_549;
    let whole = numerator.ilog2();
    // The mantissa, in [1, 2), in units of 2^-62; each squaring doubles its logarithm.
    let mut mantissa = u128::from(numerator) << (62 - whole);
    let mut logarithm = u128::from(whole) << MOMENT_BITS;
    for bit in (0..MOMENT_BITS).rev() {
        mantissa = (mantissa * mantissa) >> 62;
        if mantissa >> 63 != 0 {
            mantissa >>= 1;
            logarithm |= 1 << bit;
        }
    }
    let below = (u128::from(SEGMENT_BITS) << MOMENT_BITS) - logarithm;
    u64::try_from((below * LN_2) >> MOMENT_BITS).unwrap_or(u64::MAX)
}

/// `-ln(1 - share)` in units of 2^-36, `share` in units of 2^-36 below 1.
#[inline(always)]
fn exponential(logarithms: &Logarithms, share: u64) -> u64 {
    const WITHIN: u32 = SHARE_BITS - SEGMENT_BITS;
    let segment = usize::try_from(share >> WITHIN).unwrap_or(usize::MAX).min(SEGMENTS - 1);
    let (low, high) = (logarithms[segment], logarithms[segment + 1]);
    low + (((high - low) * (share & ((1 << WITHIN) - 1))) >> WITHIN)
}

/// The moment by which members of that total weight have reached each slot `entries` times on average, as long as few of
/// them are through with all.
pub(super) fn moment_of_share(entries: u64, weight: u64) -> u64 {
    u64::try_from((u128::from(entries) << (MOMENT_BITS + RECIPROCAL_BITS)) / u128::from(weight)).unwrap_or(u64::MAX)
}

/// Which of two equal claims of slots comes first: the lower.
pub(in crate::ring) fn precedence(seed: u64, slot: u32) -> u32 {
    // The low half of a good hash.
    let hash = (u64::from(slot) ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let [a, b, c, d, ..] = (hash ^ hash >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93).to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// A member on its way through all slots.
#[derive(Clone, Copy, Debug)]
pub(in crate::ring) struct Runner {
    /// The first slot that it reaches.
    first: u32,
    /// The slot it reaches next.
    slot: u32,
    skip: u32,
    /// `skip × inverse` is 1 in 32 bits.
    inverse: u32,
    mask: u32,
    /// How many it has reached.
    count: u32,
    reciprocal: u64,
    phases: u64,
    logarithms: &'static Logarithms,
}

impl Runner {
    /// At its beginning.
    pub(in crate::ring) fn new(seed: u64, size: RingSize, member: &Member) -> Self {
        let hash = xxh3_128_with_seed(&member.identity.to_le_bytes(), seed).to_le_bytes();
        let word = |i: usize| u32::from_le_bytes([hash[i], hash[i + 1], hash[i + 2], hash[i + 3]]);
        let mask = size.get() - 1;
        Self {
            first: word(0) & mask,
            slot: word(0) & mask,
            skip: word(4) | 1,
            inverse: inverse(word(4) | 1),
            mask,
            count: 0,
            reciprocal: (1 << RECIPROCAL_BITS) / u64::from(member.weight.get()),
            phases: xxh3_64_with_seed(&hash, seed),
            logarithms: &LOGARITHMS,
        }
    }

    /// The moment at which it reaches the next slot, and the slot, if that is before `end`.
    #[inline(always)]
    pub(in crate::ring) fn next_before(&mut self, end: u64) -> Option<(u64, u32)> {
        if self.count > self.mask {
            return None;
        }
        let moment = self.moment(self.count);
        if moment >= end {
            return None;
        }
        let slot = self.slot;
        self.slot = self.slot.wrapping_add(self.skip) & self.mask;
        self.count += 1;
        Some((moment, slot))
    }

    /// The moment at which it reaches that slot.
    #[inline(always)]
    pub(in crate::ring) fn moment_at(&self, slot: u32) -> u64 {
        self.moment(self.count_at(slot))
    }

    /// The same if the slot is one of the first `count` that it reaches.
    #[inline(always)]
    pub(super) fn moment_within(&self, count: u32, slot: u32) -> Option<u64> {
        let at = self.count_at(slot);
        (at < count).then(|| self.moment(at))
    }

    /// How many slots it has reached before `end`.
    pub(super) fn count_before(&self, end: u64) -> u32 {
        let (mut before, mut after) = (0, self.mask + 1);
        while before < after {
            let middle = before + (after - before) / 2;
            if self.moment(middle) < end { before = middle + 1 } else { after = middle }
        }
        before
    }

    /// How many slots it reaches before that one.
    #[inline(always)]
    fn count_at(&self, slot: u32) -> u32 {
        slot.wrapping_sub(self.first).wrapping_mul(self.inverse) & self.mask
    }

    /// The moment at which it reaches its slot number `count`: that of the share `(count + phase) / slots`, where the phase
    /// is another one for each slot. Later slots have later moments.
    #[inline(always)]
    fn moment(&self, count: u32) -> u64 {
        let bits = self.mask.count_ones();
        let phase = (self.phases ^ u64::from(count)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - (SHARE_BITS - bits));
        exponential(self.logarithms, u64::from(count) << (SHARE_BITS - bits) | phase) * self.reciprocal
    }
}

/// The number that makes 1 with an odd one, in 32 bits: each step of Newton's method doubles the bits that are right, of
/// which the number itself has three.
fn inverse(odd: u32) -> u32 {
    (0..4).fold(odd, |inverse, _| inverse.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(inverse))))
}
