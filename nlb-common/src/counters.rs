//! What is counted, per CPU.

/// Packets, bytes and new flows of one listener or target.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets forwarded.
    pub packets: u64,
    /// Bytes forwarded, from the inner IP header on: what the client sent, without the outer header.
    pub bytes: u64,
    /// Flows begun: for TCP, packets with SYN and without ACK.
    pub new_flows: u64,
}

impl core::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.packets = self.packets.wrapping_add(other.packets);
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.new_flows = self.new_flows.wrapping_add(other.new_flows);
    }
}

/// What the target host's program did with a packet. The number is the index of its counter.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecapOutcome {
    /// Taken out of its tunnel and given to the stack.
    Decapsulated = 0,
    /// A tunnel packet to this host whose source is not an edge: passed untouched.
    UnknownEdge = 1,
    /// A tunnel packet of an edge with nothing well-formed inside: dropped.
    Malformed = 2,
    /// Routers marked the tunnel packet with congestion, and the sender of the packet inside doesn't know of ECN:
    /// dropped, as the routers would have (RFC 6040, section 4.2).
    Congestion = 3,
    /// A packet of a connection that this host doesn't know: sent on to the other target that its tunnel names.
    SecondChance = 4,
    /// The same, but the other target's MAC address is not known yet: dropped. It is looked up, and the client sends again.
    SecondChanceWaits = 5,
    /// The same, but no route leads to the other target: given to the stack, which resets the connection.
    SecondChanceLost = 6,
}

impl DecapOutcome {
    /// Every outcome, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::Decapsulated,
        Self::UnknownEdge,
        Self::Malformed,
        Self::Congestion,
        Self::SecondChance,
        Self::SecondChanceWaits,
        Self::SecondChanceLost,
    ];

    /// How many there are.
    #[expect(clippy::cast_possible_truncation, reason = "a handful")]
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// The value of the `outcome` label in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decapsulated => "decapsulated",
            Self::UnknownEdge => "unknown_edge",
            Self::Malformed => "malformed",
            Self::Congestion => "congestion",
            Self::SecondChance => "second_chance",
            Self::SecondChanceWaits => "second_chance_waits",
            Self::SecondChanceLost => "second_chance_lost",
        }
    }
}
