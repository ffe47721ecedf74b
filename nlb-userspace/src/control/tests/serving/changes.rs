//! What each event does to who serves.

use super::*;
use crate::control::snapshot::{Origin, Routing};
use crate::model::{Target, Weight};

const TWO: &str = r#""10.0.0.1", "10.0.0.2""#;

#[test]
fn a_target_gets_no_traffic_before_its_first_passes_and_its_next_hop() {
    let mut world = World::new(&web(r#""10.0.0.1""#, ""));
    assert_eq!(world.group("web").routing, Routing::Waiting);
    world.health("web/10.0.0.1:80", Health::Healthy);
    assert_eq!(world.serving("web"), addresses(&[]), "no next hop yet");
    world.way("10.0.0.1", Ok(hop(1)));
    assert_eq!(world.serving("web"), addresses(&["10.0.0.1"]));
    world.configure(&web(TWO, ""));
    world.way("10.0.0.2", Ok(hop(2)));
    assert_eq!(world.serving("web"), addresses(&["10.0.0.1"]), "not checked yet");
    world.health("web/10.0.0.2:80", Health::Healthy);
    assert_eq!(world.serving("web"), addresses(&["10.0.0.1", "10.0.0.2"]));
}

#[test]
fn a_failing_target_leaves_the_ring_and_returns_to_the_very_slots_it_had() {
    let mut world = World::new(&web(TWO, ""));
    world.all_well();
    let before = world.owners("web");
    let notices = world.health("web/10.0.0.2:80", Health::Unhealthy);
    assert_eq!(world.serving("web"), addresses(&["10.0.0.1"]));
    assert!(notices.iter().any(|n| matches!(n, Notice::Ring { change, .. } if change.moved == change.least)));
    world.health("web/10.0.0.2:80", Health::Healthy);
    assert_eq!(world.owners("web"), before);
}

#[test]
fn when_all_fail_all_get_traffic_and_the_log_says_so() {
    let mut world = World::new(&web(TWO, ""));
    world.all_well();
    world.health("web/10.0.0.1:80", Health::Unhealthy);
    let notices = world.health("web/10.0.0.2:80", Health::Unhealthy);
    assert_eq!(world.serving("web"), addresses(&["10.0.0.1", "10.0.0.2"]));
    assert!(notices.iter().any(|n| matches!(n, Notice::Routing { now: Routing::FailOpen, .. }) && n.is_warning()));
}

#[test]
fn a_zone_without_healthy_targets_uses_the_others() {
    let more = "[[target_group.target]]\naddress = \"10.0.0.1\"\nzone = \"a\"\n\
                [[target_group.target]]\naddress = \"10.0.0.2\"\nzone = \"b\"\n";
    let mut world = World::new(&web("", more));
    world.all_well();
    assert_eq!(world.serving("web"), addresses(&["10.0.0.1"]));
    world.health("web/10.0.0.1:80", Health::Unhealthy);
    assert_eq!(world.serving("web"), addresses(&["10.0.0.2"]));
    assert_eq!(world.group("web").routing, Routing::OtherZones);
}

#[test]
fn a_target_whose_next_hop_is_lost_leaves_the_ring_and_is_shown_as_such() {
    let mut world = World::new(&web(TWO, ""));
    world.all_well();
    world.way("10.0.0.1", Err(NoNextHop::NoRoute));
    assert_eq!(world.serving("web"), addresses(&["10.0.0.2"]));
    let target = world.group("web").targets[0].clone();
    assert_eq!((target.next_hop, target.slots), (Err(NoNextHop::NoRoute), 0));
    assert!(!world.current.targets[&target.index].is_ready());
}

#[test]
fn by_l2_a_target_behind_a_router_gets_nothing_and_says_why() {
    let mut world = World::new(&web(TWO, "forwarding = \"l2\""));
    world.all_well();
    assert_eq!(world.serving("web"), addresses(&["10.0.0.1", "10.0.0.2"]));
    let gateway = "10.0.0.253".parse().unwrap();
    world.way("10.0.0.1", Ok(NextHop { gateway: Some(gateway), ..hop(1) }));
    assert_eq!(world.serving("web"), addresses(&["10.0.0.2"]));
    let target = world.group("web").targets[0].clone();
    assert_eq!(target.next_hop, Err(NoNextHop::BehindRouter { gateway }));
    assert!(!world.current.targets[&target.index].is_ready());
    world.configure(&web(TWO, ""));
    assert_eq!(world.serving("web"), addresses(&["10.0.0.1", "10.0.0.2"]));
}

#[test]
fn runtime_changes_are_seen_at_once_and_told_apart() {
    let mut world = World::new(&web(TWO, ""));
    world.all_well();
    let target = Target {
        address: "10.0.0.3".parse().unwrap(),
        port: 80,
        zone: None,
        weight: Weight::default(),
        quic_server_id: None,
    };
    world.change(&Change::Register { group: "web".parse().unwrap(), target });
    world.all_well();
    assert_eq!(world.serving("web"), addresses(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]));
    assert_eq!(world.group("web").targets[2].origin, Origin::Runtime);

    world.change(&Change::SetWeight { target: key("web/10.0.0.1:80"), weight: Weight::new(0).unwrap() });
    assert_eq!(world.serving("web"), addresses(&["10.0.0.2", "10.0.0.3"]));
    assert_eq!(world.group("web").targets[0].file_weight, Some(100));

    world.change(&Change::Deregister { target: key("web/10.0.0.2:80") });
    assert_eq!(world.serving("web"), addresses(&["10.0.0.3"]));
}

#[test]
fn a_ring_of_another_size_takes_another_place_and_its_listener_moves_over() {
    let mut world = World::new(&web(TWO, ""));
    world.all_well();
    let before = world.group("web");
    world.configure(&web(TWO, "").replace("ring_size = 1024", "ring_size = 2048"));
    let after = world.group("web");
    assert_ne!(before.index, after.index);
    assert_eq!(after.ring.len(), 2048);
    assert!(world.current.listeners.values().all(|listener| listener.group == after.index));
    assert_eq!(world.serving("web"), addresses(&["10.0.0.1", "10.0.0.2"]), "health is kept");
}

#[test]
fn a_change_of_nothing_writes_nothing() {
    let mut world = World::new(&web(TWO, ""));
    world.all_well();
    let (desired, notices) = world.state.rebuild(world.now);
    assert_eq!(plan(&world.current, &desired), vec![]);
    assert_eq!(notices, vec![]);
}

#[test]
fn a_configured_source_prefix_varies_by_flow_and_an_address_does_not() {
    let text = |source| web(TWO, "").replace("zone = \"a\"", &format!("zone = \"a\"\nsource_v4 = \"{source}\""));
    for (source, address, bits) in [("198.51.100.0/28", "198.51.100.0", 4), ("198.51.100.7", "198.51.100.7", 0)] {
        let mut world = World::new(&text(source));
        world.all_well();
        let entry = world.current.targets.values().next().unwrap();
        assert_eq!((IpAddr::from(entry.source), entry.source_bits), (address.parse().unwrap(), bits), "{source}");
    }
}
