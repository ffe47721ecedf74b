//! The seeded hash that takes a flow to its slot.
//!
//! NH, the multilinear universal hash of UMAC (RFC 4418, section 5.2.2), over 32-bit words, then a 64-bit finalizer.
//! Why not a plain multiply-and-shift mix: its collisions do not depend on the seed, so anyone could compute flows
//! that all land on one slot. With NH two different flows collide with probability 2^-32 over the choice of keys,
//! whoever chose the flows. The products are independent of each other, so the CPU computes them side by side.

use crate::address::Address;

/// Words of the longest flow: two IPv6 addresses, both ports, the protocol.
const WORDS: usize = 10;

/// The keys that one seed expands to. All edges of a cluster hold the same.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashKeys(pub [u32; WORDS]);

/// What of a packet decides its slot. Addresses and ports are in network byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// The client's address.
    pub source: Address,
    /// The VIP.
    pub destination: Address,
    /// The client's port, network byte order.
    pub source_port: u16,
    /// The listener's port, network byte order.
    pub destination_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Always zero, so that equal flows have equal bytes; but of what [`both_ways`](Self::both_ways) gives.
    pub padding: [u8; 3],
}

/// Which part of a flow decides its slot.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Affinity {
    /// The whole 5-tuple.
    #[default]
    Flow = 0,
    /// The client's address alone: all connections of a client reach one target.
    SourceIp = 1,
    /// The client's address and the port that it asks for: all connections of a client to one service reach one target.
    SourceIpPort = 2,
    /// The first 24 bits of a client's IPv4 address, the first 64 of its IPv6 address: all clients of a network reach one target.
    SourceSubnet = 3,
    /// Behind a gateway: both addresses, whichever is the source. All that two hosts say to each other reaches one appliance.
    SourceIpDestIp = 4,
    /// Behind a gateway: both addresses and the protocol.
    SourceIpDestIpProto = 5,
}

/// The first 24 bits of an IPv4 address, in network byte order.
const SUBNET_V4: u32 = 0xffff_ff00_u32.to_be();

impl Affinity {
    /// The affinity of that number: [`Flow`](Self::Flow) for numbers that are none.
    #[inline(always)]
    pub const fn of(number: u8) -> Self {
        match number {
            1 => Self::SourceIp,
            2 => Self::SourceIpPort,
            3 => Self::SourceSubnet,
            4 => Self::SourceIpDestIp,
            5 => Self::SourceIpDestIpProto,
            _ => Self::Flow,
        }
    }
}

impl Flow {
    /// The flow of the packets that answer to this one's.
    #[inline(always)]
    #[must_use]
    pub const fn reversed(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            protocol: self.protocol,
            padding: [0; 3],
        }
    }

    /// What a gateway takes for one flow: both directions, and no more of it than `affinity` looks at. The end whose address and
    /// port come first is the source.
    ///
    /// It is marked, so that the flow tables tell it from a flow that a listener takes.
    #[inline(always)]
    #[must_use]
    pub fn both_ways(&self, affinity: Affinity) -> Self {
        const BOTH_WAYS: [u8; 3] = [1, 0, 0];
        let mut flow = Self { padding: BOTH_WAYS, ..*self };
        if matches!(affinity, Affinity::SourceIpDestIp | Affinity::SourceIpDestIpProto) {
            (flow.source_port, flow.destination_port) = (0, 0);
        }
        if matches!(affinity, Affinity::SourceIpDestIp) {
            flow.protocol = 0;
        }
        if (flow.source, flow.source_port) <= (flow.destination, flow.destination_port) {
            flow
        } else {
            Self { padding: BOTH_WAYS, ..flow.reversed() }
        }
    }

    /// Whether this flow, read as a pattern, covers `flow`: a field that is zero covers any.
    #[inline(always)]
    pub fn covers(&self, flow: &Self) -> bool {
        let address = |pattern: Address, address| pattern == Address::default() || pattern == address;
        let number = |pattern: u16, number| pattern == 0 || pattern == number;
        address(self.source, flow.source)
            && address(self.destination, flow.destination)
            && number(self.source_port, flow.source_port)
            && number(self.destination_port, flow.destination_port)
            && number(self.protocol.into(), flow.protocol.into())
    }
}

impl HashKeys {
    /// Expands `seed` (splitmix64, so that near seeds give unrelated keys).
    pub const fn from_seed(seed: u64) -> Self {
        let mut keys = [0; WORDS];
        let mut state = seed;
        let mut i = 0;
        while i < WORDS {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            keys[i] = (finalize(state) >> 32) as u32;
            i += 1;
        }
        Self(keys)
    }

    /// The 64-bit hash of what `affinity` makes of `flow`. The slot is its low bits.
    #[inline(always)]
    pub fn hash(&self, flow: &Flow, affinity: Affinity) -> u64 {
        let source = &flow.source.0;
        let port = u32::from(flow.destination_port);
        // A cluster's edges have one affinity for each ring, so the hash of one is never compared with another's.
        let sum = match (affinity, flow.source.is_v4()) {
            (Affinity::Flow, _) => return self.hash_flow(flow),
            (Affinity::SourceIpDestIp | Affinity::SourceIpDestIpProto, _) => {
                return self.hash_flow(&flow.both_ways(affinity));
            }
            (Affinity::SourceIp, true) => self.nh(&[source[3], 0]),
            (Affinity::SourceIp, false) => self.nh(source),
            (Affinity::SourceIpPort, true) => self.nh(&[source[3], port]),
            (Affinity::SourceIpPort, false) => self.nh(&[source[0], source[1], source[2], source[3], port, 0]),
            (Affinity::SourceSubnet, true) => self.nh(&[source[3] & SUBNET_V4, 0]),
            (Affinity::SourceSubnet, false) => self.nh(&[source[0], source[1]]),
        };
        finalize(sum)
    }

    /// The hash of the whole `flow`.
    #[inline(always)]
    pub fn hash_flow(&self, flow: &Flow) -> u64 {
        let source = &flow.source.0;
        let destination = &flow.destination.0;
        let ports = u32::from(flow.source_port) << 16 | u32::from(flow.destination_port);
        let protocol = u32::from(flow.protocol);
        // An address of one family is never compared with one of the other, so IPv4 hashes only the words that vary.
        let sum = if flow.destination.is_v4() {
            self.nh(&[source[3], destination[3], ports, protocol])
        } else {
            self.nh(&[
                source[0],
                source[1],
                source[2],
                source[3],
                destination[0],
                destination[1],
                destination[2],
                destination[3],
                ports,
                protocol,
            ])
        };
        finalize(sum)
    }

    /// NH: the sum of products of pairs of keyed words. `N` is even.
    #[inline(always)]
    fn nh<const N: usize>(&self, words: &[u32; N]) -> u64 {
        let mut sum = 0_u64;
        let mut i = 0;
        while i < N {
            let a = u64::from(words[i].wrapping_add(self.0[i]));
            let b = u64::from(words[i + 1].wrapping_add(self.0[i + 1]));
            sum = sum.wrapping_add(a.wrapping_mul(b));
            i += 2;
        }
        sum
    }
}

/// The finalizer of splitmix64: every input bit reaches every output bit.
#[inline(always)]
const fn finalize(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[cfg(test)]
mod tests;
