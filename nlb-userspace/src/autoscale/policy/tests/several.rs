//! Several policies at once.

use super::super::{Hold, Keep, Want};
use super::*;

fn quick(target: f64) -> PolicyKind {
    PolicyKind::TargetTracking(TargetTracking { out_periods: 1, in_periods: 1, ..tracking(target) })
}

#[test]
fn out_if_any_wants_out_in_if_all_agree_and_the_largest_wins() {
    let out_only = PolicyKind::TargetTracking(TargetTracking {
        out_periods: 1,
        in_periods: 1,
        disable_scale_in: true,
        ..tracking(50.0)
    });
    let (high, low) = (simple(80.0, false, 3), simple(20.0, true, -2));
    // Policies, their figures, and the capacity that ten become.
    type Row<'a> = (&'a [PolicyKind], &'a [Option<f64>], u32);
    let rows: [Row<'_>; 10] = [
        (&[quick(50.0), quick(50.0)], &[Some(60.0), Some(80.0)], 16),
        (&[quick(50.0), quick(50.0)], &[Some(60.0), Some(10.0)], 12),
        (&[quick(50.0), quick(50.0)], &[Some(10.0), Some(20.0)], 4),
        (&[quick(50.0), quick(50.0)], &[Some(10.0), Some(48.0)], 10),
        (&[quick(50.0), quick(50.0)], &[Some(10.0), None], 10),
        (&[quick(50.0), quick(50.0)], &[Some(60.0), None], 12),
        (&[quick(50.0), out_only.clone()], &[Some(10.0), Some(48.0)], 10),
        (&[quick(50.0), out_only], &[Some(10.0), Some(5.0)], 2),
        (&[PolicyKind::Simple(high.clone()), PolicyKind::Simple(low.clone())], &[Some(10.0), Some(10.0)], 8),
        (&[PolicyKind::Simple(high), PolicyKind::Simple(low)], &[Some(90.0), Some(90.0)], 13),
    ];
    for (index, (kinds, values, expected)) in rows.into_iter().enumerate() {
        let names = ["first", "second"];
        let mut group = Group::new(10, names.into_iter().zip(kinds.iter().cloned()).collect());
        for (policy, value) in values.iter().enumerate() {
            group.observe(policy, *value);
        }
        group.decide();
        assert_eq!(group.desired, expected, "row {index}: {values:?}");
    }
}

#[test]
fn a_decision_says_who_won_and_what_held_it_back() {
    let mut group = Group::new(10, vec![("cpu", quick(50.0)), ("latency", quick(2.0))]);
    group.bounds = Bounds { min: 3, max: 12 };
    group.observe(0, Some(100.0));
    let decision = group.decide();
    assert_eq!((decision.desired, decision.won), (12, Some(name("cpu"))));
    assert_eq!(decision.held, [Hold::Bounds { wanted: 20, limit: 12 }]);
    assert_eq!(decision.wishes[0].to_string(), "cpu: 100 against 50: wants at least 20");
    assert!(matches!(decision.wishes[1].want, Want::Keep { why: Keep::NoData { .. } }));

    group.now = group.now + Duration::from_secs(700);
    group.observe(0, Some(10.0));
    let decision = group.decide();
    assert_eq!((decision.desired, decision.won), (12, None));
    assert_eq!(decision.held, [Hold::Disagreement { policy: name("latency") }]);

    group.observe(1, Some(0.1));
    group.warming = 2;
    assert_eq!(group.decide().held, [Hold::Warming { instances: 2 }]);
    group.warming = 0;
    assert_eq!(group.decide().desired, 3);
}

#[test]
fn one_burst_moves_the_capacity_up_and_down_once() {
    let mut group = Group::new(10, vec![("cpu", quick(50.0))]);
    // Load in instances' worth, minute by minute: a burst with holes in it.
    let load =
        [5.0, 5.0, 18.0, 4.0, 18.0, 4.0, 4.0, 18.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0];
    let mut moves = Vec::new();
    for load in load {
        let before = group.desired;
        group.sample(0, Some(load * 50.0 / f64::from(before)));
        if group.desired != before {
            moves.push(group.desired);
        }
    }
    assert_eq!(moves, [5, 18, 4], "{moves:?}");
}
