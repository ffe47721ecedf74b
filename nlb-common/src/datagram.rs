//! What is remembered of a datagram that comes in fragments.
//!
//! Its first fragment has ports: what becomes of it becomes of all. Later fragments look that up. One that comes before the first
//! can't know where the first will go, and any guess would be a packet to a stranger: it is put into a ring buffer, and an agent
//! sends it through the program again once the first has come ([`Early`]).

use crate::address::Address;
use crate::hash::Flow;
use crate::listener::Claim;
use crate::slot::TargetIndex;
use crate::tables::Target;

/// What all fragments of a datagram have in common (RFC 791, section 3.2; RFC 8200, section 4.5).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatagramKey {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Identification, network byte order: 16 bits for IPv4.
    pub identification: u32,
    /// IP protocol number; 0 for IPv6, where it is no part of the identity.
    pub protocol: u32,
}

/// What became of a datagram's first fragment.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Datagram {
    /// What its listener says.
    pub claim: Claim,
    /// Its flow's hash: what varies by flow in outer headers is the same for all fragments. Of a
    /// [translated](Self::translated) flow, ports and protocol.
    pub hash: u64,
    /// Its target.
    pub target: TargetIndex,
    /// The low bits of the target's tag: an index that was given to another target since must not bring it to a stranger.
    pub owner: u32,
    /// When it was seen: seconds of the monotonic clock.
    pub seen: u32,
    /// One of the constants.
    pub fate: u32,
}

impl Datagram {
    /// It went to its target.
    pub const SENT: u32 = 0;
    /// No listener has its port: it belongs to the host's stack.
    pub const PASSED: u32 = 1;
    /// It was dropped.
    pub const DROPPED: u32 = 2;
    /// It did not come in time: an agent that kept early fragments says so.
    pub const MISSED: u32 = 3;
    /// It is of a flow that is translated, the client's packets or their answers.
    pub const TRANSLATED: u32 = 4;

    /// Seconds for which it counts: as long as Linux keeps fragments of IPv4 (`ipfrag_time`). A later one of that name is of another
    /// datagram.
    pub const LIFETIME: u32 = 30;

    /// Of a first fragment that goes to that target, seen now.
    #[inline(always)]
    pub const fn sent(claim: Claim, hash: u64, index: TargetIndex, target: &Target, seen: u32) -> Self {
        Self { claim, hash, target: index, owner: Self::owner(target), seen, fate: Self::SENT }
    }

    /// Of a first fragment of `flow`, which is translated. `claim` and `target` mean nothing of an answer.
    #[inline(always)]
    #[must_use]
    pub const fn translated(flow: &Flow, claim: Claim, index: TargetIndex, target: &Target, seen: u32) -> Self {
        let ports = flow.source_port as u64 | (flow.destination_port as u64) << 16;
        let hash = ports | (flow.protocol as u64) << 32;
        Self { claim, hash, target: index, owner: Self::owner(target), seen, fate: Self::TRANSLATED }
    }

    /// The flow of a translated one's fragments, which go between those.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "each field is its own bits")]
    pub const fn flow(&self, source: Address, destination: Address) -> Flow {
        Flow {
            source,
            destination,
            source_port: self.hash as u16,
            destination_port: (self.hash >> 16) as u16,
            protocol: (self.hash >> 32) as u8,
            padding: [0; 3],
        }
    }

    /// Of one that had another fate.
    #[inline(always)]
    pub const fn ended(fate: u32, seen: u32) -> Self {
        Self { claim: Claim(0), hash: 0, target: 0, owner: 0, seen, fate }
    }

    /// Whether `target`, found under the index, is still the one that it went to.
    #[inline(always)]
    pub const fn is_of(&self, target: &Target) -> bool {
        self.owner == Self::owner(target)
    }

    /// Whether it counts. A clock read before the entry was written, by another CPU, is no great age.
    #[inline(always)]
    pub const fn is_fresh(&self, now: u32) -> bool {
        let age = now.wrapping_sub(self.seen);
        age <= Self::LIFETIME || age > i32::MAX as u32
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the owner is the low bits")]
    const fn owner(target: &Target) -> u32 {
        target.tag as u32
    }
}

/// A fragment that came before its datagram's first one: a record of the ring buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Early {
    /// Its datagram.
    pub key: DatagramKey,
    /// Index of the interface that it came in by.
    pub interface: u32,
    /// Length of the frame.
    pub length: u32,
    /// The frame, from its Ethernet header on. What stands behind its end means nothing.
    pub frame: [u8; Self::LONGEST],
}

impl Early {
    /// The longest frame that can wait: with tags, of any usual MTU but jumbo frames'.
    pub const LONGEST: usize = 2_048;
    /// The shortest: there is an IP header.
    pub const SHORTEST: usize = 34;
}

const _: () = assert!(size_of::<DatagramKey>() == 40, "no hidden padding");
const _: () = assert!(size_of::<Datagram>() == 32, "no hidden padding");
const _: () = assert!(size_of::<Early>() == 48 + Early::LONGEST, "no hidden padding");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_of_a_translated_datagram_are_of_its_flow() {
        let (source, destination) = (Address::v4(1), Address::v4(2));
        let flow =
            Flow { source, destination, source_port: 0xfffe, destination_port: 7, protocol: 17, padding: [0; 3] };
        let datagram = Datagram::translated(&flow, Claim(0), 1, &Target::default(), 0);
        assert_eq!(datagram.flow(source, destination), flow);
    }

    #[test]
    fn an_entry_counts_for_half_a_minute_whatever_the_clock_shows() {
        for (seen, now, fresh) in
            [(100, 100, true), (100, 130, true), (100, 131, false), (101, 100, true), (u32::MAX - 9, 25, false)]
        {
            assert_eq!(Datagram::ended(Datagram::PASSED, seen).is_fresh(now), fresh, "seen at {seen}, now {now}");
        }
    }
}
