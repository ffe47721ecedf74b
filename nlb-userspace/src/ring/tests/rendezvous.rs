//! What bounded rendezvous hashing promises.

use super::*;
use crate::ring::rendezvous::moments::{Runner, precedence};

fn build(seed: u64, size: RingSize, members: &[Member]) -> Vec<TargetIndex> {
    crate::ring::build(RingKind::Rendezvous, seed, size, members)
}

/// As one would write it on a blackboard: whole lists, and rounds in which every slot without a member asks the next one
/// on its list, and every member turns away whom it likes least.
fn slow_model(seed: u64, slots: u32, members: &[Member]) -> Vec<TargetIndex> {
    let members: BTreeMap<u64, &Member> =
        members.iter().filter(|member| member.weight.get() > 0).map(|member| (member.identity, member)).collect();
    let total: u64 = members.values().map(|member| u64::from(member.weight.get())).sum();
    let mut lists: Vec<Vec<(u64, u64)>> = vec![Vec::new(); slots as usize];
    for (&identity, member) in &members {
        let mut runner = Runner::new(seed, size(slots), member);
        let mut reached = BTreeSet::new();
        while let Some((moment, slot)) = runner.next_before(u64::MAX) {
            assert_eq!(runner.moment_at(slot), moment);
            // As far as an entry of the fast ring's lists tells moments apart.
            lists[slot as usize].push((moment >> 16, identity));
            reached.insert(slot);
        }
        assert_eq!(reached.len(), slots as usize, "a permutation");
    }
    lists.iter_mut().for_each(|list| list.sort_unstable());
    let mut asked = vec![0; lists.len()];
    let mut held: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    loop {
        let taken: BTreeSet<usize> = held.values().flatten().copied().collect();
        let has_next = |slot: &usize| !taken.contains(slot) && asked[*slot] < lists[*slot].len();
        let free: Vec<usize> = (0..lists.len()).filter(has_next).collect();
        if free.is_empty() {
            break;
        }
        for slot in free {
            held.entry(lists[slot][asked[slot]].1).or_default().push(slot);
            asked[slot] += 1;
        }
        for (identity, slots_held) in &mut held {
            let weight = u64::from(members[identity].weight.get());
            let share = u64::from(slots) * weight;
            let bound = share.div_ceil(total).max(share * 102 / (total * 100));
            slots_held.sort_unstable_by_key(|&slot| {
                let rank = lists[slot].iter().position(|(_, member)| member == identity);
                (rank, precedence(seed, u32::try_from(slot).unwrap()), slot)
            });
            slots_held.truncate(usize::try_from(bound).unwrap());
        }
    }
    let mut ring = vec![0; slots as usize];
    for (identity, slots_held) in &held {
        slots_held.iter().for_each(|&slot| ring[slot] = members[identity].index);
    }
    ring
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_fast_ring_is_the_slow_models(seed: u64, weights in prop::collection::vec(0_u16..=999, 0..=20)) {
        let members = members(&weights);
        let (fast, slow) = (build(seed, size(256), &members), slow_model(seed, 256, &members));
        // Those that no slot came to are given one, which is not the blackboard's matter.
        if members.iter().all(|member| member.weight.get() == 0 || slow.contains(&member.index)) {
            prop_assert_eq!(fast, slow);
        }
    }

    #[test]
    fn nobody_has_more_than_its_share_and_two_percent_or_one_slot(
        seed: u64, weights in any_weights(400), bits in 9_u32..=16,
    ) {
        let slots = 1_u64 << bits;
        let members = members(&weights);
        let shares = shares(&build(seed, size(1 << bits), &members));
        let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
        prop_assert_eq!(shares.contains_key(&0), total == 0);
        for member in &members {
            let ideal = slots * u64::from(member.weight.get());
            let share = shares.get(&member.index).copied().unwrap_or(0);
            prop_assert_eq!(share > 0, ideal > 0, "{:?} has {} slots", member, share);
            prop_assert!(
                share * total * 100 <= ideal * 102 || share <= ideal.div_ceil(total),
                "{member:?}: {share} of {slots} slots"
            );
        }
    }
}

/// Equal members: shares in slots, and how often more moves than must when one of them goes, in hundredths.
#[test]
fn a_member_that_goes_moves_little_more_than_its_own_slots() {
    for (count, most) in [(2, 100), (10, 110), (100, 125), (300, 165), (1_000, 250)] {
        let mut weights = vec![100; count];
        let old = build(11, size(1 << 16), &members(&weights));
        weights[count / 2] = 0;
        let new = build(11, size(1 << 16), &members(&weights));
        let (moved, least) = (moved(&old, &new), least_moved(&old, &new));
        assert!(moved * 100 <= least * most, "of {count}: {moved} moved, {least} must");
    }
}

/// All edges of a cluster must compute the same ring, whatever their version: a change here breaks flows in the field.
#[test]
fn the_ring_is_the_same_in_every_release() {
    let ring = build(0x5eed, size(256), &members(&[1, 100, 999]));
    assert_eq!(shares(&ring), BTreeMap::from([(1, 1), (2, 23), (3, 232)]));
    let fingerprint = ring.iter().fold(0_u64, |sum, &target| sum.wrapping_mul(31).wrapping_add(u64::from(target)));
    assert_eq!(fingerprint, 7_453_002_473_493_278_591);
}
