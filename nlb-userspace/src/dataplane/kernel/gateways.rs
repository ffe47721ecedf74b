//! Gateways in the kernel: by network, in a table of longest prefixes.

use std::collections::BTreeMap;

use aya::Ebpf;
use aya::maps::lpm_trie::Key;
use aya::maps::{LpmTrie, MapData, MapError};
use nlb_common::address::Address;
use nlb_common::gateway::Gateway;
use nlb_common::layout::edge;
use nlb_common::tables::{Listener, ListenerKey};

use super::KernelError;
use super::tables::{at, typed};

/// The table.
pub(super) struct Gateways(LpmTrie<MapData, Address, Gateway>);

impl Gateways {
    /// Takes the map out of a loaded object.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, KernelError> {
        Ok(Self(typed(object, edge::GATEWAYS)?))
    }

    /// All of them.
    pub(super) fn read(&self) -> Result<BTreeMap<ListenerKey, Listener>, KernelError> {
        let mut gateways = BTreeMap::new();
        for entry in self.0.iter() {
            let (key, gateway) = entry.map_err(at("read", edge::GATEWAYS))?;
            let prefix = u8::try_from(key.prefix_len()).unwrap_or(ListenerKey::WHOLE);
            gateways.insert(ListenerKey::of_network(key.data(), prefix), gateway.listener());
        }
        Ok(gateways)
    }

    /// Writes one. The kernel puts a whole new entry in the place of an old one.
    pub(super) fn write(&mut self, key: &ListenerKey, listener: &Listener) -> Result<(), KernelError> {
        self.0.insert(&network(key), Gateway::new(key, listener), 0).map_err(at("write", edge::GATEWAYS))
    }

    /// Removes one; one that is gone already is no error.
    pub(super) fn remove(&mut self, key: &ListenerKey) -> Result<(), KernelError> {
        match self.0.remove(&network(key)) {
            Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            removed => removed.map_err(at("write", edge::GATEWAYS)),
        }
    }
}

fn network(key: &ListenerKey) -> Key<Address> {
    Key::new(key.prefix.into(), key.address)
}
