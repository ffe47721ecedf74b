//! The addresses that instances are given.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses of one network: `10.3.0.100-10.3.0.199/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pool {
    first: IpAddr,
    last: IpAddr,
    /// Length of the network's prefix.
    pub(super) prefix: u8,
}

impl Pool {
    /// The range that `text` names; `None` when it names none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (range, prefix) = text.split_once('/')?;
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let pool = Self { first: first.parse().ok()?, last: last.parse().ok()?, prefix: prefix.parse().ok()? };
        let longest = if pool.first.is_ipv4() { 32 } else { 128 };
        let fits = pool.first.is_ipv4() == pool.last.is_ipv4() && (1..=longest).contains(&pool.prefix);
        (fits && pool.first <= pool.last).then_some(pool)
    }

    /// The first address that nobody has.
    pub(super) fn free(&self, taken: &BTreeSet<IpAddr>) -> Option<IpAddr> {
        (number(self.first)..=number(self.last)).map(|number| self.address(number)).find(|free| !taken.contains(free))
    }

    fn address(&self, number: u128) -> IpAddr {
        match self.first {
            IpAddr::V4(_) => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
            IpAddr::V6(_) => Ipv6Addr::from(number).into(),
        }
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}/{}", self.first, self.last, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_free_address_is_given_and_a_full_pool_gives_none() {
        for (text, taken, free) in [
            ("10.3.0.100-10.3.0.101/24", vec![], Some("10.3.0.100")),
            ("10.3.0.100-10.3.0.101/24", vec!["10.3.0.100"], Some("10.3.0.101")),
            ("10.3.0.255-10.3.1.0/16", vec!["10.3.0.255"], Some("10.3.1.0")),
            ("10.3.0.100/24", vec!["10.3.0.100"], None),
            ("fd00::fffe-fd00::1:0/64", vec!["fd00::fffe", "fd00::ffff"], Some("fd00::1:0")),
        ] {
            let taken = taken.iter().map(|address| address.parse().unwrap()).collect();
            let pool = Pool::parse(text).expect(text);
            assert_eq!(pool.free(&taken), free.map(|free| free.parse().unwrap()), "{text}");
            assert_eq!(Pool::parse(&pool.to_string()), Some(pool));
        }
    }

    #[test]
    fn what_is_no_range_of_one_network_is_no_pool() {
        for text in
            ["", "10.3.0.1", "10.3.0.9-10.3.0.1/24", "10.3.0.1-fd00::1/24", "10.3.0.1/33", "10.3.0.1/0", "a-b/24"]
        {
            assert_eq!(Pool::parse(text), None, "{text}");
        }
    }
}
