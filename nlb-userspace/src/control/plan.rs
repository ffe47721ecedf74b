//! The way from the tables as they are to the tables as they should be.

use std::sync::Arc;

use nlb_common::slot::Slot;
use nlb_common::tables::{Listener, ListenerKey};

use crate::dataplane::{Tables, Write};

/// The writes that turn `current` into `desired`, in an order in which no table ever names an entry of another that is
/// not there: what is named is written before what names it, and removed after.
///
/// An index must not change its owner within one plan, and a group not its place: `control` gives them new ones
/// instead. What a packet reads between two writes is then either the old state or the new one of each flow.
pub fn plan(current: &Tables, desired: &Tables) -> Vec<Write> {
    let mut writes: Vec<Write> =
        desired.shielded.difference(&current.shielded).map(|&address| Write::Shield(address)).collect();
    for (&index, &value) in &desired.targets {
        let before = current.targets.get(&index);
        if before != Some(&value) {
            let fresh = before.is_none_or(|before| before.tag != value.tag);
            writes.push(Write::Target { index, value, fresh });
        }
    }
    for (index, ring) in &desired.rings {
        let Some(group) = desired.groups.get(index) else { continue };
        // Only a ring in the same place tells what the slots hold now.
        let in_place = current.groups.get(index).is_some_and(|before| before.first_slot == group.first_slot);
        let before = current.rings.get(index).filter(|_| in_place);
        if before.is_some_and(|before| Arc::ptr_eq(before, ring)) {
            continue;
        }
        let known = |offset: usize| before.and_then(|before| before.get(offset));
        let changed: Vec<(u32, Slot)> = (group.first_slot..)
            .zip(ring.iter())
            .enumerate()
            .filter(|(offset, (_, slot))| known(*offset) != Some(slot))
            .map(|(_, (index, slot))| (index, *slot))
            .collect();
        if !changed.is_empty() {
            writes.push(Write::Slots(changed));
        }
    }
    for (&index, &value) in &desired.groups {
        if current.groups.get(&index) != Some(&value) {
            writes.push(Write::Group { index, value });
        }
    }
    for (&number, list) in &desired.access {
        if current.access.get(&number) != Some(list) {
            writes.push(Write::AccessList { number, list: Arc::clone(list) });
        }
    }
    for (&key, &target) in &desired.quic_servers {
        if current.quic_servers.get(&key) != Some(&target) {
            writes.push(Write::QuicServer { key, target });
        }
    }
    let is_fresh = |key: &ListenerKey, value: &Listener| {
        current.listeners.get(key).is_none_or(|before| before.counters != value.counters)
    };
    for (&key, &value) in desired.listeners.iter().filter(|(key, _)| !key.has_more_ports()) {
        if current.listeners.get(&key) != Some(&value) {
            writes.push(Write::Listener { key, value, fresh: is_fresh(&key, &value) });
        }
    }
    let (ranges_before, ranges) = (current.ranges(), desired.ranges());
    for (&key, listeners) in ranges.iter().filter(|(key, listeners)| ranges_before.get(key) != Some(listeners)) {
        let fresh = listeners.iter().filter(|(key, value)| is_fresh(key, value)).map(|(_, value)| value.counters);
        writes.push(Write::Ranges { key, listeners: listeners.clone(), fresh: fresh.collect() });
    }
    for (&address, &value) in &desired.vips {
        if current.vips.get(&address) != Some(&value) {
            writes.push(Write::Vip { address, value });
        }
    }
    let gone = current.vips.keys().filter(|address| !desired.vips.contains_key(address));
    writes.extend(gone.map(|&address| Write::RemoveVip(address)));
    let gone = current.listeners.keys().filter(|key| !key.has_more_ports() && !desired.listeners.contains_key(key));
    writes.extend(gone.map(|&key| Write::RemoveListener(key)));
    let gone = ranges_before.keys().filter(|key| !ranges.contains_key(key));
    writes.extend(gone.map(|&key| Write::Ranges { key, listeners: Vec::new(), fresh: Vec::new() }));
    let gone = current.access.keys().filter(|number| !desired.access.contains_key(number));
    writes.extend(gone.map(|&number| Write::RemoveAccessList(number)));
    let gone = current.quic_servers.keys().filter(|key| !desired.quic_servers.contains_key(key));
    writes.extend(gone.map(|&key| Write::RemoveQuicServer(key)));
    let gone = current.groups.keys().filter(|index| !desired.groups.contains_key(index));
    writes.extend(gone.map(|&index| Write::RemoveGroup(index)));
    let gone = current.targets.keys().filter(|index| !desired.targets.contains_key(index));
    writes.extend(gone.map(|&index| Write::RemoveTarget(index)));
    writes.extend(current.shielded.difference(&desired.shielded).map(|&address| Write::Unshield(address)));
    writes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use ipnet::IpNet;
    use nlb_common::address::Address;
    use nlb_common::guard::Guard;
    use nlb_common::quic::{ServerId, ServerKey};
    use nlb_common::slot::Tick;
    use nlb_common::tables::{Group, Target, Vip};
    use proptest::prelude::*;

    use super::*;
    use crate::dataplane::{Dataplane, Memory};
    use crate::model::{AccessList, Verdict};

    const RING: u32 = 8;
    const GROUPS: u32 = 4;

    /// Tables in which every name has its entry, with the places that `control` would give: an index has one owner for
    /// ever, and a group one place.
    fn tables() -> impl Strategy<Value = Tables> {
        let targets = prop::collection::btree_map(1_u32..8, 0_u8..3, 1..8);
        let groups = prop::collection::btree_map(
            0..GROUPS,
            prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index, bool)>(), 8),
            1..4,
        );
        let listeners =
            prop::collection::btree_map((1_u16..6, 0_u16..3), (any::<prop::sample::Index>(), 0_u8..3), 0..8);
        (targets, groups, listeners).prop_map(|(targets, groups, listeners)| {
            let targets: BTreeMap<u32, Target> = targets
                .into_iter()
                .map(|(index, flags)| (index, Target { tag: u64::from(index), flags, ..Target::default() }))
                .collect();
            let indexes: Vec<u32> = targets.keys().copied().collect();
            let mut tables = Tables { targets, ..Tables::default() };
            for (index, picks) in groups {
                let group = Group {
                    tag: u64::from(index) + 1,
                    first_slot: index * RING,
                    slot_mask: RING - 1,
                    ..Group::default()
                };
                tables.groups.insert(index, group);
                let ring: Arc<[Slot]> = picks
                    .iter()
                    .map(|(pick, before, open)| {
                        let (current, previous) = (*pick.get(&indexes), *before.get(&indexes));
                        let opened = Tick::at(1);
                        if *open { Slot::open(current, previous, opened) } else { Slot::closed(current, previous) }
                    })
                    .collect();
                tables.rings.insert(index, ring);
            }
            let indexes: Vec<u32> = tables.groups.keys().copied().collect();
            for (counters, ((port, more), (pick, access))) in (0..).zip(listeners) {
                let address = Address::v4((port % 3).into());
                let key = ListenerKey::of_ports(address, 6, port, port + more);
                let group = *pick.get(&indexes);
                let guard = Guard { access: access.into(), ..Guard::NONE };
                if access > 0 {
                    let network = IpNet::new(Ipv4Addr::new(10, access, 0, 0).into(), 16).unwrap();
                    let list = AccessList::new(Verdict::Allow, [(network, Verdict::Deny)].into());
                    tables.access.insert(access.into(), Arc::new(list));
                }
                let server_id_length = access / 2;
                let plain = Listener::new(counters, group, &tables.groups[&group]);
                tables.listeners.insert(key, Listener { guard, server_id_length, ..plain });
                for (&index, id) in tables.targets.keys().zip(0_u8..).filter(|_| server_id_length > 0) {
                    let key = ServerKey::new(counters, ServerId::new(0, &[id]));
                    tables.quic_servers.insert(key, index);
                }
                tables.vips.insert(address, Vip::default());
                tables.shielded.insert(address);
            }
            tables
        })
    }

    fn assert_whole(tables: &Tables) {
        for (key, listener) in &tables.listeners {
            assert!(tables.groups.contains_key(&listener.group), "{key:?} names group {}", listener.group);
            let Listener { guard, server_id_length, .. } = *listener;
            let plain = Listener::new(listener.counters, listener.group, &tables.groups[&listener.group]);
            assert_eq!(*listener, Listener { guard, server_id_length, ..plain });
            let has_servers = tables.quic_servers.keys().any(|server| server.listener() == listener.counters);
            assert!(server_id_length == 0 || has_servers, "{key:?} has no server");
            assert!(guard.access == 0 || tables.access.contains_key(&guard.access), "{key:?} names {guard:?}");
        }
        for (key, target) in &tables.quic_servers {
            assert!(tables.targets.contains_key(target), "{key:?} names target {target}");
        }
        for address in tables.vips.keys() {
            assert!(tables.listeners.keys().any(|key| key.address == *address), "{address:?} has no listener");
            assert!(tables.shielded.contains(address), "{address:?} is not shielded");
        }
        for ring in tables.groups.keys().map(|index| &tables.rings[index]) {
            for slot in ring.iter() {
                for target in [slot.current(), slot.previous()] {
                    assert!(tables.targets.contains_key(&target), "a slot names target {target}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_step_leaves_whole_tables_and_the_last_the_desired_ones(steps in prop::collection::vec(tables(), 1..5)) {
            let mut memory = Memory::new((GROUPS * RING) as usize);
            let mut current = Tables::default();
            for desired in steps {
                for write in plan(&current, &desired) {
                    memory.apply(std::slice::from_ref(&write)).unwrap();
                    assert_whole(&memory.read().unwrap());
                }
                prop_assert_eq!(memory.read().unwrap(), desired.clone());
                prop_assert_eq!(plan(&desired, &desired), vec![]);
                current = desired;
            }
        }
    }
}
