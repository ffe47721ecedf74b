//! Which packets a capture is about.

use super::Headers;
use crate::address::Address;

/// Conditions on a packet's headers, all of which must hold. The default has none.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    /// Each holds the source or the destination address.
    pub ends: [Network; 2],
    /// Holds the destination address.
    pub destination: Network,
    /// Each holds the source or the destination port.
    pub ports: [PortRange; 2],
    /// Holds the destination port.
    pub destination_ports: PortRange,
    /// The IP protocol; 0 is any.
    pub protocol: u32,
    /// 1: only packets that are dropped.
    pub dropped: u32,
}

/// A network of either family, or any address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The address, whose bits beyond the prefix are zero.
    pub address: Address,
    /// The prefix: ones where an address must agree.
    pub mask: Address,
    /// 4 or 6; 0 holds any packet, one without address too.
    pub version: u32,
}

/// Ports from the first to the last, in the host's byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest, at least 1: a packet whose port isn't known has 0.
    pub first: u16,
    /// The highest; 0 holds any packet.
    pub last: u16,
}

impl Network {
    /// The addresses that agree with `address` in their first `length` bits, by the family's own count.
    pub fn new(address: Address, length: u8) -> Self {
        let (version, length) = if address.is_v4() { (4, u32::from(length) + 96) } else { (6, u32::from(length)) };
        let mut network = Self { version, ..Self::default() };
        let mut ones = length;
        for (word, &whole) in address.0.iter().enumerate() {
            let of_word = ones.min(u32::BITS);
            let mask = u32::MAX.checked_shl(u32::BITS - of_word).unwrap_or(0).to_be();
            network.mask.0[word] = mask;
            network.address.0[word] = whole & mask;
            ones -= of_word;
        }
        network
    }

    /// Whether the address of a packet of that version is in it.
    #[inline(always)]
    fn holds(&self, version: u32, address: &Address) -> bool {
        let apart = |word: usize| (address.0[word] & self.mask.0[word]) ^ self.address.0[word];
        self.version == 0 || self.version == version && apart(0) | apart(1) | apart(2) | apart(3) == 0
    }
}

impl PortRange {
    /// Whether a port, in network byte order, is in it.
    #[inline(always)]
    const fn holds(&self, port: u16) -> bool {
        let port = u16::from_be(port);
        self.last == 0 || self.first <= port && port <= self.last
    }
}

impl Pattern {
    /// Whether the conditions on headers hold.
    #[inline(always)]
    pub fn covers(&self, headers: &Headers) -> bool {
        let Headers { version, flow } = headers;
        let at_an_end =
            |network: &Network| network.holds(*version, &flow.source) || network.holds(*version, &flow.destination);
        let of_an_end = |ports: &PortRange| ports.holds(flow.source_port) || ports.holds(flow.destination_port);
        at_an_end(&self.ends[0])
            && at_an_end(&self.ends[1])
            && self.destination.holds(*version, &flow.destination)
            && of_an_end(&self.ports[0])
            && of_an_end(&self.ports[1])
            && self.destination_ports.holds(flow.destination_port)
            && (self.protocol == 0 || self.protocol == u32::from(flow.protocol))
    }
}
