//! Scheduled actions.

use std::time::Duration;

use super::settings::{at, group, name};
use crate::autoscale::engine::{Command, Engine, Event};
use crate::autoscale::model::{AutoscalingGroup, Bounds, Process, ScheduledAction};

fn action(called: &str, cron: &str, min: Option<u32>, max: Option<u32>, desired: Option<u32>) -> ScheduledAction {
    let cron = Some(cron.parse().expect(cron));
    ScheduledAction { name: name(called), start: None, cron, end: None, min, max, desired }
}

/// Up to 8 at eight in the morning, down to 2 at eight in the evening, UTC.
fn day() -> AutoscalingGroup {
    let mut group = group(1, 10, 2);
    group.schedules = vec![
        action("morning", "0 8 * * *", Some(6), None, Some(8)),
        action("evening", "0 20 * * *", Some(1), None, Some(2)),
    ];
    group
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn actions_run_at_their_time() {
    let mut engine = Engine::new(day(), 1);
    for (hour, expected) in [(0, 2), (7, 2), (8, 8), (19, 8), (20, 2), (31, 2), (32, 8)] {
        engine.handle(Event::Tick, at(0) + HOUR * hour);
        assert_eq!(engine.desired(), expected, "at {hour} h");
    }
    assert_eq!(engine.bounds(), Bounds { min: 6, max: 10 });
}

#[test]
fn what_was_missed_is_done_late_and_the_last_one_counts() {
    for (hour, expected) in [(33, 8), (45, 2), (24 * 900 + 9, 8)] {
        let mut engine = Engine::new(day(), 1);
        engine.handle(Event::Tick, at(0));
        let kept = engine.state().clone();
        let (engine, _) = Engine::resume(day(), kept, at(0) + HOUR * hour);
        assert_eq!(engine.desired(), expected, "down until {hour} h");
    }
}

#[test]
fn what_is_suspended_or_was_due_before_it_was_configured_does_not_run() {
    let mut engine = Engine::new(day(), 1);
    engine.handle(Event::Tick, at(0) + HOUR * 9);
    assert_eq!(engine.desired(), 2);
    engine.command(Command::Suspend(Process::ScheduledActions), at(0) + HOUR * 10).expect("not refused");
    engine.handle(Event::Tick, at(0) + HOUR * 33);
    assert_eq!(engine.desired(), 2);
    engine.command(Command::Resume(Process::ScheduledActions), at(0) + HOUR * 34).expect("not refused");
    assert_eq!(engine.desired(), 2);
}

#[test]
fn bounds_that_would_cross_move_together() {
    let mut group = group(1, 10, 2);
    group.schedules =
        vec![action("more", "0 1 * * *", Some(20), None, None), action("less", "0 2 * * *", None, Some(5), None)];
    let mut engine = Engine::new(group, 1);
    for (hour, bounds, desired) in [(0, (1, 10), 2), (1, (20, 20), 20), (2, (5, 5), 5)] {
        engine.handle(Event::Tick, at(0) + HOUR * hour);
        let (min, max) = bounds;
        assert_eq!((engine.bounds(), engine.desired()), (Bounds { min, max }, desired), "at {hour} h");
    }
}
