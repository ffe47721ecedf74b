//! Listeners of many ports, written while packets look up in them. [`nlb_common::ranges`] says how packets find them.

use std::collections::BTreeMap;

use aya::Ebpf;
use nlb_common::layout::edge;
use nlb_common::ranges::{Ranges, RangesKey};
use nlb_common::tables::{Listener, ListenerKey};

use super::KernelError;
use super::hash_table::HashTable;

/// The table.
pub(super) struct RangeTable(HashTable<RangesKey, Ranges>);

impl RangeTable {
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, KernelError> {
        Ok(Self(HashTable::take(object, edge::RANGES)?))
    }

    /// All listeners.
    pub(super) fn read(&self) -> Result<BTreeMap<ListenerKey, Listener>, KernelError> {
        let ranges = self.0.read()?;
        Ok(ranges.iter().flat_map(|(key, ranges)| ranges.listeners(key)).collect())
    }

    /// Puts `listeners` in the place of those that `key` had; none: takes them out. What was there may still be read until a
    /// grace period is over, and no other write may come before.
    pub(super) fn write(&mut self, key: &RangesKey, listeners: &[(ListenerKey, Listener)]) -> Result<(), KernelError> {
        if listeners.is_empty() { self.0.remove(key) } else { self.0.write(key, &Ranges::new(listeners)) }
    }
}
