//! What is kept of the last ring saves time, and changes nothing.

use super::*;

/// The same members with other weights for some of them; a weight of 0 takes a member out.
fn history() -> impl Strategy<Value = Vec<Vec<u16>>> {
    let begin = prop_oneof![prop::collection::vec(Just(100_u16), 9..120), any_weights(120)];
    let weight = prop_oneof![Just(0_u16), Just(100), 1_u16..=999];
    let few = prop::collection::vec((any::<prop::sample::Index>(), weight.clone()), 0..4);
    let many = prop::collection::vec((any::<prop::sample::Index>(), weight), 0..80);
    let changes = prop::collection::vec(prop_oneof![9 => few, 1 => many], 1..24);
    (begin, changes).prop_map(|(begin, changes)| {
        let mut steps = vec![begin];
        for change in changes {
            let mut next = steps[steps.len() - 1].clone();
            for (member, weight) in change.iter().filter(|_| !next.is_empty()).collect::<Vec<_>>() {
                let place = member.index(next.len());
                next[place] = *weight;
            }
            steps.push(next);
        }
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_ring_of_a_history_is_the_one_made_anew(seed: u64, bits in 8_u32..=11, steps in history()) {
        let mut kept = Kept::default();
        for weights in steps {
            let members = members(&weights);
            let next = kept.build(RingKind::Rendezvous, seed, size(1 << bits), &members);
            prop_assert!(next == build(RingKind::Rendezvous, seed, size(1 << bits), &members), "of {weights:?}");
        }
    }
}

#[test]
fn another_seed_or_size_or_index_is_noticed() {
    let mut kept = Kept::default();
    let few = members(&[100; 20]);
    let renumbered: Vec<Member> = few.iter().map(|member| Member { index: member.index + 7, ..*member }).collect();
    let cases = [(1, 1024, &few), (2, 1024, &few), (2, 2048, &few), (2, 2048, &renumbered), (1, 1024, &few)];
    for (seed, slots, members) in cases {
        for kind in KINDS {
            assert_eq!(kept.build(kind, seed, size(slots), members), build(kind, seed, size(slots), members));
        }
    }
}

/// So many members for the slots that the last ones ask nearly all of them: lists are changed and not made anew, and read far
/// beyond what was there at first.
#[test]
fn members_of_a_crowded_ring_come_and_go() {
    let size = size(1 << 13);
    let mut weights = vec![100; 500];
    let mut kept = Kept::default();
    for step in 0..12 {
        let place = step * 397 % weights.len();
        weights[place] = [0, 100, 250][step % 3];
        let members = members(&weights);
        let next = kept.build(RingKind::Rendezvous, 11, size, &members);
        assert!(next == build(RingKind::Rendezvous, 11, size, &members), "step {step}");
    }
}
