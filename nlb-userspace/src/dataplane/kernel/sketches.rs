//! The sketches of active flows, read and emptied while packets set their bits.
//!
//! Read and emptied are two steps. A bit that is set in between is lost, and set again by that flow's next packet; a word
//! that a packet was just about to write keeps what it held. Neither is noticed in an estimate.

use std::sync::atomic::{AtomicU64, Ordering};

use aya::Ebpf;
use nlb_common::active::{LEVELS, Sketch, row};
use nlb_common::layout::edge;

use super::KernelError;
use super::mapped::Mapped;
use crate::dataplane::SketchOf;

/// The sketches of one set, in this process's memory.
pub(super) struct Sketches {
    listeners: Mapped,
    targets: Mapped,
}

impl Sketches {
    /// Takes the maps out of a loaded object.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, KernelError> {
        let mut map = |table| {
            let map = object.take_map(table).ok_or(KernelError::NotInObject { name: table })?;
            Mapped::new(map, table, "sketches")
        };
        Ok(Self { listeners: map(edge::LISTENER_FLOWS)?, targets: map(edge::TARGET_FLOWS)? })
    }

    /// What a sketch holds, and by wish nothing more afterwards; `None` if there is none.
    pub(super) fn read(&self, of: SketchOf, take: bool) -> Result<Option<Box<Sketch>>, KernelError> {
        let Some(rows) = self.rows(of) else { return Ok(None) };
        let mut sketch = Box::new(Sketch::EMPTY);
        for (to, from) in sketch.rows_mut().zip(rows) {
            for (to, from) in to.iter_mut().zip(from?) {
                *to = from.load(Ordering::Relaxed);
                if take && *to != 0 {
                    from.store(0, Ordering::Relaxed);
                }
            }
        }
        Ok(Some(sketch))
    }

    /// Empties a sketch, if there is one.
    pub(super) fn clear(&self, of: SketchOf) -> Result<(), KernelError> {
        self.read(of, true).map(drop)
    }

    /// The rows of a sketch, if there is one.
    fn rows(&self, of: SketchOf) -> Option<impl Iterator<Item = Result<&[AtomicU64], KernelError>>> {
        let (table, index) = match of {
            SketchOf::Listener(index) => (&self.listeners, index),
            SketchOf::Target(index) => (&self.targets, index),
        };
        // As many rows as there are, by 2^18 sketches of 16 at most.
        let sketches = u32::try_from(table.len()).unwrap_or(u32::MAX) / LEVELS;
        (index < sketches).then(|| (0..LEVELS).map(move |block| table.entry(row(sketches, index, block))))
    }
}
