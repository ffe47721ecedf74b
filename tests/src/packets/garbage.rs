//! Bytes that nobody would send.

/// A seeded generator (xorshift64*): the same garbage for the same seed.
#[derive(Clone, Debug)]
pub struct Garbage(u64);

impl Garbage {
    /// The garbage of `seed`.
    pub const fn new(seed: u64) -> Self {
        // Near seeds must not give garbage that begins alike, and 0 would give nothing but zeros.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    /// A number less than `limit`.
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is less than a usize")]
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of `things`.
    pub fn one_of<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.below(things.len())]
    }

    /// Bytes of any value.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// Values that sit on the edges of what fields may be, more often than chance would.
    pub fn byte(&mut self) -> u8 {
        const EDGES: [u8; 16] = [0, 1, 4, 5, 6, 8, 17, 20, 40, 43, 44, 60, 0x45, 0x60, 0x81, 0xff];
        if self.once_in(2) { *self.one_of(&EDGES) } else { self.next().to_le_bytes()[0] }
    }
}
