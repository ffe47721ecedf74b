//! What clients and operators may expect.
//!
//! A connection lives from its SYN to its RST, or until it was silent for the idle timeout; a target lives from its
//! registration until its checks fail, or until its drain is over. While both live, every packet of the connection reaches
//! the target that its SYN went to.
//!
//! A connection that comes to another edge may be lost when nothing there tells its target. What tells it: the slot named
//! that target, and no other, for longer than any transition; or it did so when the only transition began that is surely
//! under way, and the connection is older than that; or, by GUE, it is either of that transition's two targets. For UDP: the slot names it.

use std::collections::BTreeMap;

use super::edge::{IDLE, Outcome, Settings};
use crate::packets::Segment;

/// Seconds by which the ends of timeouts are uncertain: clocks of whole seconds, read one after the other.
const SLACK: u32 = 2;
/// Seconds by which a transition lasts longer than the idle timeout.
const MARGIN: u32 = 5;
/// Seconds that a handshake, or the end after a FIN, may take.
const PATIENCE: u32 = 60;

/// A connection as its two ends see it.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    /// The target that its SYN went to.
    pub home: u8,
    begun: u32,
    seen: u32,
    /// Only SYNs were sent.
    half_open: bool,
    fin: bool,
    /// It reaches its target by second chance only: the first target that its packets go to.
    adrift: Option<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Target {
    registered: bool,
    healthy: bool,
    /// Since when it is leaving.
    drained: Option<u32>,
}

/// The slot of a flow at an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    /// Which edge.
    pub edge: usize,
    /// Which of the slots that flows belong to.
    pub slot: usize,
}

/// What is expected.
#[derive(Debug)]
pub struct Oracle {
    idle: u32,
    delay: u32,
    tcp: bool,
    gue: bool,
    flows: Vec<Option<Live>>,
    targets: BTreeMap<u8, Target>,
    /// When each slot named another target for new flows, and which.
    turns: BTreeMap<Seat, Vec<(u32, u8)>>,
}

impl Oracle {
    /// Nothing has happened yet to any of so many flows.
    pub fn new(flows: usize, settings: &Settings) -> Self {
        let Settings { tcp, gue, delay, .. } = *settings;
        let flows = vec![None; flows];
        Self { idle: IDLE, delay, tcp, gue, flows, targets: BTreeMap::new(), turns: BTreeMap::new() }
    }

    /// Whether a connection lives.
    pub fn lives(&self, flow: usize) -> bool {
        self.flows[flow].is_some()
    }

    /// Seconds that a live connection was silent for.
    pub fn silence(&self, flow: usize, now: u32) -> Option<u32> {
        self.flows[flow].map(|live| now.saturating_sub(live.seen))
    }

    fn end_flows(&mut self, ended: impl Fn(&Live) -> bool) {
        for flow in &mut self.flows {
            if flow.as_ref().is_some_and(&ended) {
                *flow = None;
            }
        }
    }

    fn end_flows_of(&mut self, target: u8) {
        self.end_flows(|live| live.home == target);
    }

    /// A target's checks changed their mind.
    pub fn found(&mut self, target: u8, healthy: bool) {
        self.targets.entry(target).or_default().healthy = healthy;
        if !healthy {
            self.end_flows_of(target);
        }
    }

    /// A target is registered, and healthy.
    pub fn registered(&mut self, target: u8) {
        self.targets.insert(target, Target { registered: true, healthy: true, drained: None });
    }

    /// Whether a target is registered.
    pub fn is_registered(&self, target: u8) -> bool {
        self.targets.get(&target).is_some_and(|target| target.registered)
    }

    /// A target is drained, `stays`: by command, or else deregistered.
    pub fn drained(&mut self, target: u8, stays: bool, now: u32) {
        let known = self.targets.entry(target).or_default();
        known.registered = stays;
        known.drained.get_or_insert(now);
    }

    /// A target is drained no longer.
    pub fn undrained(&mut self, target: u8) {
        self.targets.entry(target).or_default().drained = None;
    }

    /// What a slot names for new flows.
    pub fn names(&mut self, seat: Seat, target: u8, now: u32) {
        let turns = self.turns.entry(seat).or_default();
        if turns.last().is_none_or(|&(_, last)| last != target) {
            turns.push((now, target));
        }
    }

    /// Time has passed.
    pub fn now_is(&mut self, now: u32) {
        let idle = self.idle;
        self.end_flows(|live| {
            let patience = if live.half_open || live.fin { PATIENCE.min(idle) } else { idle };
            now >= live.seen + patience - SLACK || live.half_open && now >= live.begun + PATIENCE - SLACK
        });
        let delay = self.delay.saturating_sub(1);
        let over = |target: &Target| target.drained.is_some_and(|since| now >= since + delay);
        let over: Vec<u8> = self.targets.iter().filter(|(_, target)| over(target)).map(|(number, _)| *number).collect();
        for target in over {
            // Whoever is still pinned to it, though its connection is another's, is reset as well.
            self.end_flows(|live| live.home == target || live.adrift == Some(target));
        }
    }

    /// A packet was sent and this became of it. `came`: to an edge that has not seen its connection. What is wrong.
    pub fn sent(
        &mut self,
        flow: usize,
        segment: Segment,
        (seat, came): (Seat, bool),
        outcome: Outcome,
        now: u32,
    ) -> Result<(), String> {
        let opens = segment == Segment::Syn || segment == Segment::Udp && self.flows[flow].is_none();
        if opens {
            self.flows[flow] = None;
            let Outcome::Target(home, _) = outcome else { return Ok(()) };
            let target = self.targets.get(&home).copied().unwrap_or_default();
            // A datagram may be of a flow that was silent for almost as long as it may be.
            if let Some(since) = target.drained.filter(|_| self.tcp) {
                return Err(format!("a new flow for target {home}, which is leaving since {since}"));
            }
            let half_open = segment == Segment::Syn;
            let live = Live { home, begun: now, seen: now, half_open, fin: false, adrift: None };
            self.flows[flow] = (target.registered && target.healthy).then_some(live);
            return Ok(());
        }
        let Some(mut live) = self.flows[flow] else { return Ok(()) };
        live.seen = now;
        live.half_open = false;
        live.fin |= segment == Segment::Fin;
        let may_drift = self.gue && (came || live.adrift.is_some());
        let stays = match outcome {
            Outcome::Target(first, _) if first == live.home => {
                live.adrift = None;
                true
            }
            Outcome::Target(first, Some(second)) if may_drift && second == live.home => {
                live.adrift = Some(first);
                true
            }
            _ => false,
        };
        let may_be_lost = came && self.may_be_lost(seat, &live, now) || self.drifts_off(seat, &live);
        if !stays && !may_be_lost {
            return Err(format!("expected target {}, got {outcome:?}; {live:?}", live.home));
        }
        self.flows[flow] = (stays && segment != Segment::Rst).then_some(live);
        Ok(())
    }

    fn may_be_lost(&self, seat: Seat, live: &Live, now: u32) -> bool {
        let turns = self.turns.get(&seat).map_or(&[][..], Vec::as_slice);
        if !self.tcp {
            return turns.last().is_none_or(|&(_, named)| named != live.home);
        }
        let transition = self.idle + MARGIN + SLACK;
        let quiet = turns.partition_point(|&(at, _)| at + transition < now);
        let (before, recent) = turns.split_at(quiet);
        let Some(&(since, settled)) = before.last() else { return true };
        if since + 2 * transition >= now {
            return true;
        }
        let under_way = |at: u32| now + SLACK < at + self.idle + MARGIN;
        let told = settled == live.home && recent.first().is_none_or(|&(at, _)| live.begun < at && under_way(at));
        let chance = self.gue && recent.len() <= 1 && recent.iter().any(|&(_, turned)| turned == live.home);
        !told && !chance
    }

    /// A second chance knows of the last change only.
    fn drifts_off(&self, seat: Seat, live: &Live) -> bool {
        let last = self.turns.get(&seat).and_then(|turns| turns.last());
        live.adrift.is_some() && last.is_none_or(|&(_, named)| named != live.home)
    }
}
