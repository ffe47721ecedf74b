//! Which instance goes first.

use super::settings::{group, name, secs, template};
use super::world::World;
use crate::autoscale::engine::{Command, Event};
use crate::autoscale::model::TerminationOrder;

fn numbers(world: &World) -> Vec<u64> {
    world.in_service().map(|one| one.number).collect()
}

/// Six in one zone each with other flows, of which two are of the old version.
fn six(order: TerminationOrder) -> World {
    let mut group = group(0, 10, 2);
    (group.zones, group.termination) = (Vec::new(), order);
    let mut world = World::new(group, 1);
    world.settle(secs(300));
    world.reconfigure(|group| group.template = template(2));
    world.command(Command::SetDesired(6));
    world.settle(secs(300));
    let tokens: Vec<_> = world.in_service().map(|one| one.token.clone()).collect();
    for (token, flows) in tokens.into_iter().zip([10, 20, 3, 9, 1, 7]) {
        world.tell(Event::Flows { token, flows });
    }
    world
}

#[test]
fn the_oldest_version_goes_first_then_by_the_configured_order() {
    for (order, left) in [
        (TerminationOrder::FewestFlows, vec![4, 6]),
        (TerminationOrder::Oldest, vec![5, 6]),
        (TerminationOrder::Newest, vec![3, 4]),
    ] {
        let mut world = six(order);
        world.command(Command::SetDesired(4));
        assert_eq!(numbers(&world), [3, 4, 5, 6], "{order:?}");
        world.command(Command::SetDesired(2));
        assert_eq!(numbers(&world), left, "{order:?}");
    }
}

#[test]
fn protected_instances_stay_and_the_explanation_says_so() {
    let mut world = six(TerminationOrder::Oldest);
    let tokens: Vec<_> = world.in_service().map(|one| one.token.clone()).collect();
    for token in tokens.into_iter().take(5) {
        world.command(Command::Protect { token, protected: true });
    }
    world.command(Command::SetDesired(2));
    assert_eq!(numbers(&world), [1, 2, 3, 4, 5]);
    let held = world.engine.explanation(world.now).expect("asked").held;
    assert_eq!(held[0].to_string(), "3 more would go, but are protected from scale-in");
}

#[test]
fn the_zone_with_most_goes_first() {
    let mut world = World::new(group(0, 10, 5), 1);
    world.settle(secs(300));
    world.command(Command::SetDesired(4));
    assert_eq!(world.in_service().filter(|one| one.zone == Some(name("a"))).count(), 2);
}
