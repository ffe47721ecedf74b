//! What is remembered of a flow, and when anything is remembered at all.

use crate::slot::TargetIndex;

/// Which flows of a group are remembered.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tracking {
    /// Those that a change of targets in transition would otherwise break. The default for TCP.
    #[default]
    Transition = 0,
    /// Every flow, always. The default for UDP, which has no packet that opens a flow.
    All = 1,
    /// None: the ring alone decides. For protocols of one question and one answer.
    None = 2,
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
    /// [`FIN`](Self::FIN) and what comes later.
    pub flags: u32,
}

impl Pin {
    /// The client has sent a FIN: the flow ends soon.
    pub const FIN: u32 = 1;
}

/// What the flow tables are used for, counted per CPU. The number is the index of the counter.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowEvent {
    /// A packet of a slot that is not steady: the flow tables were asked.
    Lookup = 0,
    /// A flow was pinned.
    Pinned = 1,
    /// A flow was not pinned, because its table was full.
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
