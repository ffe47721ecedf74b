//! The sketches of active flows, read and emptied while packets set their bits.
//!
//! Read and emptied are two steps. A bit that is set in between is lost, and set again by that flow's next packet; a bucket
//! that a packet was just about to write keeps what it held. Neither is noticed in an estimate.

use aya::Ebpf;
use aya::maps::{Array, Map, MapData, MapError};
use nlb_common::active::Sketch;
use nlb_common::layout::edge;

use super::KernelError;
use crate::dataplane::SketchOf;

/// The sketches of one set, open.
pub(super) struct Sketches {
    listeners: Array<MapData, Sketch>,
    targets: Array<MapData, Sketch>,
}

impl Sketches {
    /// Takes the maps out of a loaded object.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, KernelError> {
        let mut map = |table| -> Result<Array<MapData, Sketch>, KernelError> {
            let map: Map = object.take_map(table).ok_or(KernelError::NotInObject { name: table })?;
            Array::try_from(map).map_err(at("open", table))
        };
        Ok(Self { listeners: map(edge::LISTENER_FLOWS)?, targets: map(edge::TARGET_FLOWS)? })
    }

    /// What a sketch holds, and by wish nothing more afterwards; `None` if there is none.
    pub(super) fn read(&mut self, of: SketchOf, take: bool) -> Result<Option<Box<Sketch>>, KernelError> {
        let (map, table, index) = self.place(of);
        if index >= map.len() {
            return Ok(None);
        }
        let sketch = Box::new(map.get(&index, 0).map_err(at("read", table))?);
        if take && !sketch.is_empty() {
            map.set(index, Sketch::EMPTY, 0).map_err(at("write", table))?;
        }
        Ok(Some(sketch))
    }

    /// Empties a sketch, if there is one.
    pub(super) fn clear(&mut self, of: SketchOf) -> Result<(), KernelError> {
        self.read(of, true).map(drop)
    }

    const fn place(&mut self, of: SketchOf) -> (&mut Array<MapData, Sketch>, &'static str, u32) {
        match of {
            SketchOf::Listener(index) => (&mut self.listeners, edge::LISTENER_FLOWS, index),
            SketchOf::Target(index) => (&mut self.targets, edge::TARGET_FLOWS, index),
        }
    }
}

fn at(action: &'static str, table: &'static str) -> impl FnOnce(MapError) -> KernelError {
    move |source| KernelError::Table { action, table, source }
}
