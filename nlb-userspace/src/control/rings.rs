//! Rings with their history: which target each slot names, and what is in transition.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nlb_common::flow::Tracking;
use nlb_common::slot::{Slot, TargetIndex};

use super::notice::Notice;
use super::sizes::repeated;
use super::snapshot::RingChange;
use super::state::State;
use super::target_set::TargetSet;
use super::transition::step::{Circumstances, open_for, step};
use crate::model::{FlowRules, Forwarding, Protocol, RingKind, RingSize, TargetGroup, Timestamp};
use crate::ring::{self, Member};

/// A group's ring and what it follows from.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// Of what it was filled: how, for which size (less than the ring's own when that is to shrink), and with whom; `None` for
    /// a ring found in the kernel.
    pub(super) filled: Option<(RingKind, RingSize, Vec<Member>)>,
    /// What its slots were stepped by last; `None` for a ring found in the kernel.
    pub(super) stepped: Option<Stepped>,
    pub(super) slots: Arc<[Slot]>,
    /// How many slots each target has for new flows.
    pub(super) shares: BTreeMap<TargetIndex, u32>,
    pub(super) open: OpenSlots,
    pub(super) last_change: Option<RingChange>,
}

/// What decides about slots besides their targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stepped {
    /// Targets with an entry.
    pub(super) exist: TargetSet,
    /// Those of them that may serve flows.
    pub(super) serve: TargetSet,
    /// Which flows are remembered.
    pub(super) tracking: Tracking,
    /// Seconds after which a flow without packets is over: the longest of any protocol, TCP's, and that of UDP and SCTP.
    pub(super) idle: u32,
    pub(super) idle_tcp: u32,
    pub(super) idle_datagrams: u32,
}

/// What a ring is to be.
pub(super) struct Wanted {
    /// As [`Ring::filled`].
    pub(super) filled: Option<(RingKind, RingSize, Vec<Member>)>,
    /// The target of each slot's new flows.
    pub(super) built: Vec<TargetIndex>,
    /// What decides besides.
    pub(super) stepped: Stepped,
}

/// What is in transition in a ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OpenSlots {
    /// Slots that are open.
    pub(super) count: u32,
    /// Slots that may have pins, the open ones included.
    pub(super) pinned: u32,
    /// The targets whose flows are waited for.
    pub(super) previous: TargetSet,
    /// When the first of them closes.
    pub(super) due: Option<Timestamp>,
}

impl Ring {
    /// A ring found in the kernel.
    pub(super) fn found(slots: Arc<[Slot]>) -> Self {
        let shares = shares(slots.iter().map(|slot| slot.current()));
        Self { filled: None, stepped: None, slots, shares, open: OpenSlots::default(), last_change: None }
    }

    /// Whether the slots are still what `stepped` makes of their targets.
    pub(super) fn is_stepped_by(&self, stepped: &Stepped, now: Timestamp) -> bool {
        self.stepped.as_ref() == Some(stepped) && self.open.due.is_none_or(|due| due > now)
    }
}

impl Stepped {
    /// For a group with these `rules` in force.
    pub(super) fn new(group: &TargetGroup, rules: &FlowRules, exist: TargetSet, serve: TargetSet) -> Self {
        let idle = |protocol| seconds(group.flows.idle_timeout_of(protocol));
        Self {
            exist,
            serve,
            tracking: match group.forwarding {
                Forwarding::Nat { .. } => Tracking::Translated,
                _ => rules.tracking.into(),
            },
            idle: seconds(rules.idle_timeout),
            idle_tcp: idle(Protocol::Tcp),
            idle_datagrams: idle(Protocol::Udp),
        }
    }

    /// Seconds after which a flow of that IP protocol is over.
    pub(super) fn idle_of(&self, protocol: u8) -> u32 {
        if protocol == Protocol::Tcp.number() { self.idle_tcp } else { self.idle_datagrams }
    }
}

/// How often each target is among `targets`.
fn shares(targets: impl Iterator<Item = TargetIndex>) -> BTreeMap<TargetIndex, u32> {
    let mut counts: Vec<u32> = Vec::new();
    for place in targets.map(|target| usize::try_from(target).unwrap_or(usize::MAX)) {
        if counts.len() <= place {
            counts.resize(place + 1, 0);
        }
        counts[place] += 1;
    }
    (0..).zip(counts).filter(|&(_, count)| count > 0).collect()
}

/// Whole seconds, rounded up.
fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
}

impl State {
    /// The ring of `members`: the one there is when nothing about it differs, otherwise the next of its history.
    pub(super) fn ring(
        &mut self,
        group: &TargetGroup,
        first_slot: u32,
        members: Vec<Member>,
        stepped: Stepped,
        notices: &mut Vec<Notice>,
        now: Timestamp,
    ) -> Arc<[Slot]> {
        let (tag, size) = (self.tag_of(group), self.size_of(group));
        let filled = (group.ring, size.min(group.ring_size), members);
        let is_same = |ring: &&Ring| ring.filled.as_ref() == Some(&filled) && ring.is_stepped_by(&stepped, now);
        if let Some(ring) = self.rings.get(&tag).filter(is_same) {
            return Arc::clone(&ring.slots);
        }
        let before = self.rings.remove(&tag).unwrap_or_else(|| {
            let slots = usize::try_from(size.get()).unwrap_or_default();
            Ring::found(vec![Slot::EMPTY; slots].into())
        });
        let same_members = before.filled.as_ref() == Some(&filled);
        let built = if same_members {
            before.slots.iter().map(|slot| slot.current()).collect()
        } else {
            let (kind, size, members) = &filled;
            let built = self.kept_rings.build(tag, (*kind, *size), self.seed, members);
            if built.len() == before.slots.len() { built } else { repeated(&built, before.slots.len()) }
        };
        let (slots, change) =
            self.advance(tag, first_slot, before, Wanted { filled: Some(filled), built, stepped }, now);
        if let Some(change) = change {
            let targets = self.rings.get(&tag).and_then(|ring| ring.filled.as_ref()).map_or(0, |filled| filled.2.len());
            notices.push(Notice::Ring { group: group.name.clone(), change, targets });
        }
        slots
    }

    /// The next ring in the history of `before`. Gives its slots, and what moved.
    pub(super) fn advance(
        &mut self,
        tag: u64,
        first_slot: u32,
        before: Ring,
        wanted: Wanted,
        now: Timestamp,
    ) -> (Arc<[Slot]>, Option<RingChange>) {
        let Wanted { filled, built, stepped } = wanted;
        let held: Vec<TargetIndex> = before.slots.iter().map(|slot| slot.current()).collect();
        let next = self.step_all(&before.slots, &built, &stepped, now);
        let slots =
            if next[..] == before.slots[..] { before.slots } else { self.touched(first_slot, &before.slots, next) };
        let open = self.open_slots(&slots, stepped.idle, now);
        let moved = ring::moved(&held, &built);
        let change = (moved > 0).then(|| RingChange { at: now, moved, least: ring::least_moved(&held, &built) });
        let shares = if change.is_some() { shares(built.iter().copied()) } else { before.shares };
        let (stepped, last_change) = (Some(stepped), change.or(before.last_change));
        self.rings.insert(tag, Ring { filled, stepped, slots: Arc::clone(&slots), shares, open, last_change });
        (slots, change)
    }

    fn step_all(&self, slots: &[Slot], built: &[TargetIndex], stepped: &Stepped, now: Timestamp) -> Vec<Slot> {
        let circumstances = Circumstances {
            serves: &|target| stepped.serve.contains(target),
            exists: &|target| stepped.exist.contains(target),
            tracking: stepped.tracking,
            idle: stepped.idle,
            now: self.packets.tick(now),
        };
        slots.iter().zip(built).map(|(&slot, &next)| step(slot, next, &circumstances)).collect()
    }

    /// What a sweep under way has seen of slots that now differ counts no more.
    fn touched(&mut self, first_slot: u32, before: &[Slot], next: Vec<Slot>) -> Arc<[Slot]> {
        if let Some(sweep) = &mut self.sweep {
            let changed = (first_slot..).zip(before.iter().zip(&next)).filter(|(_, (before, next))| before != next);
            changed.for_each(|(slot, _)| sweep.touch(slot));
        }
        next.into()
    }

    pub(super) fn open_slots(&self, slots: &[Slot], idle: u32, now: Timestamp) -> OpenSlots {
        let tick = self.packets.tick(now);
        let mut open = OpenSlots::default();
        let mut least = None::<u32>;
        for slot in slots {
            open.pinned += u32::from(slot.is_pinned());
            if slot.is_open() {
                open.count += 1;
                open.previous.insert(slot.previous());
                let left = open_for(idle).saturating_sub(tick.since(slot.opened()));
                least = Some(least.map_or(left, |least| least.min(left)));
            }
        }
        open.due = least.map(|seconds| now + Duration::from_secs(seconds.into()));
        open
    }
}
