//! Access lists in the kernel: all of them in one table of longest prefixes, each under its number.
//!
//! A list is written while nobody names it and removed when nobody names it any more, so in which order its networks are written
//! means nothing to a packet.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use aya::Ebpf;
use aya::maps::lpm_trie::Key;
use aya::maps::{LpmTrie, MapData, MapError};
use ipnet::IpNet;
use nlb_common::address::Address;
use nlb_common::guard::Member;
use nlb_common::layout::edge;

use super::KernelError;
use crate::model::{AccessList, Verdict};

/// Bits by which an IPv4 prefix is longer in the table: addresses stand there as IPv4-mapped ones.
const V4_MAPPED: u32 = 96;

/// The table, open, and the lists in it.
pub(super) struct Access {
    table: LpmTrie<MapData, Member, u8>,
    lists: BTreeMap<u32, Arc<AccessList>>,
}

impl Access {
    /// Takes the table out of a loaded object, with the lists of whoever held it before.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, KernelError> {
        let map = object.take_map(edge::ACCESS).ok_or(KernelError::NotInObject { name: edge::ACCESS })?;
        let table = LpmTrie::<_, Member, u8>::try_from(map).map_err(at("open"))?;
        let mut found = BTreeMap::<u32, BTreeMap<IpNet, Verdict>>::new();
        for entry in table.iter() {
            let (key, value) = entry.map_err(at("read"))?;
            let verdict = if value == Member::ALLOWED { Verdict::Allow } else { Verdict::Deny };
            let Member { list, address } = key.data();
            if let Some(network) = network(key.prefix_len(), address) {
                found.entry(list).or_default().insert(network, verdict);
            }
        }
        // Each has a verdict on everybody, unless its writer died over it.
        let list = |(number, networks)| (number, Arc::new(AccessList::new(Verdict::Deny, networks)));
        Ok(Self { table, lists: found.into_iter().map(list).collect() })
    }

    /// All lists, by number.
    pub(super) fn read(&self) -> BTreeMap<u32, Arc<AccessList>> {
        self.lists.clone()
    }

    /// Writes a list, which nobody names yet. What stood under its number goes.
    pub(super) fn write(&mut self, number: u32, list: &Arc<AccessList>) -> Result<(), KernelError> {
        self.remove(number)?;
        // Should it end half way, the next removal takes away what is there.
        self.lists.insert(number, Arc::clone(list));
        for (network, verdict) in list.networks() {
            let value = if *verdict == Verdict::Allow { Member::ALLOWED } else { 0 };
            self.table.insert(&key(number, network), value, 0).map_err(at("write"))?;
        }
        Ok(())
    }

    /// Removes a list, if it is there.
    pub(super) fn remove(&mut self, number: u32) -> Result<(), KernelError> {
        let Some(list) = self.lists.remove(&number) else { return Ok(()) };
        for network in list.networks().keys() {
            match self.table.remove(&key(number, network)) {
                Ok(()) | Err(MapError::KeyNotFound) => {}
                Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => {}
                Err(error) => return Err(at("write")(error)),
            }
        }
        Ok(())
    }
}

fn key(number: u32, network: &IpNet) -> Key<Member> {
    let length = u32::from(network.prefix_len()) + if network.addr().is_ipv4() { V4_MAPPED } else { 0 };
    Key::new(Member::LIST + length, Member { list: number, address: network.network().into() })
}

/// The network of a key.
fn network(length: u32, address: Address) -> Option<IpNet> {
    let address = IpAddr::from(address);
    let length = length.checked_sub(Member::LIST + if address.is_ipv4() { V4_MAPPED } else { 0 })?;
    IpNet::new(address, u8::try_from(length).ok()?).ok()
}

fn at(action: &'static str) -> impl FnOnce(MapError) -> KernelError {
    move |source| KernelError::Table { action, table: edge::ACCESS, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_as_their_networks() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "::/0", "2001:db8::/32", "2001:db8::1/128"] {
            let wanted: IpNet = text.parse().unwrap();
            let key = key(7, &wanted);
            assert_eq!(network(key.prefix_len(), key.data().address), Some(wanted), "{text}");
        }
    }
}
