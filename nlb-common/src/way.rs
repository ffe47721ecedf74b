//! Ways off the fast path: programs that rare packets are handed to.
//!
//! What the edge's program would pass to the host's stack it first offers to the way for that kind of packet, by a tail call
//! through the program array [`WAYS`](crate::layout::edge::WAYS). A way has a stack of its own, parses the packet again and
//! decides anew. So the fast path knows nothing of what rare packets need. Where the array has no program, the packet passes.

use crate::packet::NotOurs;

/// A way off the fast path. The number is its index in the program array.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Protocols that no listener can have: ICMP and ICMPv6 to a VIP.
    Icmp = 0,
    /// Flows that are translated, and what no listener claims: it may be a target's answer to one.
    Nat = 1,
}

impl Way {
    /// Every way, in the order of their numbers.
    pub const ALL: &'static [Self] = &[Self::Icmp, Self::Nat];

    /// How many there are.
    #[expect(clippy::cast_possible_truncation, reason = "a handful")]
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// The name of its program.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Icmp => "nlb_way_icmp",
            Self::Nat => "nlb_way_nat",
        }
    }

    /// The way of a packet that is not the fast path's for that reason.
    #[inline(always)]
    pub const fn of(reason: NotOurs) -> Option<Self> {
        match reason {
            NotOurs::Protocol => Some(Self::Icmp),
            NotOurs::Translated | NotOurs::NoListener => Some(Self::Nat),
            NotOurs::Group
            | NotOurs::EtherType
            | NotOurs::Fragment
            | NotOurs::Underway
            | NotOurs::NoPayload
            | NotOurs::Mapped => None,
        }
    }
}

/// What a way did with a packet, counted per CPU. The number is the index of its counter.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WayOutcome {
    /// An echo request to a VIP was answered.
    Echo = 0,
}

impl WayOutcome {
    /// Every outcome, in the order of their numbers.
    pub const ALL: &'static [Self] = &[Self::Echo];

    /// How many there are.
    #[expect(clippy::cast_possible_truncation, reason = "a handful")]
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// The value of the `outcome` label in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
        }
    }
}
