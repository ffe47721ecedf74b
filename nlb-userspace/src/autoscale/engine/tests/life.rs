//! An instance's life, step by step.

use super::settings::{group, name, policy, secs, tracking};
use super::world::World;
use crate::autoscale::engine::{Command, Event, Gauge};
use crate::autoscale::model::{InstanceState, PolicyKind, Sample};

#[test]
fn nothing_is_launched_before_the_first_list() {
    let mut world = World::new(group(1, 10, 4), 1);
    world.tell(Event::Tick);
    assert_eq!(world.engine.instances().count(), 0);
    world.tell(Event::Listed { asked: world.now, instances: Vec::new() });
    assert_eq!(world.asked["launch"], 4);
}

#[test]
fn a_group_comes_up_spread_over_its_zones_and_goes_down_through_drains() {
    let mut world = World::new(group(1, 10, 4), 1);
    world.settle(secs(300));
    assert_eq!(world.in_service().filter(|one| one.zone == Some(name("a"))).count(), 2);
    world.command(Command::SetDesired(1));
    assert_eq!(world.engine.instances().filter(|one| one.lifecycle.state() == InstanceState::Terminating).count(), 3);
    assert_eq!(world.machines.len(), 4, "drained first");
    world.settle(secs(300));
    assert_eq!((world.machines.len(), world.cut), (1, 0));
}

#[test]
fn capacity_follows_a_metric_and_the_explanation_says_how() {
    let mut group = group(2, 20, 4);
    group.policies.push(policy("cpu", PolicyKind::TargetTracking(tracking())));
    let mut world = World::new(group, 1);
    world.settle(secs(300));
    world.run(secs(120));
    for _ in 0..3 {
        assert_eq!(world.engine.desired(), 4);
        world.run(secs(60));
        let sample = Sample { at: world.now, period: secs(60), value: Ok(80.0) };
        world.tell(Event::Sampled { gauge: Gauge::Policy(name("cpu")), sample });
    }
    assert_eq!(world.engine.desired(), 7, "ceil(4 * 80 / 50)");
    let explanation = world.engine.explanation(world.now).expect("policies were asked");
    let told = "capacity 7 (2 to 20); 4 serve, 0 warm up\nlast change: 4 to 7, by policy `cpu`\n\
                policy cpu: 80 against 50: wants at least 7";
    assert_eq!(explanation.to_string(), told);
    world.settle(secs(300));
}

#[test]
fn another_template_is_a_new_version_whether_it_says_so_or_not() {
    let mut world = World::new(group(1, 20, 2), 1);
    world.settle(secs(300));
    for port in [81, 82] {
        world.reconfigure(|group| group.template.port = port);
    }
    world.reconfigure(|group| group.zones.reverse());
    assert_eq!(world.engine.template().version.version, 3);
    world.command(Command::SetDesired(3));
    world.settle(secs(300));
    let newest = world.in_service().last().expect("three");
    assert_eq!((newest.template.version, newest.port), (3, 82));
}
