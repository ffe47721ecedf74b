//! What no history of samples may ever do.

use proptest::prelude::*;

use super::super::STABILIZATION;
use super::*;

/// What one policy is told in a minute: a figure, a failure, or nothing at all.
#[derive(Clone, Copy, Debug)]
enum Told {
    Figure(f64),
    Failure,
    Silence,
}

fn told() -> impl Strategy<Value = Told> {
    prop_oneof![6 => (0.0..200.0).prop_map(Told::Figure), 1 => Just(Told::Failure), 1 => Just(Told::Silence)]
}

/// Mostly calm, so that rows come to their end.
fn history() -> impl Strategy<Value = Vec<[Told; 2]>> {
    let calm = prop_oneof![Just(Told::Figure(10.0)), Just(Told::Figure(49.0)), Just(Told::Figure(70.0))];
    let stretch = (prop_oneof![calm, told()], prop_oneof![Just(Told::Figure(10.0)), told()], 1_usize..40);
    prop::collection::vec(stretch, 1..12).prop_map(|stretches| {
        stretches.into_iter().flat_map(|(a, b, times)| std::iter::repeat_n([a, b], times)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The oracle keeps the whole history and looks back over it.
    #[test]
    fn capacity_keeps_its_bounds_and_falls_only_on_known_calm(
        history in history(),
        warming in prop::collection::vec(prop::bool::weighted(0.2), 480),
        in_periods in 1_u32..20,
    ) {
        let rule = TargetTracking { in_periods, ..tracking(50.0) };
        let mut group = Group::new(10, vec![
            ("first", PolicyKind::TargetTracking(rule.clone())),
            ("second", PolicyKind::TargetTracking(rule)),
        ]);
        group.bounds = Bounds { min: 2, max: 30 };
        // Minute, policy, and the capacity at which its figure would be 50; none when there is no figure.
        let mut past: Vec<[Option<f64>; 2]> = Vec::new();
        for (told, warms) in history.into_iter().zip(warming) {
            group.now = group.now + Duration::from_secs(60);
            group.warming = u32::from(warms);
            let serving = f64::from(group.desired - group.warming);
            let mut needs = [None, None];
            for (index, told) in told.into_iter().enumerate() {
                match told {
                    Told::Figure(value) => {
                        group.observe(index, Some(value));
                        needs[index] = Some(serving * value / 50.0);
                    }
                    Told::Failure => group.observe(index, None),
                    Told::Silence => {}
                }
            }
            past.push(needs);
            let before = group.desired;
            let decision = group.decide();
            prop_assert!((2..=30).contains(&group.desired));
            if group.desired >= before {
                continue;
            }
            prop_assert!(!warms, "scaled in while an instance warms up");
            let minutes = usize::try_from(in_periods).expect("few");
            prop_assert!(past.len() >= minutes);
            // Two periods and a bit may pass without a figure before one is too old.
            let recent = &past[past.len().saturating_sub(minutes.max(3))..];
            for policy in 0..2 {
                let known = recent.iter().filter(|needs| needs[policy].is_some()).count();
                prop_assert!(known > 0, "policy {policy} knows nothing: {decision:?}");
            }
            let window = usize::try_from(STABILIZATION.as_secs() / 60).expect("few") + 1;
            let peak = past.iter().rev().take(window).flatten().flatten().fold(0.0, |a: f64, b| a.max(*b));
            prop_assert!(f64::from(group.desired) + 1e-6 >= peak.min(f64::from(before)), "{} below {peak}", group.desired);
        }
    }

    /// Whatever was known before: once figures fail, capacity stays.
    #[test]
    fn failing_metrics_never_scale_in(history in history(), minutes in 1_usize..60, silent in any::<bool>()) {
        let rule = TargetTracking { in_periods: 2, ..tracking(50.0) };
        let mut group = Group::new(10, vec![("only", PolicyKind::TargetTracking(rule))]);
        for [told, _] in history {
            group.now = group.now + Duration::from_secs(60);
            match told {
                Told::Figure(value) => group.observe(0, Some(value)),
                Told::Failure => group.observe(0, None),
                Told::Silence => {}
            }
            group.decide();
        }
        // Silence is known to be one after two periods.
        if silent {
            group.now = group.now + Duration::from_secs(131);
        }
        let before = group.desired;
        for _ in 0..minutes {
            group.now = group.now + Duration::from_secs(60);
            if !silent {
                group.observe(0, None);
            }
            prop_assert!(group.decide().desired >= before);
        }
    }
}
