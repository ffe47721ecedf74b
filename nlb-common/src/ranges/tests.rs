//! What the choice among ranges promises.

extern crate std;

use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const VIP: Address = Address::v4(7);

fn listener(counters: u32) -> Listener {
    Listener { counters, group: counters + 100, sketch: counters, ..Listener::default() }
}

/// The listeners of those ranges in the order of their keys, each with its place in `ranges` as its counters.
fn listeners(ranges: &[(u16, u16)]) -> Vec<(ListenerKey, Listener)> {
    let numbered = (0..).zip(ranges);
    let mut listeners: Vec<_> =
        numbered.map(|(n, &(first, last))| (ListenerKey::of_ports(VIP, 6, first, last), listener(n))).collect();
    listeners.sort_unstable_by_key(|(key, _)| *key);
    listeners
}

#[test]
fn the_narrowest_range_that_holds_a_port_takes_it() {
    let ranges =
        Ranges::new(&listeners(&[(1, 65_535), (8_000, 8_999), (8_080, 8_089), (8_500, 9_500), (65_000, 65_535)]));
    let cases = [
        (1, Some(0)),
        (7_999, Some(0)),
        (8_000, Some(1)),
        (8_079, Some(1)),
        (8_080, Some(2)),
        (8_089, Some(2)),
        (8_090, Some(1)),
        (8_999, Some(1)),
        (9_000, Some(3)),
        (9_501, Some(0)),
        (65_000, Some(4)),
        (65_535, Some(4)),
        (0, None),
    ];
    for (port, expected) in cases {
        let claim = ranges.claim_of(port);
        assert_eq!(claim.is_valid().then(|| claim.counters()), expected, "port {port}");
    }
    assert!(!Ranges::new(&[]).claim_of(80).is_valid());
}

proptest! {
    #[test]
    fn a_full_list_is_read_back_and_chosen_from_as_a_model_says(
        ranges in prop::collection::vec((1_u16..=2_000, 1_u16..=2_000), 0..=MOST), ports in prop::collection::vec(0_u16..2_100, 50),
    ) {
        // Two of one width may overlap here, which a configuration may not: the one that begins first in the order takes both's.
        let ranges: Vec<_> = ranges.into_iter().map(|(first, more)| (first, first + more)).collect();
        let listeners = listeners(&ranges);
        let built = Ranges::new(&listeners);
        let key = RangesKey { address: VIP, protocol: 6 };
        prop_assert_eq!(built.listeners(&key).collect::<Vec<_>>(), listeners.clone());
        for port in ports {
            let narrowest = ranges.iter().filter(|(first, last)| (*first..=*last).contains(&port)).map(|(first, last)| last - first).min();
            let claim = built.claim_of(port);
            let found = claim.is_valid().then(|| ranges[claim.counters() as usize]);
            prop_assert_eq!(found.map(|(first, last)| last - first), narrowest);
            prop_assert!(found.is_none_or(|(first, last)| (first..=last).contains(&port)));
        }
    }
}
