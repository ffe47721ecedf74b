//! Addresses that an edge has anything to do with, as bits of an array.
//!
//! Most of what passes an edge without being for a listener is none of its business. A bit for the address says so for the price of
//! one access to an array, before anybody asks the tables of what is rare: listeners of many ports, translated flows, exclusive VIPs.
//! Two addresses may share a bit, so a bit that is set means "perhaps"; one that isn't means "no".

use crate::address::Address;

/// How many bits there are.
pub const BITS: u32 = 1 << 16;

/// How many words hold them.
pub const WORDS: u32 = BITS / u64::BITS;

/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where an address has its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Index of the word.
    pub word: u32,
    /// The bit, as the only one of a word.
    pub bit: u64,
}

impl Place {
    /// The place of `address`.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the highest 16 of 64 bits")]
    pub const fn of(address: &Address) -> Self {
        let [first, second, third, fourth] = address.0;
        let network = (first as u64 | (second as u64) << u32::BITS).wrapping_mul(GOLDEN);
        let hash = (network ^ (third as u64 | (fourth as u64) << u32::BITS)).wrapping_mul(GOLDEN);
        // Neighbours differ in their highest bits: a second round takes that to all of those that count.
        let hash = (hash ^ hash >> u32::BITS).wrapping_mul(GOLDEN);
        let number = (hash >> (u64::BITS - BITS.ilog2())) as u32;
        Self { word: number / u64::BITS, bit: 1 << (number % u64::BITS) }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::HashSet;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    fn distinct(addresses: impl Iterator<Item = Address>) -> usize {
        let places: HashSet<Place> = addresses.map(|address| Place::of(&address)).collect();
        assert!(places.iter().all(|place| place.word < WORDS && place.bit.is_power_of_two()));
        places.len()
    }

    #[test]
    fn neighbours_have_bits_of_their_own() {
        let v4 = |bits: u32| Address::from(IpAddr::V4(Ipv4Addr::from_bits(bits)));
        let v6 = |bits: u128| Address::from(IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) + bits)));
        let cases = [
            distinct((0..1_000).map(|number| v4(0xcb00_7100 + number))),
            distinct((0..1_000).map(|number| v4(0x0a00_0001 + (number << 8)))),
            distinct((0..1_000).map(v6)),
            distinct((0..1_000).map(|number| v6((number << 64) + 1))),
        ];
        // At random, 1,000 of 65,536 places would be hit twice some 8 times.
        for distinct in cases {
            assert!(distinct > 970, "{distinct} of 1,000");
        }
    }
}
