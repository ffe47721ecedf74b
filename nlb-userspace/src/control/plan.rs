//! The way from the tables as they are to the tables as they should be.

use nlb_common::slot::Slot;

use crate::dataplane::{Tables, Write};

/// The writes that turn `current` into `desired`, in an order in which no table ever names an entry of another that is
/// not there: what is named is written before what names it, and removed after.
///
/// An index must not change its owner within one plan, and a group not its place: `control` gives them new ones
/// instead. What a packet reads between two writes is then either the old state or the new one of each flow.
pub fn plan(current: &Tables, desired: &Tables) -> Vec<Write> {
    let mut writes = Vec::new();
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
        if before.is_some_and(|before| std::sync::Arc::ptr_eq(before, ring)) {
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
    for (&key, &value) in &desired.listeners {
        let before = current.listeners.get(&key);
        if before != Some(&value) {
            let fresh = before.is_none_or(|before| before.counters != value.counters);
            writes.push(Write::Listener { key, value, fresh });
        }
    }
    let gone = current.listeners.keys().filter(|key| !desired.listeners.contains_key(key));
    writes.extend(gone.map(|&key| Write::RemoveListener(key)));
    let gone = current.groups.keys().filter(|index| !desired.groups.contains_key(index));
    writes.extend(gone.map(|&index| Write::RemoveGroup(index)));
    let gone = current.targets.keys().filter(|index| !desired.targets.contains_key(index));
    writes.extend(gone.map(|&index| Write::RemoveTarget(index)));
    writes
}
