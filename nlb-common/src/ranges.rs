//! Listeners of many ports: ranges, and all ports of an address.
//!
//! A packet whose port has a listener of its own never comes here. Any other costs one look-up more, in a hash table by address
//! and protocol, whose value holds all the ranges there are for the two, the narrowest first: the first that holds the port is
//! the most specific. Ranges of one width don't overlap, so it is the only one.
//!
//! Why not blocks of ports with a common prefix in the listener table itself: a range falls into up to 30 of them, of sixteen
//! lengths, and each length is a look-up. Why a list: the value's first line holds sixteen ranges, and hardly anybody has more.
//!
//! The agent replaces a value as a whole, and the kernel puts the new one in before it takes the old one out, so a packet sees
//! all ranges as they were or all as they are. What is taken out may serve for the next value: the agent waits until every
//! program that may still read there has ended.

use crate::address::Address;
use crate::listener::{Claim, Listener, ListenerKey};

/// How many ranges one address and protocol has at most.
pub const MOST: usize = 64;

/// Whose ranges they are.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RangesKey {
    /// The VIP.
    pub address: Address,
    /// IP protocol number.
    pub protocol: u32,
}

impl RangesKey {
    /// Where a listener of many ports stands.
    pub const fn of(listener: &ListenerKey) -> Self {
        Self { address: listener.address, protocol: listener.protocol as u32 }
    }
}

/// A range of ports: the first in the low half, in the high half how many follow it, both in host byte order. 0: none.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bounds(u32);

impl Bounds {
    const fn of(listener: &ListenerKey) -> Self {
        Self(u16::from_be(listener.port) as u32 | (listener.more_ports as u32) << 16)
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the low half")]
    const fn first(self) -> u16 {
        self.0 as u16
    }

    #[inline(always)]
    const fn more(self) -> u16 {
        (self.0 >> 16) as u16
    }
}

/// All listeners of many ports of an address and protocol.
///
/// Each has a sketch of its own, with the index of its counters, if there is room.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ranges {
    bounds: [Bounds; MOST],
    claims: [Claim; MOST],
    groups: [u32; MOST],
}

impl Ranges {
    /// Those listeners, in the order of their keys; beyond [`MOST`] they are left out.
    pub fn new(listeners: &[(ListenerKey, Listener)]) -> Self {
        let mut ranges =
            Self { bounds: [Bounds::default(); MOST], claims: [Claim::default(); MOST], groups: [0; MOST] };
        let places = ranges.bounds.iter_mut().zip(&mut ranges.claims).zip(&mut ranges.groups);
        for (((bounds, claim), group), (key, listener)) in places.zip(listeners) {
            (*bounds, *claim, *group) = (Bounds::of(key), Claim::of(listener), listener.group);
        }
        ranges
    }

    /// What the narrowest range that holds `port`, host byte order, claims; no valid claim when there is none.
    #[inline(always)]
    pub fn claim_of(&self, port: u16) -> Claim {
        for (bounds, claim) in self.bounds.iter().zip(&self.claims) {
            if bounds.0 == 0 {
                break;
            }
            if port.wrapping_sub(bounds.first()) <= bounds.more() {
                return *claim;
            }
        }
        Claim::default()
    }

    /// The listeners, which are of `key`.
    pub fn listeners(&self, key: &RangesKey) -> impl Iterator<Item = (ListenerKey, Listener)> {
        let used = self.bounds.iter().take_while(|bounds| bounds.0 != 0);
        used.zip(&self.claims).zip(&self.groups).map(move |((bounds, claim), group)| {
            #[expect(clippy::cast_possible_truncation, reason = "a protocol is a byte")]
            let first = ListenerKey::new(key.address, key.protocol as u8, bounds.first());
            let more_ports = bounds.more();
            (ListenerKey { more_ports, ..first }, claim.listener(*group, claim.counters()))
        })
    }
}

const _: () = assert!(size_of::<Ranges>() == MOST * 16 && size_of::<RangesKey>() == 20, "no hidden padding");

#[cfg(test)]
mod tests;
