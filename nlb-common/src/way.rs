//! Ways off the fast path: programs that rare packets are handed to.
//!
//! What the edge's program would pass to the host's stack, or drop, it first offers to the way for that kind of packet, by a tail
//! call through the program array [`WAYS`](crate::layout::edge::WAYS). A way has a stack of its own, parses the packet again and
//! decides anew. So the fast path knows nothing of what rare packets need. Where the array has no program, the packet passes or is dropped.

use crate::drop_reason::DropReason;
use crate::packet::{NotOurs, Stop};

/// A way off the fast path. The number is its index in the program array.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Protocols that no listener can have: ICMP and ICMPv6 to a VIP, and tunnels.
    Icmp = 0,
    /// Flows that are translated, and what no listener claims: it may be a target's answer to one.
    Nat = 1,
    /// Packets that don't fit the way to their target: their senders are told.
    TooBig = 2,
    /// Packets for a port without listener, which are no target's answers either: an exclusive VIP refuses them.
    Unclaimed = 3,
    /// What is for nobody here: if a gateway takes it, it goes to an appliance.
    Gateway = 4,
    /// GENEVE packets: an appliance may have sent them back.
    Geneve = 5,
    /// Fragments: all of a datagram to a VIP go to the same target.
    Fragment = 6,
}

impl Way {
    /// Every way, in the order of their numbers.
    pub const ALL: &'static [Self] =
        &[Self::Icmp, Self::Nat, Self::TooBig, Self::Unclaimed, Self::Gateway, Self::Geneve, Self::Fragment];

    /// How many there are.
    #[expect(clippy::cast_possible_truncation, reason = "a handful")]
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// Where, behind the ways, the program stands that balances: that of the edge, or the one with the packet trace. Who stands before
    /// it (a capture) calls it there.
    pub const BALANCER: u32 = Self::COUNT;

    /// How many programs the array has room for.
    pub const PROGRAMS: u32 = Self::BALANCER + 1;

    /// The name of its program.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Icmp => "nlb_way_icmp",
            Self::Nat => "nlb_way_nat",
            Self::TooBig => "nlb_way_too_big",
            Self::Unclaimed => "nlb_way_unclaimed",
            Self::Gateway => "nlb_way_gateway",
            Self::Geneve => "nlb_way_geneve",
            Self::Fragment => "nlb_way_fragment",
        }
    }

    /// The way of a packet with which the fast path stopped for that reason.
    #[inline(always)]
    pub const fn of(stop: Stop) -> Option<Self> {
        match stop {
            Stop::Pass(NotOurs::Protocol) => Some(Self::Icmp),
            // From there it goes on to `Unclaimed`.
            Stop::Pass(NotOurs::Translated | NotOurs::NoListener) => Some(Self::Nat),
            Stop::Pass(NotOurs::NoVip | NotOurs::Underway | NotOurs::NoPayload | NotOurs::Mapped) => {
                Some(Self::Gateway)
            }
            Stop::Pass(NotOurs::Geneve) => Some(Self::Geneve),
            // From there it goes on to `Gateway`.
            Stop::Pass(NotOurs::Fragment) => Some(Self::Fragment),
            Stop::Drop(DropReason::TooBig) => Some(Self::TooBig),
            Stop::Pass(_) | Stop::Drop(_) => None,
        }
    }
}

/// What a way did with a packet, counted per CPU. The number is the index of its counter.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WayOutcome {
    /// An echo request to a VIP was answered.
    Echo = 0,
    /// An error message about a flow was sent to the flow's target.
    Error = 1,
    /// The sender of a packet that doesn't fit its way out was told so.
    TooBig = 2,
    /// A TCP packet for a port of an exclusive VIP that has no listener was answered with a reset.
    Reset = 3,
    /// A UDP packet for such a port was answered with an error message.
    Unreachable = 4,
    /// A packet came back from an appliance, and goes on its way.
    Returned = 5,
    /// A GENEVE packet that no appliance was given was left as it is.
    ForeignTunnel = 6,
    /// A fragment went to its datagram's target.
    Fragment = 7,
    /// A fragment that came before its datagram's first one waits for it.
    Early = 8,
}

impl WayOutcome {
    /// Every outcome, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::Echo,
        Self::Error,
        Self::TooBig,
        Self::Reset,
        Self::Unreachable,
        Self::Returned,
        Self::ForeignTunnel,
        Self::Fragment,
        Self::Early,
    ];

    /// How many there are.
    #[expect(clippy::cast_possible_truncation, reason = "a handful")]
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// The value of the `outcome` label in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Error => "error",
            Self::TooBig => "too_big",
            Self::Reset => "reset",
            Self::Unreachable => "unreachable",
            Self::Returned => "returned",
            Self::ForeignTunnel => "foreign_tunnel",
            Self::Fragment => "fragment",
            Self::Early => "early_fragment",
        }
    }
}
