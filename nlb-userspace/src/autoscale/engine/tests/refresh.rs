//! Instance refresh.

use super::settings::{group, secs, template};
use super::world::World;
use crate::autoscale::engine::{Command, Event, Gauge, Refused};
use crate::autoscale::model::{RefreshSettings, RefreshStatus, ReplacementBounds, Sample};

fn up(desired: u32) -> World {
    let mut world = World::new(group(1, 20, desired), 1);
    world.settle(secs(600));
    world.run(secs(100));
    world
}

fn start(world: &mut World, version: u32, settings: RefreshSettings) {
    let template = Some(template(version));
    world.command(Command::StartRefresh { template, settings: Some(settings) });
}

fn status(world: &World) -> RefreshStatus {
    world.engine.refresh().expect("one was started").status
}

fn of_version(world: &World, version: u32) -> usize {
    world.in_service().filter(|one| one.template.version == version).count()
}

/// Runs until the refresh ends, and checks the bounds all the way: healthy instances in the world's own count.
fn watch(world: &mut World, least: usize, most: usize) {
    for _ in 0..4000 {
        world.step();
        let healthy = world.in_service().filter(|one| one.unhealthy.is_none()).count();
        assert!(healthy >= least, "{healthy} healthy");
        let there = world.engine.instances().filter(|one| one.lifecycle.counts()).count();
        assert!(there <= most, "{there} there");
        if world.engine.refresh().expect("one was started").ended.is_some() {
            return;
        }
    }
    panic!("it does not end: {:#?}", world.engine.refresh());
}

#[test]
fn all_instances_are_made_anew_within_the_bounds() {
    for (min_healthy, max_healthy, desired, least, most) in
        [(90, 100, 10, 9, 10), (50, 100, 10, 5, 10), (100, 120, 10, 10, 12), (90, 100, 1, 0, 1), (100, 100, 3, 2, 3)]
    {
        let mut world = up(desired);
        let bounds = ReplacementBounds { min_healthy, max_healthy };
        start(&mut world, 2, RefreshSettings { bounds, ..RefreshSettings::default() });
        watch(&mut world, least, most);
        assert_eq!(status(&world), RefreshStatus::Successful);
        assert_eq!(of_version(&world, 2), usize::try_from(desired).expect("few"));
        assert_eq!((world.asked["launch"], world.cut), (2 * desired, 0));
    }
}

#[test]
fn it_waits_at_checkpoints_and_bakes_at_the_end() {
    let mut world = up(4);
    let (checkpoints, checkpoint_delay, bake_time) = (vec![25, 50], secs(1000), secs(500));
    start(&mut world, 2, RefreshSettings { checkpoints, checkpoint_delay, bake_time, ..RefreshSettings::default() });
    for replaced in [1, 2] {
        while status(&world) != RefreshStatus::Checkpoint {
            world.step();
        }
        world.run(secs(900));
        assert_eq!((status(&world), of_version(&world, 2)), (RefreshStatus::Checkpoint, replaced));
        world.run(secs(105));
    }
    while status(&world) != RefreshStatus::Baking {
        world.step();
    }
    assert_eq!(of_version(&world, 2), 4);
    world.run(secs(490));
    assert_eq!(status(&world), RefreshStatus::Baking);
    world.run(secs(15));
    assert_eq!(status(&world), RefreshStatus::Successful);
}

#[test]
fn what_matches_is_skipped_and_what_is_protected_stays() {
    let mut world = up(3);
    start(&mut world, 1, RefreshSettings { skip_matching: true, ..RefreshSettings::default() });
    world.step();
    assert_eq!((status(&world), world.asked["launch"]), (RefreshStatus::Successful, 3));
    let token = world.in_service().next().expect("three").token.clone();
    world.command(Command::Protect { token, protected: true });
    start(&mut world, 2, RefreshSettings::default());
    watch(&mut world, 2, 3);
    assert_eq!((of_version(&world, 1), of_version(&world, 2)), (1, 2));
}

#[test]
fn instances_that_fail_stop_it_and_roll_it_back_where_that_is_wanted() {
    for (auto_rollback, ended) in [(false, RefreshStatus::Failed), (true, RefreshStatus::RolledBack)] {
        let mut world = up(4);
        world.faults.lame = 100;
        start(&mut world, 2, RefreshSettings { auto_rollback, ..RefreshSettings::default() });
        let failing = world.now;
        while !matches!(status(&world), RefreshStatus::Failed | RefreshStatus::RollingBack) {
            world.step();
            assert!(world.now.since(failing) < secs(3600), "{:?}", world.engine.refresh());
        }
        assert!(world.in_service().count() >= 3, "those of before serve on");
        world.faults.lame = 0;
        world.settle(secs(900));
        world.run(secs(100));
        assert_eq!((status(&world), of_version(&world, 1)), (ended, 4));
    }
}

#[test]
fn an_alarm_stops_it() {
    let mut world = up(4);
    let alarms = vec![(super::settings::cpu(), 90.0)];
    start(&mut world, 2, RefreshSettings { alarms, ..RefreshSettings::default() });
    for (value, expected) in [(80.0, RefreshStatus::InProgress), (95.0, RefreshStatus::Failed)] {
        let sample = Sample { at: world.now, period: secs(60), value: Ok(value) };
        world.tell(Event::Sampled { gauge: Gauge::RefreshAlarm(0), sample });
        assert_eq!(status(&world), expected);
    }
}

#[test]
fn it_can_be_cancelled_and_rolled_back_by_hand() {
    let mut world = up(4);
    assert_eq!(world.engine.command(Command::CancelRefresh, world.now), Err(Refused::NoRefresh));
    start(&mut world, 2, RefreshSettings::default());
    let again = Command::StartRefresh { template: None, settings: None };
    assert_eq!(world.engine.command(again, world.now), Err(Refused::RefreshUnderWay));
    while of_version(&world, 2) < 2 {
        world.step();
    }
    world.command(Command::RollbackRefresh);
    assert_eq!(status(&world), RefreshStatus::RollingBack);
    watch(&mut world, 3, 4);
    assert_eq!((status(&world), of_version(&world, 1)), (RefreshStatus::RolledBack, 4));

    start(&mut world, 3, RefreshSettings::default());
    world.run(secs(60));
    world.command(Command::CancelRefresh);
    world.settle(secs(300));
    world.run(secs(300));
    assert_eq!((status(&world), of_version(&world, 1) + of_version(&world, 3)), (RefreshStatus::Cancelled, 4));
    assert!(of_version(&world, 1) >= 3);
    assert_eq!(world.engine.template().version.version, 1, "what was tried out is launched no more");
}
