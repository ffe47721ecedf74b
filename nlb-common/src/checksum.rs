//! The Internet checksum (RFC 1071) as a chain of additions and removals (RFC 1624).
//!
//! A one's-complement sum does not care for byte order as long as all words have the same, so words are taken as they
//! stand in memory and the result is stored as it is.

use crate::packet::Door;

/// How many bytes [`Checksum::add_bytes`] adds in one step. A multiple of four.
const STEP: usize = 64;

/// A sum that is not folded yet. Words are in network byte order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksum(u64);

impl Checksum {
    /// Of nothing.
    pub const fn new() -> Self {
        Self(0)
    }

    /// Goes on from a checksum that stands in a header.
    #[inline(always)]
    pub const fn from_header(checksum: u16) -> Self {
        Self(!checksum as u64)
    }

    /// Adds a 16-bit word. A chain holds some 2^32 words before it could overflow: far more than a packet has.
    #[inline(always)]
    #[must_use]
    pub const fn add_u16(self, word: u16) -> Self {
        Self(self.0.wrapping_add(word as u64))
    }

    /// Adds two 16-bit words at once.
    #[inline(always)]
    #[must_use]
    pub const fn add_u32(self, words: u32) -> Self {
        Self(self.0.wrapping_add(words as u64))
    }

    /// Adds what another chain has added.
    #[inline(always)]
    #[must_use]
    pub const fn add(self, other: Self) -> Self {
        // Folded to 32 bits, so that two long chains don't overflow.
        self.add_u32(other.folded())
    }

    /// A chain that goes on from a [`folded`](Self::folded) one.
    #[inline(always)]
    pub const fn from_folded(sum: u32) -> Self {
        Self(sum as u64)
    }

    /// The sum in 32 bits.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "folded to 32 bits just before")]
    pub const fn folded(self) -> u32 {
        let sum = (self.0 >> 32) + (self.0 & 0xffff_ffff);
        ((sum >> 32) + (sum & 0xffff_ffff)) as u32
    }

    /// Adds `length` bytes of a packet from `offset` on, `MOST` at most; an odd byte as if a zero followed (RFC 1071).
    #[inline(always)]
    #[must_use]
    pub fn add_bytes<D: Door + ?Sized, const MOST: usize>(
        mut self,
        door: &D,
        offset: usize,
        length: usize,
    ) -> Option<Self> {
        let length = length.min(MOST);
        let mut at = 0;
        // By large steps first: the kernel's verifier walks through each.
        for _ in 0..MOST / STEP {
            if at + STEP > length {
                break;
            }
            self = self.add_words(door.header(offset + at)?);
            at += STEP;
        }
        let (offset, length) = (door.settled(offset + at), door.settled(length - at));
        at = 0;
        for _ in 1..STEP / 4 {
            if at + 4 > length {
                break;
            }
            self = self.add_u32(u32::from_ne_bytes(*door.header(offset + at)?));
            at += 4;
        }
        self.add_tail(door, door.settled(offset + at), length - at)
    }

    /// Adds the words of [`STEP`] bytes.
    #[inline(always)]
    fn add_words(mut self, bytes: &[[u8; 4]; STEP / 4]) -> Self {
        for words in bytes {
            self = self.add_u32(u32::from_ne_bytes(*words));
        }
        self
    }

    /// Adds the last bytes, three at most.
    #[inline(always)]
    fn add_tail<D: Door + ?Sized>(self, door: &D, offset: usize, length: usize) -> Option<Self> {
        let byte = |at| door.header::<u8>(offset + at).copied();
        match length {
            0 => Some(self),
            1 => Some(self.add_u16(u16::from_ne_bytes([byte(0)?, 0]))),
            2 => Some(self.add_u16(u16::from_ne_bytes([byte(0)?, byte(1)?]))),
            _ => {
                Some(self.add_u16(u16::from_ne_bytes([byte(0)?, byte(1)?])).add_u16(u16::from_ne_bytes([byte(2)?, 0])))
            }
        }
    }

    /// Takes away a 16-bit word that was added before.
    #[inline(always)]
    #[must_use]
    pub const fn remove_u16(self, word: u16) -> Self {
        self.add_u16(!word)
    }

    /// Takes away two 16-bit words that were added before.
    #[inline(always)]
    #[must_use]
    pub const fn remove_u32(self, words: u32) -> Self {
        self.add_u32(!words)
    }

    /// The checksum as it is stored in a header.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "folded to 16 bits just before")]
    pub const fn finish(self) -> u16 {
        let sum = (self.0 >> 32) + (self.0 & 0xffff_ffff);
        let sum = (sum >> 32) + (sum & 0xffff_ffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        !(sum as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1071, section 3, and IPv4 headers captured with tcpdump.
    const KNOWN: &[(&[u8], u16)] = &[
        (&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], !0xddf2),
        (&[0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7], 0xb861),
        (
            &[0x45, 0, 0, 0x3c, 0x1c, 0x46, 0x40, 0, 0x40, 6, 0, 0, 0xac, 0x10, 0x0a, 0x63, 0xac, 0x10, 0x0a, 0x0c],
            0xb1e6,
        ),
    ];

    fn pairs(bytes: &[u8]) -> impl Iterator<Item = u16> {
        bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]]))
    }

    #[test]
    fn known_headers_have_their_known_checksums() {
        for (bytes, expected) in KNOWN {
            let by_pairs = pairs(bytes).fold(Checksum::default(), Checksum::add_u16);
            let by_fours = bytes
                .chunks_exact(4)
                .map(|four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]))
                .fold(Checksum::default(), Checksum::add_u32);
            assert_eq!(by_pairs.finish(), expected.to_be());
            assert_eq!(by_fours.finish(), expected.to_be());
        }
    }

    #[test]
    fn a_changed_word_gives_the_checksum_of_the_changed_header() {
        for (bytes, known) in KNOWN {
            for (i, old) in pairs(bytes).enumerate() {
                for new in [0x0000_u16, 0x0001, 0x1234, 0x8000, 0xfffe] {
                    let changed = Checksum::from_header(known.to_be()).remove_u16(old).add_u16(new).finish();
                    let whole = pairs(bytes)
                        .enumerate()
                        .map(|(j, word)| if i == j { new } else { word })
                        .fold(Checksum::default(), Checksum::add_u16);
                    assert_eq!(changed, whole.finish(), "word {i} of {bytes:02x?} becomes {new:04x}");
                }
            }
        }
    }

    #[test]
    fn bytes_of_any_number_have_the_sum_of_their_words() {
        let bytes: [u8; 203] = core::array::from_fn(|at| u8::try_from(at & 0xff).unwrap().wrapping_mul(37) | 1);
        for length in 0..=bytes.len() {
            let mut padded = [0; 204];
            padded[..length].copy_from_slice(&bytes[..length]);
            let expected = pairs(&padded).fold(Checksum::new(), Checksum::add_u16).finish();
            let sum = Checksum::new().add_bytes::<_, 256>(&bytes[..], 0, length).unwrap();
            assert_eq!(sum.finish(), expected, "{length}");
            let most = Checksum::new().add_bytes::<_, 128>(&bytes[..], 0, length).unwrap();
            let summed = Checksum::new().add_bytes::<_, 256>(&bytes[..], 0, length.min(128)).unwrap();
            assert_eq!(most.finish(), summed.finish(), "{length}, 128 at most");
        }
        for short in 1..=bytes.len() {
            let beyond = Checksum::new().add_bytes::<_, 256>(&bytes[short..], 0, bytes.len());
            assert!(beyond.is_none(), "it ends {short} bytes before");
        }
    }

    #[test]
    fn carries_of_carries_are_folded_in() {
        let sum = (0..9).fold(Checksum::default(), |sum, _| sum.add_u32(u32::MAX));
        assert_eq!(sum.finish(), 0);
    }
}
