//! The listener table: who accepts a packet, and what becomes of it.
//!
//! An array of [`Entry`]s, four for each listener that there is room for. A listener stands in one of the two places that its
//! key hashes to ([`Key::places`], cuckoo hashing: Pagh and Rodler, 2001): a packet looks at the first, and if that holds
//! anybody else at the second, and never at more, however many listeners there are. The packet path computes the place by
//! itself instead of calling into a hash table, and all that it needs to go on stands in the same cache line.
//!
//! One agent writes, packets read meanwhile. What keeps them from seeing half an entry, or none of a listener that is there:
//!
//! - [`Entry::head`] names the listener, and is 0 while the entry is free: it is stored last when an entry is filled and
//!   first when it is emptied. An entry is filled anew only after every program that may have read its old head has ended.
//! - [`Claim`] is all that a packet's way hangs on, in one word: one store changes it whole. It is never 0 in an entry with a
//!   head, so that a CPU which sees the head before the rest takes the entry for free.
//! - A listener that makes room for another is first written to its other place, and taken from the old one only when every
//!   program that may have found the new one empty has ended.

use crate::address::Address;
use crate::guard::Guard;
use crate::hash::{Affinity, Flow};
use crate::tables::Group;

/// Where a listener accepts traffic. In order, those of one address and protocol stand together: first those of one port,
/// then those of more, the narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerKey {
    /// The VIP.
    pub address: Address,
    /// IP protocol number.
    pub protocol: u8,
    /// How many ports follow the first, host byte order; 0: it has one port, and stands in the table of this file. The
    /// others are in [`ranges`](crate::ranges).
    pub more_ports: u16,
    /// Port, or the first of several, network byte order.
    pub port: u16,
    /// Bits of the address that count, an IPv4 one taken as IPv4-mapped: all 128, but for a gateway.
    pub prefix: u8,
}

impl ListenerKey {
    /// The prefix of one address.
    pub const WHOLE: u8 = 128;
    /// In place of a protocol: any. It is the number of an IPv6 extension header, which no packet carries as its protocol.
    pub const ANY_PROTOCOL: u8 = 0;

    /// A [gateway](crate::gateway) for what is routed to or from a network.
    pub const fn of_network(address: Address, prefix: u8) -> Self {
        Self { address, protocol: Self::ANY_PROTOCOL, more_ports: 0, port: 0, prefix }
    }

    /// Whether it is a gateway.
    pub const fn is_gateway(&self) -> bool {
        self.protocol == Self::ANY_PROTOCOL
    }

    /// A listener of one `port`, host byte order.
    pub const fn new(address: Address, protocol: u8, port: u16) -> Self {
        Self { address, protocol, more_ports: 0, port: port.to_be(), prefix: Self::WHOLE }
    }

    /// A listener of the ports from `first` to `last`, host byte order.
    pub const fn of_ports(address: Address, protocol: u8, first: u16, last: u16) -> Self {
        Self { more_ports: last.saturating_sub(first), ..Self::new(address, protocol, first) }
    }

    /// The key of the listener of one port that would take `flow`.
    pub const fn of(flow: &Flow) -> Self {
        Self::new(flow.destination, flow.protocol, u16::from_be(flow.destination_port))
    }

    /// Whether it has more than one port.
    pub const fn has_more_ports(&self) -> bool {
        self.more_ports > 0
    }

    /// Whether it takes `port`, host byte order.
    pub const fn covers(&self, port: u16) -> bool {
        port.wrapping_sub(u16::from_be(self.port)) <= self.more_ports
    }
}

/// What a listener does with its traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    /// Index of its counters, less than 2^20.
    pub counters: u32,
    /// Index of its target group.
    pub group: u32,
    /// The group's [`Group::first_slot`], less than 2^28.
    pub first_slot: u32,
    /// The group's [`Group::slot_mask`].
    pub slot_mask: u32,
    /// The group's [`Group::affinity`].
    pub affinity: u8,
    /// The group's [`Group::tracking`].
    pub tracking: u8,
    /// Index of the [`Sketch`](crate::active::Sketch) of its flows, or [`NO_SKETCH`](Self::NO_SKETCH).
    pub sketch: u32,
    /// Bytes of the server id in its packets' connection ids, 15 at most; 0: it isn't [QUIC](crate::quic)'s.
    pub server_id_length: u8,
    /// What guards it.
    pub guard: Guard,
    /// What tells appliances which gateway a packet came to; 0 for listeners that are none.
    pub endpoint: u64,
}

impl Listener {
    /// Its flows are those of its group's targets: nobody shares the group. No table has such an entry.
    pub const NO_SKETCH: u32 = u32::MAX;

    /// A listener whose traffic goes to `group`, which has that index. It has no sketch, isn't QUIC's, and nothing guards it.
    pub const fn new(counters: u32, index: u32, group: &Group) -> Self {
        let Group { first_slot, slot_mask, affinity, tracking, .. } = *group;
        Self {
            counters,
            group: index,
            first_slot,
            slot_mask,
            affinity,
            tracking,
            sketch: Self::NO_SKETCH,
            server_id_length: 0,
            guard: Guard::NONE,
            endpoint: 0,
        }
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self::new(0, 0, &Group::default())
    }
}

/// A key as the words that the packet path compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    head: u64,
    address: [u64; 2],
}

/// What stands in a free entry's head.
const FREE: u64 = 0;

impl Key {
    const PORT: u32 = 32;
    const PROTOCOL: u32 = 48;
    const FAMILY: u32 = 56;
    const V4: u64 = 4;
    const V6: u64 = 6;

    /// The key of the listener that would take `flow`.
    #[inline(always)]
    pub const fn of(flow: &Flow) -> Self {
        Self::new(&flow.destination, flow.destination_port, flow.protocol)
    }

    #[inline(always)]
    const fn new(address: &Address, port: u16, protocol: u8) -> Self {
        let [first, second, third, fourth] = address.0;
        let family = if address.is_v4() { Self::V4 } else { Self::V6 };
        Self {
            head: fourth as u64
                | (port as u64) << Self::PORT
                | (protocol as u64) << Self::PROTOCOL
                | family << Self::FAMILY,
            address: [first as u64 | (second as u64) << 32, third as u64],
        }
    }

    /// Whether the head says it all: an IPv4 address is its last word.
    #[inline(always)]
    const fn is_v4(&self) -> bool {
        self.head >> Self::FAMILY == Self::V4
    }

    /// The two places of a table of 2^(64 - `shift`) entries where the key may stand. They may be the same.
    ///
    /// Multiplication by odd constants, of which the high bits are taken (Dietzfelbinger and others, 1997). The first constant
    /// was chosen of several because rows of addresses and ports fall on each other no more often than chance would have it;
    /// the golden ratio's piles up every row of addresses. No secret: who can choose listeners is the operator, and a packet
    /// costs two looks at most.
    #[inline(always)]
    pub const fn places(&self, shift: u32) -> Places {
        let mut hash = self.head.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        if !self.is_v4() {
            hash = hash
                .wrapping_add(self.address[0].wrapping_mul(0xd6e8_feb8_6659_fd93))
                .wrapping_add(self.address[1].wrapping_mul(0xa076_1d64_78bd_642f));
        }
        Places { hash, shift }
    }
}

impl From<&ListenerKey> for Key {
    fn from(key: &ListenerKey) -> Self {
        Self::new(&key.address, key.port, key.protocol)
    }
}

/// Where a key may stand.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    hash: u64,
    shift: u32,
}

impl Places {
    /// The place that is looked at first.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a table has less than 2^32 entries")]
    pub const fn first(self) -> u32 {
        (self.hash >> self.shift) as u32
    }

    /// The other.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a table has less than 2^32 entries")]
    pub const fn second(self) -> u32 {
        ((self.hash ^ self.hash >> 32).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> self.shift) as u32
    }
}

/// The size of the smallest listener table.
pub const LEAST_ENTRIES: u32 = 1 << 12;

/// The listener table's size, for room for so many listeners: four times as many, and a power of two.
///
/// At such a load a listener finds both of its places taken once in some hundred times, and nearly never has nowhere to go.
pub const fn entries_for(listeners: u32) -> u32 {
    const MOST_ENTRIES: u32 = 1 << 22;
    let wanted = if listeners >= MOST_ENTRIES / 4 { MOST_ENTRIES } else { (listeners * 4).next_power_of_two() };
    if wanted < LEAST_ENTRIES { LEAST_ENTRIES } else { wanted }
}

/// What [`Key::places`] of a table of `entries`, a power of two, shifts by.
pub const fn shift_of(entries: u32) -> u32 {
    64 - entries.trailing_zeros()
}

/// What becomes of a packet that a listener claims, in one word.
///
/// | bits | meaning |
/// | --- | --- |
/// | 0 to 27 | `first_slot`, where the ring begins in the slot table |
/// | 28 to 32 | logarithm of the number of slots |
/// | 33 to 35 | an [`Affinity`] |
/// | 36 to 37 | a [`Tracking`](crate::flow::Tracking) |
/// | 38 to 57 | index of the listener's counters |
/// | 58 to 61 | bytes of the server id in QUIC's connection ids, 0 where there are none |
/// | 62 | the listener's [`Guard`] has something to check |
/// | 63 | always set |
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim(pub u64);

impl Claim {
    const FIRST_SLOT: u64 = (1 << 28) - 1;
    const SIZE: u32 = 28;
    const AFFINITY: u32 = 33;
    const TRACKING: u32 = 36;
    const COUNTERS: u32 = 38;
    const SERVER_ID: u32 = 58;
    const GUARDED: u64 = 1 << 62;
    const VALID: u64 = 1 << 63;

    /// What `listener` claims.
    pub const fn of(listener: &Listener) -> Self {
        Self(
            listener.first_slot as u64 & Self::FIRST_SLOT
                | (listener.slot_mask.trailing_ones() as u64 & 0x1f) << Self::SIZE
                | (listener.affinity as u64 & 7) << Self::AFFINITY
                | (listener.tracking as u64 & 3) << Self::TRACKING
                | (listener.counters as u64 & 0xf_ffff) << Self::COUNTERS
                | (listener.server_id_length as u64 & 0xf) << Self::SERVER_ID
                | if listener.guard.is_any() { Self::GUARDED } else { 0 }
                | Self::VALID,
        )
    }

    /// The listener that claims so, of that group and with that sketch. What guards it stands elsewhere.
    pub const fn listener(self, group: u32, sketch: u32) -> Listener {
        Listener {
            counters: self.counters(),
            group,
            first_slot: self.first_slot(),
            slot_mask: self.slot_mask(),
            affinity: self.affinity() as u8,
            tracking: self.tracking(),
            sketch,
            server_id_length: self.server_id_length(),
            guard: Guard::NONE,
            endpoint: 0,
        }
    }

    /// Whether it is one: a free entry's is not.
    #[inline(always)]
    pub const fn is_valid(self) -> bool {
        self.0 & Self::VALID != 0
    }

    /// Whether there is anything to check before a packet is let in.
    #[inline(always)]
    pub const fn is_guarded(self) -> bool {
        self.0 & Self::GUARDED != 0
    }

    /// Whether the whole flow's hash decides its slot, and nothing else does.
    #[inline(always)]
    pub const fn is_by_flow(self) -> bool {
        self.0 & (7 << Self::AFFINITY | 0xf << Self::SERVER_ID) == 0
    }

    /// Bytes of the server id in QUIC's connection ids; 0: they say nothing.
    #[inline(always)]
    pub const fn server_id_length(self) -> u8 {
        (self.0 >> Self::SERVER_ID & 0xf) as u8
    }

    /// How the ring's flows are spread.
    #[inline(always)]
    pub const fn affinity(self) -> Affinity {
        Affinity::of((self.0 >> Self::AFFINITY & 7) as u8)
    }

    /// A [`Tracking`](crate::flow::Tracking).
    #[inline(always)]
    pub const fn tracking(self) -> u8 {
        (self.0 >> Self::TRACKING & 3) as u8
    }

    /// Index of the listener's counters.
    #[inline(always)]
    pub const fn counters(self) -> u32 {
        (self.0 >> Self::COUNTERS & 0xf_ffff) as u32
    }

    /// Where the ring begins in the slot table.
    #[inline(always)]
    pub const fn first_slot(self) -> u32 {
        (self.0 & Self::FIRST_SLOT) as u32
    }

    #[inline(always)]
    const fn slot_mask(self) -> u32 {
        !(u32::MAX << (self.0 >> Self::SIZE & 0x1f))
    }

    /// The index of the slot that a flow with this hash belongs to.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the slot is the hash's low bits")]
    pub const fn slot_index(self, hash: u64) -> u32 {
        self.first_slot().wrapping_add(hash as u32 & self.slot_mask())
    }
}

/// One entry of the listener table. One cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The key's first word: last word of the address, port, protocol, family. 0: the entry is free.
    pub head: u64,
    /// What becomes of the packet.
    pub claim: Claim,
    /// The address's first three words.
    pub address: [u64; 2],
    /// Index of the target group: for whoever explains a packet's way.
    pub group: u32,
    /// [`Listener::sketch`]. An access to the next table that misses costs less than to ask whether there is one.
    pub sketch: u32,
    /// Always zero.
    pub spare: [u64; 3],
}

impl Entry {
    /// The entry of a listener.
    pub fn new(key: &ListenerKey, listener: &Listener) -> Self {
        let Key { head, address } = key.into();
        Self {
            head,
            claim: Claim::of(listener),
            address,
            group: listener.group,
            sketch: listener.sketch,
            spare: [0; 3],
        }
    }

    /// Whether `key` is who stands here.
    #[inline(always)]
    pub const fn is_of(&self, key: &Key) -> bool {
        self.head == key.head && (key.is_v4() || self.address[0] == key.address[0] && self.address[1] == key.address[1])
    }

    /// The listener; `None` when the entry is free.
    #[expect(clippy::cast_possible_truncation, reason = "each field is its own bits")]
    pub const fn listener(&self) -> Option<(ListenerKey, Listener)> {
        if self.head == FREE || !self.claim.is_valid() {
            return None;
        }
        let [first, third] = self.address;
        let key = ListenerKey {
            address: Address([first as u32, (first >> 32) as u32, third as u32, self.head as u32]),
            protocol: (self.head >> Key::PROTOCOL) as u8,
            more_ports: 0,
            port: (self.head >> Key::PORT) as u16,
            prefix: ListenerKey::WHOLE,
        };
        let listener = self.claim.listener(self.group, self.sketch);
        Some((key, listener))
    }
}

const _: () = assert!(size_of::<Entry>() == 64, "an entry fills one cache line");

#[cfg(test)]
mod tests;
