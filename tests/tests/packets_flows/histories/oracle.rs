//! What clients may expect.

use nlb_tests::packets::Segment;

use super::FLOWS;
use super::agent::State;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Target(u32),
    Reset,
    Dropped,
}

/// A flow that a client and a target have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live {
    pub(super) target: u32,
    /// When its last packet was sent.
    pub(super) seen: u32,
    /// Only SYNs were sent.
    pub(super) half_open: bool,
}

pub(super) struct Oracle {
    flows: [Option<Live>; FLOWS],
}

impl Oracle {
    pub(super) fn new() -> Self {
        Self { flows: [None; FLOWS] }
    }

    /// These flows are over.
    pub(super) fn ended(&mut self, which: impl Fn(usize, &Live) -> bool) {
        for (number, flow) in self.flows.iter_mut().enumerate() {
            if flow.as_ref().is_some_and(|live| which(number, live)) {
                *flow = None;
            }
        }
    }

    pub(super) fn lives(&self, flow: usize) -> bool {
        self.flows[flow].is_some()
    }

    /// A packet was sent and this became of it. What is wrong with that, if anything. `opened`: when the transition began
    /// that the flow's slot is in, if it is in one that only pins flows as they are seen.
    pub(super) fn sent(
        &mut self,
        (flow, segment): (usize, Segment),
        outcome: Outcome,
        targets: &[State],
        opened: Option<u32>,
        time: u32,
    ) -> Result<(), String> {
        let state = |target: u32| targets[target as usize];
        let live = self.flows[flow].filter(|_| segment != Segment::Syn);
        if let Outcome::Target(target) = outcome
            && !state(target).serves()
        {
            return Err(format!("target {target} serves no flow: {:?}", state(target)));
        }
        if let Some(Live { target, seen, .. }) = live {
            let over = state(target).is_over();
            let expected = match segment {
                Segment::Udp if over => Outcome::Dropped,
                Segment::Data | Segment::Fin if over => Outcome::Reset,
                _ => Outcome::Target(target),
            };
            // A flow that was not seen since its slot opened need not be pinned. Nobody knows then that its target is done
            // with it: it is given to another, which resets what it doesn't know.
            let given = over
                && opened.is_some_and(|opened| seen < opened)
                && matches!(outcome, Outcome::Target(other) if other != target && state(other).serves());
            if outcome != expected && !given {
                return Err(format!("expected {expected:?}, got {outcome:?}"));
            }
            let ended = over || segment == Segment::Rst;
            self.flows[flow] = (!ended).then_some(Live { target, seen: time, half_open: false });
            return Ok(());
        }
        self.flows[flow] = match (segment, outcome) {
            (Segment::Syn, Outcome::Target(target)) if state(target).takes_new_flows() => {
                Some(Live { target, seen: time, half_open: true })
            }
            (Segment::Udp, Outcome::Target(target)) => Some(Live { target, seen: time, half_open: false }),
            // A stray: the target that gets it knows no such connection.
            (Segment::Data | Segment::Fin | Segment::Rst, Outcome::Target(_)) => None,
            (Segment::Data | Segment::Fin, Outcome::Reset) | (Segment::Udp, Outcome::Dropped)
                if targets.iter().any(|target| target.is_over()) =>
            {
                None
            }
            _ => return Err(format!("a packet of no live flow: {outcome:?}")),
        };
        Ok(())
    }
}
