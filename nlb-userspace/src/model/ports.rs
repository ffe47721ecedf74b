//! The ports of a listener.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One port, a range, or all: never port 0. Written `80`, `8000-8099` or `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ports {
    first: u16,
    last: u16,
}

/// Why a text names no ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names no ports: write 80, 8000-8099 (from 1 to 65535, the lower first) or all")]
pub struct InvalidPorts {
    text: String,
}

impl Ports {
    /// Every port.
    pub const ALL: Self = Self { first: 1, last: u16::MAX };

    /// The ports from `first` to `last`; `None` when there is none, or 0 among them.
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first >= 1 && first <= last { Some(Self { first, last }) } else { None }
    }

    /// The lowest.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest.
    pub const fn last(self) -> u16 {
        self.last
    }

    /// The port, if it is only one.
    pub const fn only(self) -> Option<u16> {
        if self.first == self.last { Some(self.first) } else { None }
    }

    /// How many there are.
    pub const fn count(self) -> u32 {
        self.last as u32 - self.first as u32 + 1
    }

    /// Whether `port` is one of them.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// Whether both have a port.
    pub const fn overlap(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// An address with ports, as people write it: `192.0.2.1:80`, `[2001:db8::1]:8000-8099`, `192.0.2.1:all`.
pub fn at(address: IpAddr, ports: impl fmt::Display) -> String {
    match address {
        IpAddr::V4(v4) => format!("{v4}:{ports}"),
        IpAddr::V6(v6) => format!("[{v6}]:{ports}"),
    }
}

/// Where a listener accepts traffic, as people write it: as [`at`], or the network of a gateway, which has a prefix length.
pub fn place(address: IpAddr, prefix_length: Option<u8>, ports: impl fmt::Display) -> String {
    prefix_length.map_or_else(|| at(address, ports), |length| format!("{address}/{length}"))
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.only() {
            _ if *self == Self::ALL => f.write_str("all"),
            Some(port) => write!(f, "{port}"),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl FromStr for Ports {
    type Err = InvalidPorts;

    fn from_str(text: &str) -> Result<Self, InvalidPorts> {
        if text == "all" {
            return Ok(Self::ALL);
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| text.trim().parse::<u16>().ok();
        let ports = number(first).zip(number(last)).and_then(|(first, last)| Self::new(first, last));
        ports.ok_or_else(|| InvalidPorts { text: text.to_owned() })
    }
}

impl TryFrom<String> for Ports {
    type Error = InvalidPorts;

    fn try_from(text: String) -> Result<Self, InvalidPorts> {
        text.parse()
    }
}

impl From<Ports> for String {
    fn from(ports: Ports) -> Self {
        ports.to_string()
    }
}

impl From<u16> for Ports {
    /// One port. There is no listener of port 0: it is taken for 1.
    fn from(port: u16) -> Self {
        let port = if port == 0 { 1 } else { port };
        Self { first: port, last: port }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_they_are_shown_and_nothing_else_is() {
        for (text, first, last) in [("80", 80, 80), ("8000-8099", 8_000, 8_099), ("all", 1, 65_535), ("1-2", 1, 2)] {
            let ports = Ports::new(first, last).unwrap();
            assert_eq!((text.parse(), ports.to_string().as_str()), (Ok(ports), text));
        }
        assert_eq!("7-7".parse::<Ports>().unwrap().to_string(), "7");
        assert_eq!("1-65535".parse::<Ports>().unwrap(), Ports::ALL);
        for text in ["", "0", "0-5", "5-4", "-", "1-", "-1", "65536", "1-65536", "any", "1,2", "All"] {
            assert!(text.parse::<Ports>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ports_overlap_where_they_share_one() {
        let ports = |text: &str| text.parse::<Ports>().unwrap();
        for (a, b, overlap) in
            [("1-5", "5-9", true), ("1-5", "6-9", false), ("all", "80", true), ("10-20", "12-13", true)]
        {
            assert_eq!((ports(a).overlap(ports(b)), ports(b).overlap(ports(a))), (overlap, overlap), "{a} and {b}");
        }
    }
}
