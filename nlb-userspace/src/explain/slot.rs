//! The group's slot that the flow hashes to, and what is remembered of the flow.

use nlb_common::flow::Pin;
use nlb_common::hash::Flow;
use nlb_common::packet::transport::Segment;
use nlb_common::slot::{Slot, TargetIndex};

use super::{End, Story, Verdict};
use crate::api::dto::Routing;
use crate::control::snapshot::{GroupState, Snapshot};

impl Story<'_> {
    pub(super) fn group(&mut self, group: &GroupState) {
        self.told.target_group = Some(group.name.to_string());
        let total = group.targets.len();
        let routing = match Routing::from(group.routing) {
            Routing::Healthy => "new flows go to its healthy targets",
            Routing::OtherZones => "new flows go to healthy targets of other zones: this edge's zone has none",
            Routing::FailOpen => "FAIL OPEN: no target is healthy, so new flows go to all of them",
            Routing::Waiting => "no flows yet: its targets are at their first checks",
            Routing::Empty => "it has no target with a weight above 0 and a next hop",
        };
        self.step("group", format!("`{}` has {total} target{}; {routing}", group.name, plural(total)));
    }

    pub(super) fn slot(&mut self, snapshot: &Snapshot, group: &GroupState, flow: &Flow) -> Result<Slot, End> {
        let hash = snapshot.hash_keys().hash(flow, group.affinity.into());
        self.step("hash", format!("affinity {} hashes to {hash:#018x}", group.affinity.about()));
        let no_ring = || (Verdict::Dropped, format!("group `{}` has no ring yet", group.name));
        let mask = group.ring.len().checked_sub(1).and_then(|mask| u32::try_from(mask).ok()).ok_or_else(no_ring)?;
        let low = u32::try_from(hash & u64::from(mask)).unwrap_or(mask);
        let slot = usize::try_from(low).ok().and_then(|low| group.ring.get(low)).copied().ok_or_else(no_ring)?;
        self.told.slot = Some(low);
        self.step(
            "slot",
            format!(
                "{low} of {}, entry {} of the slot table: word {:#018x}, {}",
                group.ring.len(),
                group.first_slot.saturating_add(low),
                slot.0,
                flags(slot)
            ),
        );
        Ok(slot)
    }

    /// Which target the slot and what is remembered give the flow's next packet.
    pub(super) fn remembered(&mut self, group: &GroupState, slot: Slot, pin: Option<&Pin>) -> TargetIndex {
        let name = |index: TargetIndex| {
            let known = group.targets.iter().find(|target| target.index == index);
            known.map_or_else(|| format!("target {index}"), |target| target.key.socket().to_string())
        };
        if slot.is_steady() {
            self.step("flow", "the slot is steady: no flow of it is looked up".to_owned());
            return slot.current();
        }
        let serves = |pin: &&Pin| group.targets.iter().any(|target| target.index == pin.target && target.serves);
        if let Some(pin) = pin.filter(|pin| !serves(pin)) {
            let target = name(pin.target);
            self.step("flow", format!("it is remembered for {target}, which serves no more: it is selected anew"));
            return slot.current();
        }
        if let Some(pin) = pin {
            let fin = if pin.flags & Pin::FIN == 0 { "" } else { ", and the client has sent a FIN" };
            self.step("flow", format!("it is remembered for {}{fin}", name(pin.target)));
            return pin.target;
        }
        if !slot.is_open() {
            self.step("flow", "nothing is remembered of it: it belongs to the current target".to_owned());
            return slot.current();
        }
        let previous = if slot.previous() == 0 { slot.current() } else { slot.previous() };
        if let Some(opens) = self.packet.as_ref().map(|packet| packet.segment == Segment::Opens) {
            let (index, why) = if opens { (slot.current(), "opens it") } else { (previous, "goes on with it") };
            self.step(
                "flow",
                format!("nothing is remembered of it, and the packet {why}: it belongs to {}", name(index)),
            );
            return index;
        }
        self.step(
            "flow",
            format!(
                "nothing is remembered of it: if it has begun already it belongs to {}; a new one would go to {}",
                name(previous),
                name(slot.current())
            ),
        );
        slot.current()
    }
}

fn flags(slot: Slot) -> &'static str {
    match (slot.is_open(), slot.is_pinned()) {
        (false, false) => "steady: the current target gets every packet",
        (true, false) => "open: flows from before the change may still go to the previous target",
        (false, true) => "pinned: single flows may be remembered for another target",
        (true, true) => "open and pinned: flows from before the change may go to the previous or a remembered target",
    }
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
