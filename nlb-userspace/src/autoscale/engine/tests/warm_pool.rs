//! The warm pool.

use super::settings::{group, secs, template};
use super::world::World;
use crate::autoscale::engine::Command;
use crate::autoscale::model::{Lifecycle, WarmPool, WarmState};

fn pool(state: WarmState, reuse_on_scale_in: bool) -> World {
    let mut group = group(1, 8, 4);
    group.warm_pool = Some(WarmPool { prepared: Some(6), min: 1, state, reuse_on_scale_in });
    let mut world = World::new(group, 1);
    world.run(secs(120));
    world
}

fn warm(world: &World) -> usize {
    world.engine.instances().filter(|one| one.lifecycle == Lifecycle::Warmed).count()
}

#[test]
fn it_holds_what_is_prepared_less_what_serves() {
    for state in [WarmState::Stopped, WarmState::Running] {
        let mut world = pool(state, false);
        let stopped = |world: &World| world.machines.values().filter(|machine| machine.is_stopped).count();
        assert_eq!((warm(&world), world.in_service().count()), (2, 4));
        assert_eq!(stopped(&world), if state == WarmState::Stopped { 2 } else { 0 });
        assert_eq!(world.targets.len(), 4, "what is warm is no target");

        world.command(Command::SetDesired(6));
        assert_eq!(world.asked["launch"], 7, "two come from the pool; one more is to stay in it");
        world.run(secs(120));
        assert_eq!((warm(&world), world.in_service().count()), (1, 6));

        world.command(Command::SetDesired(3));
        world.run(secs(300));
        assert_eq!((warm(&world), world.in_service().count()), (3, 3));
        assert_eq!(world.machines.len(), 6);
    }
}

#[test]
fn scale_in_puts_instances_back_when_it_is_asked_to() {
    let mut world = pool(WarmState::Stopped, true);
    world.command(Command::SetDesired(2));
    world.run(secs(300));
    assert_eq!((warm(&world), world.in_service().count()), (4, 2));
    assert_eq!((world.asked["launch"], world.asked.get("terminate")), (6, None));
    world.command(Command::SetDesired(6));
    world.run(secs(300));
    assert_eq!((warm(&world), world.in_service().count(), world.cut), (1, 6, 0));
}

#[test]
fn what_is_warm_from_an_old_template_is_made_anew() {
    let mut world = pool(WarmState::Stopped, false);
    world.reconfigure(|group| group.template = template(2));
    world.run(secs(300));
    let of_new = world.engine.instances().filter(|one| one.lifecycle == Lifecycle::Warmed && one.template.version == 2);
    assert_eq!((of_new.count(), warm(&world)), (2, 2));
}
