//! What is remembered of a flow, and when anything is remembered at all.

use crate::slot::TargetIndex;

/// Which flows of a group are remembered.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tracking {
    /// Those that a change of targets in transition would otherwise break. The default for TCP.
    #[default]
    Transition = 0,
    /// Every flow, always. The default for UDP, which has no packet that opens a flow, and for SCTP, whose further paths have none.
    All = 1,
    /// None: the ring alone decides. For protocols of one question and one answer.
    None = 2,
    /// Every flow, both ways, by translation: see [`nat`](crate::nat). Its slots are never steady, so the fast path need not ask.
    Translated = 3,
}

/// A pinned flow: the value of the flow tables, whose key is the [`Flow`](crate::hash::Flow).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pin {
    /// Its target.
    pub target: TargetIndex,
    /// Its slot, as an index of the slot table.
    pub slot: u32,
    /// When its last packet was seen: seconds of the monotonic clock.
    pub seen: u32,
    /// Bit 0: [`FIN`](Self::FIN). Bits 8 to 31: the low bits of the target's tag.
    pub flags: u32,
}

impl Pin {
    /// The client has sent a FIN or a RST: the flow ends soon. Not that it has ended: a RST may be forged, and only the
    /// target knows whether its sequence number is right.
    pub const FIN: u32 = 1;

    /// Seconds after which a half-open flow that was not heard of is as good as never seen: a target repeats its SYN-ACK for
    /// about as long.
    ///
    /// The agent leaves a slot `pinned` for longer than this after its transition, and only then looks whether pins are left.
    /// By then each half-open flow has been pinned as an open one, or is none any more; otherwise a connection that begins
    /// while the slot is steady would be taken for an earlier one of the same name in the next transition.
    pub const HANDSHAKE: u32 = 60;

    const OWNER: u32 = 8;

    /// A pin to the target of that index and [`tag`](crate::tables::Target::tag).
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the owner is the low bits")]
    pub const fn new(target: TargetIndex, tag: u64, slot: u32, seen: u32) -> Self {
        Self { target, slot, seen, flags: (tag as u32) << Self::OWNER }
    }

    /// Whether it was made for the target with that tag. An index that was given to another target since must not bring
    /// the flow to a stranger.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the owner is the low bits")]
    pub const fn is_of(&self, tag: u64) -> bool {
        self.flags >> Self::OWNER == (tag as u32) << Self::OWNER >> Self::OWNER
    }

    /// Seconds without a packet of the flow. The clock's numbers wrap; one that was `seen` later than `now`, by another CPU
    /// or after the caller read its clock, is 0 old.
    #[inline(always)]
    pub const fn silence(&self, now: u32) -> u32 {
        let seconds = now.wrapping_sub(self.seen);
        if seconds > i32::MAX as u32 { 0 } else { seconds }
    }

    /// Whether the flow ends soon.
    #[inline(always)]
    pub const fn is_ending(&self) -> bool {
        self.flags & Self::FIN != 0
    }
}

/// What the flow tables are used for, counted per CPU. The number is the index of the counter.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowEvent {
    /// A packet of a slot that is not steady: the flow tables were asked.
    Lookup = 0,
    /// A flow was pinned.
    Pinned = 1,
    /// A flow was not pinned, because its table was full or the kernel had no memory at hand.
    Full = 2,
    /// A pinned flow was selected anew, because its target is dead.
    Reselected = 3,
    /// A flow was answered with a TCP reset, because its target's flows are over.
    Reset = 4,
}

impl FlowEvent {
    /// Every event, in the order of their numbers.
    pub const ALL: &'static [Self] = &[Self::Lookup, Self::Pinned, Self::Full, Self::Reselected, Self::Reset];

    /// How many there are.
    #[expect(clippy::cast_possible_truncation, reason = "a handful")]
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// The value of the `event` label in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Pinned => "pinned",
            Self::Full => "full",
            Self::Reselected => "reselected",
            Self::Reset => "reset",
        }
    }
}

const _: () = assert!(size_of::<Pin>() == 16, "no hidden padding");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_silent_since_its_last_packet_whatever_the_clock_shows() {
        for (seen, now, silence) in
            [(100, 100, 0), (100, 161, 61), (101, 100, 0), (u32::MAX - 9, 20, 30), (5, u32::MAX, 0)]
        {
            assert_eq!(Pin::new(1, 2, 3, seen).silence(now), silence, "seen at {seen}, now {now}");
        }
    }
}
