//! What Maglev promises.

use super::*;
use crate::ring::maglev::Traits;

fn build(seed: u64, size: RingSize, members: &[Member]) -> Vec<TargetIndex> {
    crate::ring::build(RingKind::Maglev, seed, size, members)
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
            let excesses = (0..SEEDS).map(|seed| excess(RingKind::Maglev, u64::from(seed), SLOTS, &weights, after));
            let (sum, worst) = excesses.fold((0, 0), |(sum, worst), excess| (sum + excess, worst.max(excess)));
            assert!(sum / SEEDS <= SLOTS / 64, "one of {count} {change}: {} beyond the least", sum / SEEDS);
            assert!(worst <= SLOTS / 16, "one of {count} {change}: {worst} beyond the least");
        }
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
