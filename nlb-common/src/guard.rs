//! What a listener is guarded by: an access list, and a limit of new flows for each source.
//!
//! Every packet is checked, not only those that begin a flow: a source that is denied loses the flows it has, as with the network
//! ACLs of public clouds, and there is no state that a flood could fill or a restart forget. Only TCP says that a flow begins, so
//! only TCP's flows are limited.
//!
//! Whether a listener has anything to check is a bit of its claim, and what, stands in a table by the index of its counters: so it is
//! the same for a listener of one port and of many.
//!
//! All access lists stand in one table of longest prefixes, each under a number of its own, which is the first part of every key. A
//! list never changes: another one is written whole under another number, then one store in its listener's guard names it, and the
//! old one goes when no program reads it any more.

use crate::address::Address;
use crate::bucket::Limit;

/// How many flows a source may begin.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Flows per second, 1 to a thousand million.
    pub per_second: u32,
    /// Flows at once, at least 1.
    pub burst: u32,
}

impl Rate {
    /// The limit of a bucket of tokens, one for each flow.
    #[inline(always)]
    pub const fn limit(self) -> Limit {
        const SECOND: u64 = 1_000_000_000;
        let interval = match SECOND.checked_div(self.per_second as u64) {
            None | Some(0) => 1,
            Some(interval) => interval,
        };
        Limit { interval, burst: self.burst as u64 }
    }
}

/// What guards a listener. All of it is 0 where nothing does.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Guard {
    /// Number of the access list, 0 for none.
    pub access: u32,
    /// IPv4 sources that share so many bits are one.
    pub prefix_v4: u8,
    /// IPv6 sources that share so many bits are one.
    pub prefix_v6: u8,
    /// Always zero.
    pub padding: [u8; 2],
    /// New flows of each source; none of it is 0 where there is a limit, all of it where there is none.
    pub rate: Rate,
}

impl Guard {
    /// What guards nothing.
    pub const NONE: Self = Self::from_words([0; 2]);

    /// Whether there is anything to check.
    #[inline(always)]
    pub const fn is_any(&self) -> bool {
        self.access != 0 || self.has_limit()
    }

    /// Whether new flows are limited.
    #[inline(always)]
    pub const fn has_limit(&self) -> bool {
        self.rate.per_second != 0
    }

    /// The two words that it is made of, each stored whole.
    #[inline(always)]
    pub const fn words(&self) -> [u64; 2] {
        let Self { access, prefix_v4, prefix_v6, rate, .. } = *self;
        [
            access as u64 | (prefix_v4 as u64) << 32 | (prefix_v6 as u64) << 40,
            rate.per_second as u64 | (rate.burst as u64) << 32,
        ]
    }

    /// The guard that those words make.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "each field is its own bits")]
    pub const fn from_words([first, second]: [u64; 2]) -> Self {
        Self {
            access: first as u32,
            prefix_v4: (first >> 32) as u8,
            prefix_v6: (first >> 40) as u8,
            padding: [0; 2],
            rate: Rate { per_second: second as u32, burst: (second >> 32) as u32 },
        }
    }

    /// Who shares a bucket with `source`: the prefix that is taken for one source.
    #[inline(always)]
    pub const fn bucket_of(&self, source: &Address) -> Address {
        let [first, second, third, fourth] = source.0;
        if source.is_v4() {
            Address([first, second, third, fourth & mask(self.prefix_v4 as u32)])
        } else {
            let bits = self.prefix_v6 as u32;
            Address([
                first & mask(bits),
                second & mask(bits.saturating_sub(32)),
                third & mask(bits.saturating_sub(64)),
                fourth & mask(bits.saturating_sub(96)),
            ])
        }
    }
}

/// The first `bits` of a word in network byte order; all of them from 32 on.
#[inline(always)]
const fn mask(bits: u32) -> u32 {
    if bits >= 32 { u32::MAX } else { (!(u32::MAX >> bits)).to_be() }
}

/// A network of an access list: the key of the table of longest prefixes, without the length.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member {
    /// The list's number, from 1.
    pub list: u32,
    /// The network's address.
    pub address: Address,
}

impl Member {
    /// Bits of the key that name the list.
    pub const LIST: u32 = 32;
    /// Bits of a whole key.
    pub const WHOLE: u32 = Self::LIST + 128;
    /// The value of networks that are allowed; that of others is 0.
    pub const ALLOWED: u8 = 1;
}

/// Who takes from a bucket: the key of the table of sources.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Source {
    /// The source's prefix.
    pub address: Address,
    /// Index of the listener's counters.
    pub listener: u32,
}

/// What a listener's guard has refused, in packets.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Of sources that its access list denies.
    pub denied: u64,
    /// That would have begun a flow beyond their source's limit.
    pub limited: u64,
}

impl core::ops::AddAssign for Refused {
    fn add_assign(&mut self, other: Self) {
        self.denied = self.denied.wrapping_add(other.denied);
        self.limited = self.limited.wrapping_add(other.limited);
    }
}

const _: () = assert!(size_of::<Guard>() == 16, "two words");
const _: () = assert!(size_of::<Member>() == 20 && size_of::<Source>() == 20, "no hidden padding");

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;

    #[test]
    fn words_hold_all_of_a_guard() {
        let rate = Rate { per_second: 0x0102_0304, burst: 0x0506_0708 };
        let guard = Guard { access: 0xa0b0_c0d0, prefix_v4: 24, prefix_v6: 64, padding: [0; 2], rate };
        assert_eq!(Guard::from_words(guard.words()), guard);
        assert_eq!(Guard::default().words(), [0, 0]);
    }

    #[test]
    fn a_rate_gives_a_token_each_of_its_parts_of_a_second() {
        for (per_second, interval) in [(1, 1_000_000_000), (100, 10_000_000), (1_000_000_000, 1), (u32::MAX, 1)] {
            assert_eq!(Rate { per_second, burst: 7 }.limit(), Limit { interval, burst: 7 });
        }
    }

    #[test]
    fn sources_of_a_prefix_share_a_bucket() {
        for (prefix_v4, prefix_v6, source, bucket) in [
            (32, 128, "192.0.2.77", "192.0.2.77"),
            (24, 64, "192.0.2.77", "192.0.2.0"),
            (20, 64, "192.0.77.1", "192.0.64.0"),
            (8, 64, "192.0.2.77", "192.0.0.0"),
            (24, 128, "2001:db8::77", "2001:db8::77"),
            (24, 64, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            (24, 56, "2001:db8:1:2fff:3:4:5:6", "2001:db8:1:2f00::"),
            (24, 16, "2001:db8:1:2:3:4:5:6", "2001::"),
        ] {
            let guard = Guard { prefix_v4, prefix_v6, ..Guard::default() };
            let [source, bucket] = [source, bucket].map(|text| Address::from(text.parse::<IpAddr>().unwrap()));
            assert_eq!(guard.bucket_of(&source), bucket, "/{prefix_v4} and /{prefix_v6}");
        }
    }
}
