//! A hash table whose entries are written one by one while packets look them up.
//!
//! The kernel puts a whole new entry in the place of an old one, so a packet sees the one or the other.

use std::collections::BTreeMap;

use aya::maps::{HashMap, MapData, MapError};
use aya::{Ebpf, Pod};

use super::KernelError;
use super::tables::{at, typed};

/// The table of one set, open.
pub(super) struct HashTable<K: Pod, V: Pod> {
    name: &'static str,
    map: HashMap<MapData, K, V>,
}

impl<K: Pod + Ord, V: Pod> HashTable<K, V> {
    /// Takes the map of that name out of a loaded object.
    pub(super) fn take(object: &mut Ebpf, name: &'static str) -> Result<Self, KernelError> {
        Ok(Self { name, map: typed(object, name)? })
    }

    /// All of it.
    pub(super) fn read(&self) -> Result<BTreeMap<K, V>, KernelError> {
        self.map.iter().collect::<Result<_, _>>().map_err(at("read", self.name))
    }

    /// Writes one entry.
    pub(super) fn write(&mut self, key: &K, value: &V) -> Result<(), KernelError> {
        self.map.insert(key, value, 0).map_err(at("write", self.name))
    }

    /// Removes one; one that is gone already is no error.
    pub(super) fn remove(&mut self, key: &K) -> Result<(), KernelError> {
        match self.map.remove(key) {
            Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            removed => removed.map_err(at("write", self.name)),
        }
    }
}
