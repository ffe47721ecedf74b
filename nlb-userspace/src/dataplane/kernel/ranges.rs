//! Listeners of many ports, written while packets look up in them. [`nlb_common::ranges`] says how packets find them.

use std::collections::BTreeMap;

use aya::Ebpf;
use aya::maps::{HashMap, MapData, MapError};
use nlb_common::layout::edge;
use nlb_common::ranges::{Ranges, RangesKey};
use nlb_common::tables::{Listener, ListenerKey};

use super::KernelError;
use super::tables::{at, typed};

/// The table.
pub(super) struct RangeTable(HashMap<MapData, RangesKey, Ranges>);

impl RangeTable {
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, KernelError> {
        Ok(Self(typed(object, edge::RANGES)?))
    }

    /// All listeners.
    pub(super) fn read(&self) -> Result<BTreeMap<ListenerKey, Listener>, KernelError> {
        let mut listeners = BTreeMap::new();
        for entry in self.0.iter() {
            let (key, ranges) = entry.map_err(at("read", edge::RANGES))?;
            listeners.extend(ranges.listeners(&key));
        }
        Ok(listeners)
    }

    /// Puts `listeners` in the place of those that `key` had; none: takes them out. What was there may still be read until a
    /// grace period is over, and no other write may come before.
    pub(super) fn write(&mut self, key: &RangesKey, listeners: &[(ListenerKey, Listener)]) -> Result<(), KernelError> {
        if !listeners.is_empty() {
            return self.0.insert(key, Ranges::new(listeners), 0).map_err(at("write", edge::RANGES));
        }
        match self.0.remove(key) {
            Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            removed => removed.map_err(at("write", edge::RANGES)),
        }
    }
}
