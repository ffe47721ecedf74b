//! The addresses that listeners have.

use std::collections::BTreeMap;

use aya::Ebpf;
use aya::maps::{HashMap, MapData, MapError};
use nlb_common::address::Address;
use nlb_common::layout::edge;
use nlb_common::tables::Vip;

use super::KernelError;

/// The table of one set, open.
pub(super) struct Vips(HashMap<MapData, Address, Vip>);

impl Vips {
    /// Takes the map out of a loaded object.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, KernelError> {
        let map = object.take_map(edge::VIPS).ok_or(KernelError::NotInObject { name: edge::VIPS })?;
        Ok(Self(HashMap::try_from(map).map_err(at("open"))?))
    }

    /// All of them.
    pub(super) fn read(&self) -> Result<BTreeMap<Address, Vip>, KernelError> {
        self.0.iter().collect::<Result<_, _>>().map_err(at("read"))
    }

    /// Writes one. The kernel puts a whole new entry in the place of an old one.
    pub(super) fn write(&mut self, address: &Address, vip: &Vip) -> Result<(), KernelError> {
        self.0.insert(address, vip, 0).map_err(at("write"))
    }

    /// Removes one; one that is gone already is no error.
    pub(super) fn remove(&mut self, address: &Address) -> Result<(), KernelError> {
        match self.0.remove(address) {
            Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            removed => removed.map_err(at("write")),
        }
    }
}

fn at(action: &'static str) -> impl Fn(MapError) -> KernelError {
    move |source| KernelError::Table { action, table: edge::VIPS, source }
}
