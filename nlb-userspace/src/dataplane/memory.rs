//! The tables in memory: for tests of the agent and for simulations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nlb_common::active::Sketch;
use nlb_common::capture::Order;
use nlb_common::drop_reason::DropReason;
use nlb_common::flow::{FlowEvent, Pin};
use nlb_common::hash::Flow;
use nlb_common::quic::QuicRule;
use nlb_common::ranges::RangesKey;
use nlb_common::slot::{Slot, TargetIndex};
use nlb_common::tables::{Listener, ListenerKey};
use nlb_common::way::WayOutcome;

use super::flows::{PinBatch, PinPlace};
use super::{Attachment, Captures, CounterReading, Dataplane, DataplaneError, SketchOf, Tables, TraceLines, Write};

/// Holds what the kernel would hold, as flat as the kernel does, so that a wrong order or index shows.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    tables: Tables,
    slots: Vec<Slot>,
    pins: Vec<(PinPlace, Pin)>,
    sketches: BTreeMap<SketchOf, Sketch>,
}

impl Memory {
    /// Empty tables with room for `slots` slots.
    pub fn new(slots: usize) -> Self {
        Self { slots: vec![Slot::EMPTY; slots], ..Self::default() }
    }

    /// The pinned flows, for tests to fill and to look at: here no packet pins any.
    pub fn pinned(&mut self) -> &mut Vec<(PinPlace, Pin)> {
        &mut self.pins
    }

    /// A sketch, for tests to fill: here no packet sets a bit.
    pub fn sketched(&mut self, of: SketchOf) -> &mut Sketch {
        self.sketches.entry(of).or_default()
    }

    fn ring(&self, first: u32, mask: u32) -> Option<Arc<[Slot]>> {
        let first = usize::try_from(first).ok()?;
        let last = first.checked_add(usize::try_from(mask).ok()?)?;
        self.slots.get(first..=last).map(Arc::from)
    }
}

impl Dataplane for Memory {
    fn read(&mut self) -> Result<Tables, DataplaneError> {
        let mut tables = self.tables.clone();
        for (&index, group) in &self.tables.groups {
            let ring = self.ring(group.first_slot, group.slot_mask).ok_or(DataplaneError::RingOutOfBounds {
                group: index,
                first_slot: group.first_slot,
                slots: self.slots.len(),
            })?;
            tables.rings.insert(index, ring);
        }
        Ok(tables)
    }

    fn apply(&mut self, writes: &[Write]) -> Result<(), DataplaneError> {
        for write in writes {
            match write {
                Write::Target { index, value, fresh } => {
                    if *fresh {
                        self.sketches.remove(&SketchOf::Target(*index));
                    }
                    self.tables.targets.insert(*index, *value);
                }
                Write::Slots(slots) => {
                    let room = self.slots.len();
                    for (index, slot) in slots {
                        let place = usize::try_from(*index).ok().and_then(|index| self.slots.get_mut(index));
                        *place.ok_or(DataplaneError::SlotOutOfBounds { slot: *index, slots: room })? = *slot;
                    }
                }
                Write::Group { index, value } => {
                    self.tables.groups.insert(*index, *value);
                }
                Write::AccessList { number, list } => {
                    self.tables.access.insert(*number, Arc::clone(list));
                }
                Write::RemoveAccessList(number) => {
                    self.tables.access.remove(number);
                }
                Write::Listener { key, value, fresh } => {
                    if *fresh {
                        self.sketches.remove(&SketchOf::Listener(value.sketch));
                    }
                    self.tables.listeners.insert(*key, *value);
                }
                Write::Ranges { key, listeners, fresh } => {
                    for &counters in fresh {
                        self.sketches.remove(&SketchOf::Listener(counters));
                    }
                    let replaced = |known: &ListenerKey| known.has_more_ports() && RangesKey::of(known) == *key;
                    self.tables.listeners.retain(|known, _| !replaced(known));
                    self.tables.listeners.extend(listeners.iter().copied());
                }
                Write::QuicServer { key, target } => {
                    self.tables.quic_servers.insert(*key, *target);
                }
                Write::RemoveQuicServer(key) => {
                    self.tables.quic_servers.remove(key);
                }
                Write::Vip { address, value } => {
                    self.tables.vips.insert(*address, *value);
                }
                Write::Shield(address) => {
                    self.tables.shielded.insert(*address);
                }
                Write::Unshield(address) => {
                    self.tables.shielded.remove(address);
                }
                Write::RemoveVip(address) => {
                    self.tables.vips.remove(address);
                }
                Write::RemoveListener(key) => {
                    self.tables.listeners.remove(key);
                }
                Write::RemoveGroup(index) => {
                    self.tables.groups.remove(index);
                }
                Write::RemoveTarget(index) => {
                    self.tables.targets.remove(index);
                }
            }
        }
        Ok(())
    }

    fn activate(&mut self) -> Result<(), DataplaneError> {
        Ok(())
    }

    fn counters(&mut self, listeners: &[u32], targets: &[TargetIndex]) -> Result<CounterReading, DataplaneError> {
        Ok(CounterReading {
            listeners: listeners.iter().map(|&index| (index, Default::default())).collect(),
            targets: targets.iter().map(|&index| (index, Default::default())).collect(),
            drops: DropReason::ALL.iter().map(|&reason| (reason, 0)).collect(),
            way_outcomes: WayOutcome::ALL.iter().map(|&outcome| (outcome, 0)).collect(),
            quic_rules: QuicRule::ALL.iter().map(|&rule| (rule, 0)).collect(),
            ..CounterReading::default()
        })
    }

    /// With a place that isn't there any more, what the kernel's twin would do: the sweep begins anew.
    fn pins(&mut self, after: Option<PinPlace>, limit: usize) -> Result<PinBatch, DataplaneError> {
        self.pins.sort_unstable_by_key(|&(place, _)| place);
        let begin = after.map_or(0, |after| self.pins.partition_point(|&(place, _)| place <= after));
        let end = begin.saturating_add(limit.max(1)).min(self.pins.len());
        let batch = self.pins[begin..end].to_vec();
        let next = if end < self.pins.len() { batch.last().map(|&(place, _)| place) } else { None };
        Ok((batch, next))
    }

    fn pin_of(&mut self, flow: &Flow) -> Result<Option<Pin>, DataplaneError> {
        Ok(self.pins.iter().find(|(place, _)| place.flow == *flow).map(|&(_, pin)| pin))
    }

    fn unpin(&mut self, pins: &[PinPlace]) -> Result<(), DataplaneError> {
        let gone: BTreeSet<_> = pins.iter().collect();
        self.pins.retain(|(place, _)| !gone.contains(place));
        Ok(())
    }

    fn flow_events(&mut self) -> Result<Vec<(FlowEvent, u64)>, DataplaneError> {
        Ok(FlowEvent::ALL.iter().map(|&event| (event, 0)).collect())
    }

    fn sketch(&mut self, of: SketchOf, take: bool) -> Result<Option<Box<Sketch>>, DataplaneError> {
        if of == SketchOf::Listener(Listener::NO_SKETCH) {
            return Ok(None);
        }
        let found = if take { self.sketches.remove(&of) } else { self.sketches.get(&of).copied() };
        Ok(Some(Box::new(found.unwrap_or_default())))
    }

    fn attachments(&self) -> Vec<Attachment> {
        Vec::new()
    }

    /// Has no packets, so its traces have no lines.
    fn trace(&mut self, flow: Option<Flow>) -> Result<Option<TraceLines>, DataplaneError> {
        Ok(flow.map(|_| tokio::sync::mpsc::channel(1).1))
    }

    /// Has no packets to capture either.
    fn capture(&mut self, order: Option<Order>) -> Result<Option<Captures>, DataplaneError> {
        Ok(order.map(|_| tokio::sync::mpsc::channel(1).1))
    }
}
