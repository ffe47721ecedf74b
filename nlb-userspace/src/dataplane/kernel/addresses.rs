//! Tables of what holds for an address.

use std::collections::BTreeMap;

use aya::maps::{HashMap, MapData, MapError};
use aya::{Ebpf, Pod};
use nlb_common::address::Address;

use super::KernelError;

/// The table of one set, open.
pub(super) struct Addresses<V: Pod> {
    map: HashMap<MapData, Address, V>,
    name: &'static str,
}

impl<V: Pod> Addresses<V> {
    /// Takes the map of that name out of a loaded object.
    pub(super) fn take(object: &mut Ebpf, name: &'static str) -> Result<Self, KernelError> {
        let map = object.take_map(name).ok_or(KernelError::NotInObject { name })?;
        let map =
            HashMap::try_from(map).map_err(|source| KernelError::Table { action: "open", table: name, source })?;
        Ok(Self { map, name })
    }

    /// All of them.
    pub(super) fn read(&self) -> Result<BTreeMap<Address, V>, KernelError> {
        self.map.iter().collect::<Result<_, _>>().map_err(self.failed("read"))
    }

    /// Writes one. The kernel puts a whole new entry in the place of an old one.
    pub(super) fn write(&mut self, address: &Address, value: V) -> Result<(), KernelError> {
        self.map.insert(address, value, 0).map_err(self.failed("write"))
    }

    /// Removes one; one that is gone already is no error.
    pub(super) fn remove(&mut self, address: &Address) -> Result<(), KernelError> {
        match self.map.remove(address) {
            Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            removed => removed.map_err(self.failed("write")),
        }
    }

    fn failed(&self, action: &'static str) -> impl Fn(MapError) -> KernelError + use<V> {
        let table = self.name;
        move |source| KernelError::Table { action, table, source }
    }
}
