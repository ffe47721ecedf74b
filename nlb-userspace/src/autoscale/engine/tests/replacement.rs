//! Replacement of what is unhealthy, gone, old, or in the wrong zone.

use super::settings::{group, name, secs};
use super::world::World;
use crate::autoscale::engine::Command;
use crate::autoscale::model::{Cause, InstanceId, Process, ReplacementBounds, Token};

fn up(desired: u32, bounds: ReplacementBounds) -> World {
    let mut group = group(1, 20, desired);
    group.replacement = bounds;
    let mut world = World::new(group, 1);
    world.settle(secs(600));
    // Past grace and warm-up.
    world.run(secs(200));
    world
}

fn token(number: u64) -> Token {
    Token(format!("web-{number}"))
}

fn sicken(world: &mut World, number: u64) {
    let sick = world.machines.get_mut(&InstanceId(format!("i-web-{number}"))).expect("it runs");
    sick.is_well = false;
}

#[test]
fn an_unhealthy_instance_is_replaced_launching_first_where_there_may_be_more() {
    for (max_healthy, launches_first) in [(110, true), (100, false)] {
        let mut world = up(4, ReplacementBounds { min_healthy: 90, max_healthy });
        sicken(&mut world, 2);
        world.run(secs(10));
        let terminates = world.asked.contains_key("deregister");
        assert_eq!(terminates, !launches_first, "at most {max_healthy} %");
        world.settle(secs(300));
        assert!(!world.machines.contains_key(&InstanceId("i-web-2".to_owned())));
        assert_eq!(world.asked["launch"], 5);
        let why = world.engine.activities().map(|activity| activity.description.clone()).collect::<Vec<_>>().join("\n");
        assert!(why.contains("terminate web-2: unhealthy: connection refused"), "{why}");
    }
}

#[test]
fn a_launch_says_for_whom_it_is_where_the_capacity_stays() {
    let mut world = up(4, ReplacementBounds { min_healthy: 90, max_healthy: 100 });
    world.command(Command::Terminate { token: token(3), decrement: false });
    world.settle(secs(300));
    sicken(&mut world, 2);
    world.run(secs(10));
    world.settle(secs(300));
    world.command(Command::SetDesired(5));
    world.settle(secs(300));
    let launches: Vec<_> = world
        .engine
        .activities()
        .filter(|activity| activity.description.starts_with("launch "))
        .map(|activity| (activity.cause.clone(), activity.description.rsplit(": ").next().unwrap_or_default()))
        .skip(4)
        .collect();
    let expected =
        [(Cause::Manual, "4 wanted, web-3 leaves"), (Cause::Unhealthy, "replaces web-2"), (Cause::Manual, "5 wanted")];
    assert_eq!(launches, expected);
}

#[test]
fn protection_from_scale_in_does_not_stop_it_and_suspension_does() {
    let mut world = up(4, ReplacementBounds::default());
    world.command(Command::Protect { token: token(2), protected: true });
    world.command(Command::Suspend(Process::ReplaceUnhealthy));
    sicken(&mut world, 2);
    world.run(secs(120));
    assert_eq!(world.asked["launch"], 4);
    world.command(Command::Resume(Process::ReplaceUnhealthy));
    world.settle(secs(300));
    assert_eq!(world.asked["launch"], 5);
}

#[test]
fn within_its_grace_period_nobody_is_replaced_and_who_recovers_stays() {
    let mut world = up(4, ReplacementBounds::default());
    world.command(Command::SetDesired(5));
    world.settle(secs(300));
    sicken(&mut world, 5);
    world.run(secs(90));
    assert_eq!(world.asked["launch"], 5, "120 s of grace");
    world.machines.get_mut(&InstanceId("i-web-5".to_owned())).expect("it runs").is_well = true;
    world.run(secs(120));
    assert_eq!(world.asked["launch"], 5);
}

#[test]
fn one_that_never_becomes_healthy_is_given_up() {
    let mut world = World::new(group(1, 20, 1), 1);
    world.faults.lame = 100;
    world.run(secs(1200));
    let tries = world.asked["launch"];
    assert!((4..=9).contains(&tries), "after grace, and ever longer rests: {tries}");
    world.faults.lame = 0;
    world.settle(secs(900));
}

#[test]
fn one_that_is_gone_is_replaced_when_several_lists_say_so() {
    let mut group = group(1, 20, 4);
    group.target_groups.clear();
    let mut world = World::new(group, 1);
    world.settle(secs(300));
    world.machines.remove(&InstanceId("i-web-3".to_owned()));
    world.run(secs(10));
    assert_eq!(world.asked["launch"], 4);
    world.run(secs(10));
    assert_eq!(world.asked["launch"], 5);
    world.settle(secs(300));
}

#[test]
fn one_that_is_too_old_is_replaced_while_enough_others_serve() {
    let mut group = group(1, 20, 4);
    group.max_lifetime = Some(secs(3600));
    group.replacement = ReplacementBounds { min_healthy: 100, max_healthy: 150 };
    let mut world = World::new(group, 1);
    world.settle(secs(600));
    let mut most = 0;
    for _ in 0..900 {
        world.step();
        let healthy =
            world.targets.values().filter(|target| matches!(target, super::world::Target::Serves { healthy: true }));
        assert!(healthy.count() >= 4, "at {:?}", world.now);
        most = most.max(world.in_service().count());
    }
    assert_eq!(world.asked["launch"], 8);
    assert!(most <= 6, "{most} at once");
    assert_eq!(world.cut, 0);
}

#[test]
fn zones_even_out_again_and_a_zone_that_is_given_up_empties() {
    let mut world = up(4, ReplacementBounds::default());
    for number in [1, 3] {
        world.command(Command::Terminate { token: token(number), decrement: true });
    }
    world.settle(secs(600));
    let in_zone = |world: &World, zone: &str| world.in_service().filter(|one| one.zone == Some(name(zone))).count();
    assert_eq!((in_zone(&world, "a"), in_zone(&world, "b")), (1, 1));
    world.reconfigure(|group| group.zones = vec![name("b"), name("c")]);
    world.run(secs(600));
    assert_eq!((in_zone(&world, "a"), in_zone(&world, "b"), in_zone(&world, "c")), (0, 1, 1));
    assert_eq!(world.cut, 0);
}
