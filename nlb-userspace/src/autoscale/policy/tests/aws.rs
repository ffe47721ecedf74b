//! The examples of EC2 Auto Scaling's user guide.

use super::super::adjusted;
use super::*;

use AdjustmentKind::{ChangeInCapacity, ExactCapacity, PercentChangeInCapacity};

#[test]
fn adjustments_round_as_the_guide_says() {
    for (capacity, kind, value, min_magnitude, expected) in [
        (3, ChangeInCapacity, 5, 1, 8),
        (2, ChangeInCapacity, -3, 1, 0),
        (3, ExactCapacity, 5, 1, 5),
        (3, ExactCapacity, -5, 1, 0),
        (10, PercentChangeInCapacity, 10, 1, 11),
        // 12.7 becomes 12, -12.7 becomes -12.
        (127, PercentChangeInCapacity, 10, 1, 139),
        (127, PercentChangeInCapacity, -10, 1, 115),
        // 0.67 becomes 1, -0.58 becomes -1, -6.67 becomes -6.
        (67, PercentChangeInCapacity, 1, 1, 68),
        (58, PercentChangeInCapacity, -1, 1, 57),
        (667, PercentChangeInCapacity, -1, 1, 661),
        // A quarter of four is one, and the least is two.
        (4, PercentChangeInCapacity, 25, 2, 6),
        (4, PercentChangeInCapacity, -25, 2, 2),
        (4, PercentChangeInCapacity, 0, 2, 4),
        (0, PercentChangeInCapacity, 50, 2, 0),
        (u32::MAX, ChangeInCapacity, i32::MAX, 1, u32::MAX),
    ] {
        assert_eq!(adjusted(capacity, kind, value, min_magnitude), expected, "{capacity} {kind:?} {value}");
    }
}

/// "Step adjustments": both policies at threshold 50, percentages.
fn guide() -> Vec<(&'static str, PolicyKind)> {
    let out = [(Some(0.0), Some(10.0), 0), (Some(10.0), Some(20.0), 10), (Some(20.0), None, 30)];
    let r#in = [(Some(-10.0), Some(0.0), 0), (Some(-20.0), Some(-10.0), -10), (None, Some(-20.0), -30)];
    let all = [out, r#in].concat();
    vec![("step", PolicyKind::Step(steps(50.0, PercentChangeInCapacity, &all)))]
}

#[test]
fn step_scaling_goes_the_way_of_the_guides_example() {
    let mut group = Group::new(10, guide());
    for (metric, expected) in [(50.0, 10), (59.0, 10), (60.0, 11), (70.0, 14)] {
        assert_eq!(group.minutes(1, metric), expected, "at {metric}");
    }
    // Our addition: nothing falls below what was asked for within the last ten minutes.
    assert_eq!(group.minutes(1, 40.0), 14);
    assert_eq!(group.minutes(10, 50.0), 14);
    for (metric, expected) in [(40.0, 13), (50.0, 13)] {
        assert_eq!(group.minutes(1, metric), expected, "at {metric}");
    }
    group.minutes(10, 50.0);
    assert_eq!(group.minutes(1, 30.0), 10);
}

#[test]
fn what_warms_up_is_not_added_to_a_second_time() {
    let mut group = Group::new(10, guide());
    assert_eq!(group.minutes(1, 60.0), 11);
    group.warming = 1;
    assert_eq!(group.minutes(1, 60.0), 11, "the same breach asks for the same");
    assert_eq!(group.minutes(1, 70.0), 13, "3 more than 10, one of which is on its way");
}

#[test]
fn target_tracking_rounds_towards_more() {
    for (metric, minutes, expected) in [
        // 1.5 more become 2, 1.5 less become 1.
        (57.5, 3, 12),
        (42.5, 15, 9),
        (100.0, 3, 20),
        (50.0, 30, 10),
        (45.0, 30, 10),
        (44.9, 15, 9),
        (5.0, 15, 1),
        (f64::MAX, 3, 100),
    ] {
        let mut group = Group::new(10, vec![("cpu", PolicyKind::TargetTracking(tracking(50.0)))]);
        assert_eq!(group.minutes(minutes - 1, metric), 10, "not before {minutes} periods at {metric}");
        assert_eq!(group.minutes(1, metric), expected, "at {metric}");
    }
}

#[test]
fn a_row_is_a_row() {
    let mut group = Group::new(10, vec![("cpu", PolicyKind::TargetTracking(tracking(50.0)))]);
    group.minutes(2, 90.0);
    group.minutes(1, 50.0);
    assert_eq!(group.minutes(2, 90.0), 10);
    assert_eq!(group.minutes(1, 90.0), 18);
}

#[test]
fn simple_scaling_rests_from_the_last_instance_on() {
    let mut group = Group::new(4, vec![("high", PolicyKind::Simple(simple(80.0, false, 2)))]);
    assert_eq!(group.minutes(1, 90.0), 6);
    group.now = group.now + Duration::from_secs(60);
    group.launched = Some(group.now);
    assert_eq!(group.minutes(4, 90.0), 6);
    assert_eq!(group.minutes(1, 90.0), 8, "300 s after the last launch");
}

#[test]
fn cooldowns_are_apart_for_out_and_in() {
    let mut rule = tracking(50.0);
    (rule.out_periods, rule.in_periods) = (1, 1);
    rule.cooldowns = Cooldowns { out: Duration::from_secs(120), r#in: Duration::from_secs(1800) };
    let mut group = Group::new(10, vec![("cpu", PolicyKind::TargetTracking(rule))]);
    assert_eq!(group.minutes(1, 60.0), 12);
    assert_eq!(group.minutes(1, 60.0), 12);
    assert_eq!(group.minutes(1, 60.0), 15);
    assert_eq!(group.minutes(29, 10.0), 15);
    assert_eq!(group.minutes(1, 10.0), 3);
}
