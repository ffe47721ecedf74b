//! What rings promise, over random groups.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::maglev::Traits;
use super::*;

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

/// Maglev as one would write it on a blackboard: whole preference lists, a search for the earliest turn each time.
fn slow_model(seed: u64, slots: u32, members: &[Member]) -> Vec<TargetIndex> {
    struct Line {
        index: TargetIndex,
        traits: Traits,
        weight: u64,
        preferences: Vec<u32>,
        turns: u64,
    }
    let mut lines: Vec<Line> = Vec::new();
    let by_identity: BTreeMap<u64, &Member> = members.iter().map(|member| (member.identity, member)).collect();
    for (identity, member) in by_identity {
        if member.weight.get() == 0 {
            continue;
        }
        let traits = Traits::new(seed, identity);
        let slot = |j: u32| traits.offset.wrapping_add(j.wrapping_mul(traits.skip)) % slots;
        let preferences: Vec<u32> = (0..slots).map(slot).collect();
        assert_eq!(preferences.iter().collect::<BTreeSet<_>>().len(), preferences.len(), "a permutation");
        lines.push(Line { index: member.index, traits, weight: u64::from(member.weight.get()), preferences, turns: 0 });
    }
    let mut ring = vec![0; slots as usize];
    if lines.is_empty() {
        return ring;
    }
    for _ in 0..slots {
        let next = lines.iter_mut().min_by_key(|line| (line.turns > 0, line.traits.turn(line.turns, line.weight)));
        let line = next.unwrap();
        line.turns += 1;
        let slot = *line.preferences.iter().find(|&&slot| ring[slot as usize] == 0).unwrap();
        ring[slot as usize] = line.index;
    }
    ring
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
    fn the_fast_ring_is_the_slow_models(seed: u64, weights in any_weights(300), bits in 8_u32..=10) {
        let members = members(&weights);
        prop_assert_eq!(build(seed, size(1 << bits), &members), slow_model(seed, 1 << bits, &members));
    }

    #[test]
    fn shares_follow_weights_and_no_slot_is_empty(seed: u64, weights in any_weights(400), bits in 9_u32..=16) {
        let slots = 1_u64 << bits;
        let members = members(&weights);
        let shares = shares(&build(seed, size(1 << bits), &members));
        let takers = members.iter().filter(|member| member.weight.get() > 0).count() as u64;
        let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
        prop_assert_eq!(shares.contains_key(&0), total == 0);
        for member in &members {
            let w = u64::from(member.weight.get());
            let share = shares.get(&member.index).copied().unwrap_or(0);
            prop_assert_eq!(share > 0, w > 0, "{:?} has {} slots", member, share);
            if w > 0 {
                let error = (share * total).abs_diff(slots * w);
                prop_assert!(error <= total + takers * w, "{member:?}: {share} of {slots} slots, ideal {w}/{total}");
            }
        }
    }

    #[test]
    fn equal_members_differ_by_one_slot_at_most(seed: u64, count in 1_usize..=600, w in 1_u16..=999) {
        let shares = shares(&build(seed, size(4096), &members(&vec![w; count])));
        prop_assert_eq!(shares.len(), count);
        prop_assert!(shares.values().max().unwrap() - shares.values().min().unwrap() <= 1);
    }

    #[test]
    fn neither_order_nor_indexes_matter(
        seed: u64,
        (given, shuffled) in any_weights(200).prop_flat_map(|weights| {
            let members = members(&weights);
            (Just(members.clone()), Just(members).prop_shuffle())
        }),
    ) {
        let renumbered: Vec<Member> = (1..).zip(&shuffled).map(|(index, m)| Member { index, ..*m }).collect();
        let by_identity = |members: &[Member]| {
            let identity: BTreeMap<_, _> = members.iter().map(|m| (m.index, m.identity)).collect();
            let ring = build(seed, size(2048), members);
            ring.into_iter().map(|index| identity.get(&index).copied()).collect::<Vec<_>>()
        };
        let expected = by_identity(&given);
        prop_assert_eq!(&by_identity(&shuffled), &expected);
        prop_assert_eq!(&by_identity(&renumbered), &expected);
    }

    #[test]
    fn more_members_than_slots_still_fill_the_ring(seed: u64, weights in prop::collection::vec(1_u16..=999, 257..600)) {
        let shares = shares(&build(seed, size(256), &members(&weights)));
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
fn excess(seed: u64, slots: u32, before: &[u16], after: u16) -> u32 {
    let mut changed = before.to_vec();
    changed[0] = after;
    let old = build(seed, size(slots), &members(before));
    let new = build(seed, size(slots), &members(&changed));
    moved(&old, &new) - least_moved(&old, &new)
}

/// The bounds that `maglev` states.
#[test]
fn little_more_moves_than_must() {
    const SLOTS: u32 = 1 << 16;
    const SEEDS: u32 = 4;
    for count in [2, 10, 100, 300] {
        for (change, before, after) in
            [("removed", 100, 0), ("added", 0, 100), ("doubled", 100, 200), ("nudged", 100, 101)]
        {
            let mut weights = vec![100; count];
            weights[0] = before;
            let excesses = (0..SEEDS).map(|seed| excess(u64::from(seed), SLOTS, &weights, after));
            let (sum, worst) = excesses.fold((0, 0), |(sum, worst), excess| (sum + excess, worst.max(excess)));
            assert!(sum / SEEDS <= SLOTS / 64, "one of {count} {change}: {} beyond the least", sum / SEEDS);
            assert!(worst <= SLOTS / 16, "one of {count} {change}: {worst} beyond the least");
        }
    }
}

#[test]
fn another_seed_is_another_ring() {
    for count in [2_u32, 10, 100] {
        let members = members(&vec![100; count as usize]);
        let (a, b) = (build(1, size(4096), &members), build(2, size(4096), &members));
        // Two unrelated rings agree in one slot of `count`; half of what should differ is far from chance.
        assert!(moved(&a, &b) > 4096 * (count - 1) / count / 2, "{count} members");
    }
}

#[test]
fn without_weight_there_is_no_target() {
    for weights in [&[][..], &[0], &[0, 0, 0]] {
        assert_eq!(build(7, size(256), &members(weights)), [0; 256]);
    }
}

/// All edges of a cluster must compute the same ring, whatever their version: a change here breaks flows in the field.
#[test]
fn the_ring_is_the_same_in_every_release() {
    let ring = build(0x5eed, size(256), &members(&[1, 100, 999]));
    assert_eq!(shares(&ring), BTreeMap::from([(1, 1), (2, 23), (3, 232)]));
    let fingerprint = ring.iter().fold(0_u64, |sum, &target| sum.wrapping_mul(31).wrapping_add(u64::from(target)));
    assert_eq!(fingerprint, 9_777_072_902_723_387_327);
}
