//! Edges of which the tests of one process make use one after the other.
//!
//! The kernel checks the edge's programs for a good part of a second, in an emulated machine for many. So an edge that is no
//! longer used is kept, and its tables are emptied for the next that is to be loaded just like it.

use std::io::Error;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, bail};
use aya::Ebpf;
use aya::maps::{Map, MapData, MapType, RingBuf};

use crate::sys::bpf;

const BPF_MAP_DELETE_ELEM: i64 = 3;
const BPF_MAP_GET_NEXT_KEY: i64 = 4;
const BPF_MAP_UPDATE_BATCH: i64 = 26;

/// Edges that nobody uses now.
static KEPT: Mutex<Vec<(Made, Ebpf)>> = Mutex::new(Vec::new());

/// With what an edge was loaded: edges of which this is the same are the same, but for what their tables hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) seed: u64,
    pub(super) trace: bool,
    /// Tables and how many entries each has room for.
    pub(super) room: Vec<(String, u32)>,
}

/// The loaded object of an edge, which is kept when the edge is no longer used.
pub(super) struct Shared {
    made: Made,
    /// How many maps it has: one that a test took may still be in use.
    maps: usize,
    /// `None` only once it is dropped.
    ebpf: Option<Ebpf>,
}

impl Shared {
    /// An object that was loaded so, with empty tables; what `load` loads if none is left.
    pub(super) fn of(made: Made, load: impl FnOnce() -> Result<Ebpf>) -> Result<Self> {
        let kept = {
            let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
            let place = kept.iter().position(|(found, _)| *found == made);
            place.map(|place| kept.swap_remove(place).1)
        };
        let ebpf = match kept {
            Some(mut ebpf) => {
                for (name, map) in ebpf.maps_mut() {
                    empty(map).with_context(|| format!("cannot empty {name}"))?;
                }
                ebpf
            }
            None => load()?,
        };
        Ok(Self { made, maps: ebpf.maps().count(), ebpf: Some(ebpf) })
    }
}

impl Deref for Shared {
    type Target = Ebpf;

    fn deref(&self) -> &Ebpf {
        self.ebpf.as_ref().expect("taken by drop only")
    }
}

impl DerefMut for Shared {
    fn deref_mut(&mut self) -> &mut Ebpf {
        self.ebpf.as_mut().expect("taken by drop only")
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // After a failure, somebody may still hold what the next would be surprised of.
        if let Some(ebpf) = self.ebpf.take()
            && !thread::panicking()
            && ebpf.maps().count() == self.maps
        {
            KEPT.lock().unwrap_or_else(PoisonError::into_inner).push((self.made.clone(), ebpf));
        }
    }
}

/// Leaves nothing in the map but what the loader put there: constants and programs.
fn empty(map: &mut Map) -> Result<()> {
    match map {
        Map::Array(map) => zero(map),
        Map::PerCpuArray(map) => zero(map),
        Map::HashMap(map) | Map::LruHashMap(map) | Map::LpmTrie(map) => delete(map),
        Map::RingBuf(map) => {
            let mut ring = RingBuf::try_from(Map::RingBuf(MapData::from_id(map.info()?.id())?))?;
            while ring.next().is_some() {}
            Ok(())
        }
        Map::ProgramArray(_) => Ok(()),
        map => bail!("nobody knows how to empty {map:?}"),
    }
}

/// Deletes all entries.
fn delete(map: &MapData) -> Result<()> {
    let fd = map.fd().as_fd().as_raw_fd() as u64;
    let size = map.info()?.key_size() as usize;
    let mut next = vec![0; size];
    let mut step = bpf(BPF_MAP_GET_NEXT_KEY, &[fd, 0, next.as_mut_ptr() as u64]);
    while step.is_ok() {
        let key = next.clone();
        step = bpf(BPF_MAP_GET_NEXT_KEY, &[fd, key.as_ptr() as u64, next.as_mut_ptr() as u64]);
        bpf(BPF_MAP_DELETE_ELEM, &[fd, key.as_ptr() as u64])?;
    }
    match step {
        Err(error) if error.downcast_ref().and_then(Error::raw_os_error) == Some(libc::ENOENT) => Ok(()),
        step => step.map(drop),
    }
}

/// Makes all values zero, unless they are constants.
fn zero(map: &MapData) -> Result<()> {
    const CONSTANTS: u32 = 0x80;
    let info = map.info()?;
    if info.map_flags() & CONSTANTS != 0 {
        return Ok(());
    }
    let processors = match info.map_type()? {
        MapType::PerCpuArray => aya::util::nr_cpus().map_err(|(_, error)| error)?,
        _ => 1,
    };
    let entries = info.max_entries();
    let keys: Vec<u32> = (0..entries).collect();
    let values = vec![0_u64; (info.value_size() as usize).div_ceil(8) * processors * keys.len()];
    let count_and_fd = u64::from(entries) | (map.fd().as_fd().as_raw_fd() as u64) << 32;
    let batch = [0, 0, keys.as_ptr() as u64, values.as_ptr() as u64, count_and_fd, 0, 0];
    bpf(BPF_MAP_UPDATE_BATCH, &batch)?;
    Ok(())
}
