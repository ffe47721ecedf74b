//! Where a new listener goes in the listener table, and who makes room for it.
//!
//! Pure: [`nlb_common::listener`] says why every listener has two places and in what order entries are written.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use nlb_common::listener::Key;
use nlb_common::tables::ListenerKey;

/// How many places are looked at before the table counts as full.
const MOST: usize = 4096;

/// The places from one of `key`'s own to a free one, in a table with that [`shift`](nlb_common::listener::shift_of):
/// whoever stands at one of them can go to the next. The shortest way there is; mostly the first place is free. `None` when
/// there is none. `holder` says who stands at a place.
pub fn path_to_free(key: &ListenerKey, shift: u32, holder: impl Fn(u32) -> Option<ListenerKey>) -> Option<Vec<u32>> {
    let places = Key::from(key).places(shift);
    let mut from: BTreeMap<u32, Option<u32>> = [(places.second(), None), (places.first(), None)].into();
    let mut queue = VecDeque::from([places.first(), places.second()]);
    while let Some(place) = queue.pop_front().filter(|_| from.len() <= MOST) {
        let Some(stands_here) = holder(place) else {
            let mut path: Vec<u32> = std::iter::successors(Some(place), |at| from.get(at).copied().flatten()).collect();
            path.reverse();
            return Some(path);
        };
        let theirs = Key::from(&stands_here).places(shift);
        for other in [theirs.first(), theirs.second()] {
            from.entry(other).or_insert_with(|| {
                queue.push_back(other);
                Some(place)
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use nlb_common::address::Address;
    use nlb_common::listener::{entries_for, shift_of};

    use super::*;

    /// Puts listeners into a table as the path says; where each is. Says how many had to move.
    fn fill(shift: u32, keys: impl Iterator<Item = ListenerKey>) -> (HashMap<u32, ListenerKey>, usize) {
        let (mut table, mut moved) = (HashMap::new(), 0);
        for key in keys {
            let path = path_to_free(&key, shift, |place| table.get(&place).copied()).expect("room");
            for (from, to) in path.iter().zip(&path[1..]).rev() {
                let mover = table.remove(from).expect("somebody stands there");
                assert_eq!(table.insert(*to, mover), None, "a place is free before somebody goes there");
                moved += 1;
            }
            assert_eq!(table.insert(path[0], key), None);
        }
        (table, moved)
    }

    #[test]
    fn every_listener_stands_at_one_of_its_places_in_a_full_table() {
        let v4 = |number: u32| Address::v4((0x0a00_0000 + number).to_be());
        let v6 = |number: u32| Address([0x2001_0db8_u32.to_be(), 0, 0, number.to_be()]);
        // Listeners as they are made: addresses in a row, and as many ports of each as here.
        let rows = [(v4 as fn(u32) -> Address, 1), (v4, 7), (v4, 16_384), (v6, 1), (v6, 7), (v6, 16_384)];
        for ((address, ports), listeners) in rows.into_iter().flat_map(|row| [200, 4_096, 16_384].map(|n| (row, n))) {
            let shift = shift_of(entries_for(listeners));
            let port = |number: u32| u16::try_from(number % ports + 80).unwrap();
            let key = |number: u32| ListenerKey::new(address(number / ports), 6, port(number));
            let (table, moved) = fill(shift, (0..listeners).map(key));
            assert_eq!(table.len(), listeners as usize);
            for (place, key) in table {
                let places = Key::from(&key).places(shift);
                assert!([places.first(), places.second()].contains(&place), "{key:?}");
            }
            assert!(moved < listeners as usize / 16, "{moved} of {listeners} moved");
        }
    }

    #[test]
    fn a_listener_without_a_way_to_a_free_place_is_told_so() {
        let key = |port| ListenerKey::new(Address::v4(1), 6, port);
        let (one, other) = (key(1), key(2));
        // Wherever it looks somebody stands who has nowhere else to go.
        assert_eq!(path_to_free(&one, 54, |_| Some(one)), None);
        // Somebody who can go elsewhere does.
        let places = Key::from(&one).places(54);
        let taken = |place| [places.first(), places.second()].contains(&place).then_some(other);
        let theirs = Key::from(&other).places(54);
        assert_eq!(path_to_free(&one, 54, taken), Some(vec![places.first(), theirs.first()]));
    }
}
