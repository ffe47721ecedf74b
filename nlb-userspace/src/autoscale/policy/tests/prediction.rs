//! Predictive scaling.

use super::super::ForecastPoint;
use super::*;
use crate::autoscale::model::{MaxCapacityBehavior, Predictive, PredictiveMode};

fn rule(mode: PredictiveMode, max_capacity: MaxCapacityBehavior) -> PolicyKind {
    PolicyKind::Predictive(Predictive {
        load: cpu(),
        per_instance: 100.0,
        mode,
        buffer: Duration::from_secs(300),
        quantile: 0.9,
        resolution: Duration::from_secs(3600),
        max_capacity,
    })
}

/// An hour of each load, from now on.
fn foresee(group: &mut Group, loads: &[f64]) {
    let now = group.now;
    let point = |(hour, load): (u32, &f64)| ForecastPoint { at: now + Duration::from_secs(3600) * hour, load: *load };
    group.policies[0].1.foresee((0..).zip(loads).map(point).collect());
}

#[test]
fn it_launches_ahead_by_the_buffer_and_never_scales_in() {
    let mut group = Group::new(2, vec![("ahead", rule(PredictiveMode::ForecastAndScale, MaxCapacityBehavior::Honor))]);
    foresee(&mut group, &[150.0, 950.0, 150.0]);
    for (seconds, expected) in [(0, 2), (3299, 2), (1, 10), (3600, 10), (3600, 10), (7200, 10)] {
        group.now = group.now + Duration::from_secs(seconds);
        assert_eq!(group.decide().desired, expected, "{seconds} s later");
    }
}

#[test]
fn others_do_not_scale_in_below_what_is_forecast() {
    let quick = TargetTracking { in_periods: 1, ..tracking(50.0) };
    let ahead = rule(PredictiveMode::ForecastAndScale, MaxCapacityBehavior::Honor);
    let mut group = Group::new(10, vec![("ahead", ahead), ("cpu", PolicyKind::TargetTracking(quick))]);
    foresee(&mut group, &[700.0, 100.0]);
    assert_eq!(group.sample(1, Some(5.0)).desired, 7);
    group.now = group.now + Duration::from_secs(3600);
    assert_eq!(group.sample(1, Some(5.0)).desired, 1);
}

#[test]
fn a_forecast_only_looks() {
    let mut group = Group::new(2, vec![("ahead", rule(PredictiveMode::ForecastOnly, MaxCapacityBehavior::Honor))]);
    foresee(&mut group, &[950.0]);
    let decision = group.decide();
    assert_eq!(decision.desired, 2);
    assert!(decision.wishes[0].to_string().contains("would want 10"), "{}", decision.wishes[0]);
}

#[test]
fn the_greatest_capacity_is_kept_or_raised() {
    for (behavior, load, expected) in [
        (MaxCapacityBehavior::Honor, 950.0, 5),
        (MaxCapacityBehavior::Raise { buffer: 0 }, 950.0, 10),
        (MaxCapacityBehavior::Raise { buffer: 20 }, 950.0, 10),
        (MaxCapacityBehavior::Raise { buffer: 20 }, 250.0, 3),
    ] {
        let mut group = Group::new(2, vec![("ahead", rule(PredictiveMode::ForecastAndScale, behavior))]);
        group.bounds = Bounds { min: 1, max: 5 };
        foresee(&mut group, &[load]);
        assert_eq!(group.decide().desired, expected, "{behavior:?} {load}");
    }
}

#[test]
fn what_is_no_number_is_no_forecast() {
    let mut group = Group::new(2, vec![("ahead", rule(PredictiveMode::ForecastAndScale, MaxCapacityBehavior::Honor))]);
    foresee(&mut group, &[f64::NAN, f64::INFINITY]);
    assert_eq!(group.decide().desired, 2);
}
