//! The tables in memory: for tests of the agent and for simulations.

use std::sync::Arc;

use nlb_common::drop_reason::DropReason;
use nlb_common::hash::Flow;
use nlb_common::slot::{Slot, TargetIndex};

use super::{Attachment, CounterReading, Dataplane, DataplaneError, Tables, TraceLines, Write};

/// Holds what the kernel would hold, as flat as the kernel does, so that a wrong order or index shows.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    tables: Tables,
    slots: Vec<Slot>,
}

impl Memory {
    /// Empty tables with room for `slots` slots.
    pub fn new(slots: usize) -> Self {
        Self { tables: Tables::default(), slots: vec![Slot::EMPTY; slots] }
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
                Write::Target { index, value, .. } => {
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
                Write::Listener { key, value, .. } => {
                    self.tables.listeners.insert(*key, *value);
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
        })
    }

    fn attachments(&self) -> Vec<Attachment> {
        Vec::new()
    }

    /// Has no packets, so its traces have no lines.
    fn trace(&mut self, flow: Option<Flow>) -> Result<Option<TraceLines>, DataplaneError> {
        Ok(flow.map(|_| tokio::sync::mpsc::channel(1).1))
    }
}
