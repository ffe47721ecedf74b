//! Keys and values of the edge's tables.

use crate::address::Address;
use crate::hash::Affinity;
pub use crate::listener::{Listener, ListenerKey};
use crate::nat::cross::fitting;
use crate::slot::TargetIndex;

/// A target group's ring and how flows are spread over it.
///
/// The agents' memory of what they gave out: the packet path reads the same in the group's listeners.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Group {
    /// Identity that outlives the agent: a hash of the group's name. 0 marks a free entry.
    pub tag: u64,
    /// Index of the ring's first slot in the slot table.
    pub first_slot: u32,
    /// Number of slots less one; their number is a power of two.
    pub slot_mask: u32,
    /// An [`Affinity`].
    pub affinity: u8,
    /// A [`Tracking`](crate::flow::Tracking).
    pub tracking: u8,
    /// Always zero.
    pub padding: [u8; 6],
}

impl Group {
    /// How its flows are spread.
    #[inline(always)]
    pub const fn affinity(&self) -> Affinity {
        Affinity::of(self.affinity)
    }

    /// The index of the slot that a flow with this hash belongs to.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the slot is the hash's low bits")]
    pub const fn slot_index(&self, hash: u64) -> u32 {
        self.first_slot.wrapping_add(hash as u32 & self.slot_mask)
    }
}

/// A target: the outer header that takes a packet there, and the way out. One cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Target {
    /// Identity that outlives the agent: a hash of group, address and port. 0 marks a free entry.
    pub tag: u64,
    /// The target's address: destination of the outer header.
    pub destination: Address,
    /// The edge's address: source of the outer header. Of the same family as `destination`.
    pub source: Address,
    /// MAC address of the next hop: within one 64-bit word, so that one store changes it whole.
    pub next_hop_mac: [u8; 6],
    /// MAC address of the egress interface.
    pub source_mac: [u8; 6],
    /// The longest client's packet that fits the way to the target: its MTU, less what goes around the packet. Of packets that
    /// change their family on the way [`mtu_from`](Self::mtu_from) says it.
    pub mtu: u16,
    /// [`READY`](Self::READY) and the others, and in [`FORWARDING`](Self::FORWARDING) how packets travel.
    pub flags: u8,
    /// Low bits of `source` that vary by flow, 0 for none: 32 less the prefix length for IPv4, 64 at most for IPv6.
    pub source_bits: u8,
    /// Egress interface.
    pub interface: u32,
    /// The target's port, network byte order: where translated packets go.
    pub port: u16,
    /// Always zero.
    pub padding: u16,
}

impl Target {
    /// Next hop, source and interface are known: packets may be sent.
    pub const READY: u8 = 1;
    /// It serves the flows it has and gets no new ones: a SYN of a flow pinned to it is a new connection.
    pub const DRAINING: u8 = 2;
    /// It no longer serves any flow: what is pinned to it is selected anew.
    pub const DEAD: u8 = 4;
    /// Its flows are over: the next packet of each is answered with a TCP reset.
    pub const RESET: u8 = 8;
    /// The bits that say how packets travel to it: one of [`IPIP`](Self::IPIP) and those that follow. Here and
    /// not in the group, because the packet path has this byte at hand when it asks whether the target is ready, and needs the
    /// other candidate's too.
    pub const FORWARDING: u8 = 0x70;
    /// By IP in IP.
    pub const IPIP: u8 = 0;
    /// By [GUE](crate::tunnel::gue).
    pub const GUE: u8 = 0x10;
    /// In the client's own packet, whose frame gets the target's MAC address: it is on the edge's segment.
    pub const L2: u8 = 0x20;
    /// Translated: to the target's address and port, from the client's. Answers come back through the edge.
    pub const NAT: u8 = 0x40;
    /// Translated, and from an address and port of the edge's.
    pub const NAT_SOURCE: u8 = 0x50;
    /// By [GENEVE](crate::tunnel::geneve), to an appliance that sends it back: for gateways alone.
    pub const GENEVE: u8 = 0x60;

    /// The longest packet that fits from a client of that family: translated into the other one, it is 20 bytes longer or
    /// shorter, and a fragment (`cut`) 28.
    #[inline(always)]
    pub const fn mtu_from(&self, v4: bool, cut: bool) -> u16 {
        let crosses = self.forwarding() == Self::NAT_SOURCE && v4 != self.destination.is_v4();
        if crosses { fitting(self.mtu, v4, cut) } else { self.mtu }
    }

    /// Whether packets may be sent to this target.
    #[inline(always)]
    pub const fn is_ready(&self) -> bool {
        self.flags & Self::READY != 0
    }

    /// How packets travel to this target: one of the values of [`FORWARDING`](Self::FORWARDING).
    #[inline(always)]
    pub const fn forwarding(&self) -> u8 {
        self.flags & Self::FORWARDING
    }

    /// Whether `other` can be named as the second chance of a packet that travels to this target by GUE: it is ready and
    /// serves, and the same outer header can take the packet there.
    #[inline(always)]
    pub const fn may_name(&self, other: &Self) -> bool {
        other.flags & (Self::READY | Self::FORWARDING | Self::DEAD | Self::RESET) == Self::READY | Self::GUE
            && self.destination.is_v4() == other.destination.is_v4()
    }
}

/// An address that listeners have.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vip {
    /// [`EXCLUSIVE`](Self::EXCLUSIVE), or nothing.
    pub flags: u32,
}

impl Vip {
    /// What comes for a port without listener is refused.
    pub const EXCLUSIVE: u32 = 1;

    /// Whether what comes for a port without listener is refused.
    #[inline(always)]
    pub const fn is_exclusive(&self) -> bool {
        self.flags & Self::EXCLUSIVE != 0
    }
}

/// The target table's entry 0 is never used, so that an empty slot names no target.
pub const FIRST_TARGET: TargetIndex = 1;

const _: () = assert!(size_of::<Target>() == 64, "a target fills one cache line");
const _: () = assert!(core::mem::offset_of!(Target, next_hop_mac).is_multiple_of(8), "one store changes the next hop");
const _: () = assert!(size_of::<Group>() == 24, "no hidden padding");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_fits_that_is_as_long_in_the_targets_family_as_its_way_takes() {
        let v6 = Address([1; 4]);
        for (forwarding, from_v4, destination, mtu) in [
            (Target::NAT_SOURCE, true, v6, 1_480),
            (Target::NAT_SOURCE, false, Address::v4(1), 1_520),
            (Target::NAT_SOURCE, true, Address::v4(1), 1_500),
            (Target::NAT_SOURCE, false, v6, 1_500),
            // Room for the outer header is taken off already.
            (Target::IPIP, true, v6, 1_500),
            (Target::GUE, false, Address::v4(1), 1_500),
        ] {
            let target = Target { destination, mtu: 1_500, flags: forwarding, ..Target::default() };
            assert_eq!(target.mtu_from(from_v4, false), mtu, "{forwarding:#x} {from_v4}");
        }
    }
}
