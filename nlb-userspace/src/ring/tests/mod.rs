//! What rings promise, over random groups.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

mod kept;
mod maglev;
mod rendezvous;

const KINDS: [RingKind; 2] = [RingKind::Rendezvous, RingKind::Maglev];

fn kind() -> impl Strategy<Value = RingKind> {
    prop::sample::select(&KINDS[..])
}

fn size(slots: u32) -> RingSize {
    RingSize::new(slots).unwrap()
}

fn weight(weight: u16) -> Weight {
    Weight::new(weight).unwrap()
}

/// Members of these weights, with identities of their own, numbered from 1.
fn members(weights: &[u16]) -> Vec<Member> {
    (1_u32..)
        .zip(weights)
        .map(|(index, &w)| Member {
            index,
            identity: u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            weight: weight(w),
        })
        .collect()
}

fn shares(ring: &[TargetIndex]) -> BTreeMap<TargetIndex, u64> {
    let mut shares = BTreeMap::new();
    for &target in ring {
        *shares.entry(target).or_default() += 1;
    }
    shares
}

fn any_weights(most: usize) -> impl Strategy<Value = Vec<u16>> {
    let one = prop_oneof![
        Just(100_u16),
        0_u16..=999,
        prop_oneof![Just(0_u16), Just(1), Just(3), Just(7), Just(998), Just(999)],
    ];
    prop::collection::vec(one, 0..=most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn neither_order_nor_indexes_matter(
        kind in kind(),
        seed: u64,
        (given, shuffled) in any_weights(200).prop_flat_map(|weights| {
            let members = members(&weights);
            (Just(members.clone()), Just(members).prop_shuffle())
        }),
    ) {
        let renumbered: Vec<Member> = (1..).zip(&shuffled).map(|(index, m)| Member { index, ..*m }).collect();
        let by_identity = |members: &[Member]| {
            let identity: BTreeMap<_, _> = members.iter().map(|m| (m.index, m.identity)).collect();
            let ring = build(kind, seed, size(2048), members);
            ring.into_iter().map(|index| identity.get(&index).copied()).collect::<Vec<_>>()
        };
        let expected = by_identity(&given);
        prop_assert_eq!(&by_identity(&shuffled), &expected);
        prop_assert_eq!(&by_identity(&renumbered), &expected);
    }

    #[test]
    fn more_members_than_slots_still_fill_the_ring(kind in kind(), seed: u64, weights in prop::collection::vec(1_u16..=999, 257..600)) {
        let shares = shares(&build(kind, seed, size(256), &members(&weights)));
        prop_assert_eq!(shares.len(), 256);
        prop_assert!(!shares.contains_key(&0));
    }

    #[test]
    fn least_moved_is_what_the_targets_lost(old in any_ring(), new in any_ring()) {
        let (before, after) = (shares(&old), shares(&new));
        let lost: u64 = before.iter().map(|(t, n)| n.saturating_sub(after.get(t).copied().unwrap_or(0))).sum();
        prop_assert_eq!(u64::from(least_moved(&old, &new)), lost);
        prop_assert!(least_moved(&old, &new) <= moved(&old, &new));
        prop_assert_eq!(moved(&old, &new), moved(&new, &old));
        prop_assert_eq!((moved(&old, &old), least_moved(&old, &old)), (0, 0));
    }

    #[test]
    fn a_ring_repeated_to_twice_its_size_moves_nothing(ring in any_ring()) {
        let twice = [ring.clone(), ring.clone()].concat();
        prop_assert_eq!((moved(&ring, &twice), least_moved(&ring, &twice)), (0, 0));
    }
}

fn any_ring() -> impl Strategy<Value = Vec<TargetIndex>> {
    prop::collection::vec(0_u32..6, 64)
}

/// Slots that moved beyond the least, when the first of `before`'s members takes the weight `after`.
fn excess(kind: RingKind, seed: u64, slots: u32, before: &[u16], after: u16) -> u32 {
    let mut changed = before.to_vec();
    changed[0] = after;
    let old = build(kind, seed, size(slots), &members(before));
    let new = build(kind, seed, size(slots), &members(&changed));
    moved(&old, &new) - least_moved(&old, &new)
}

#[test]
fn another_seed_is_another_ring() {
    for (kind, count) in KINDS.into_iter().flat_map(|kind| [2_u32, 10, 100].map(|count| (kind, count))) {
        let members = members(&vec![100; count as usize]);
        let (a, b) = (build(kind, 1, size(4096), &members), build(kind, 2, size(4096), &members));
        // Two unrelated rings agree in one slot of `count`; half of what should differ is far from chance.
        assert!(moved(&a, &b) > 4096 * (count - 1) / count / 2, "{count} members");
    }
}

#[test]
fn without_weight_there_is_no_target() {
    for weights in [&[][..], &[0], &[0, 0, 0]] {
        for kind in KINDS {
            assert_eq!(build(kind, 7, size(256), &members(weights)), [0; 256]);
        }
    }
}
