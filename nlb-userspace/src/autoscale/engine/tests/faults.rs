//! Providers that fail, lie, hang and forget.

use super::settings::{group, secs};
use super::world::World;
use crate::autoscale::engine::{Command, Engine, Event};
use crate::autoscale::model::{ActivityStatus, InstanceId, Token};
use crate::providers::{Provided, ProvidedState, ProviderError};

fn running(id: &str, token: Option<&str>) -> Provided {
    Provided {
        id: InstanceId(id.to_owned()),
        token: token.map(|token| Token(token.to_owned())),
        zone: None,
        address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        port: None,
        state: ProvidedState::Running,
        launched: None,
    }
}

#[test]
fn what_an_agent_before_launched_is_taken_in_when_the_state_is_lost() {
    let mut world = World::new(group(1, 20, 4), 1);
    world.settle(secs(300));
    world.engine = Engine::new(world.engine.group().clone(), 2);
    world.settle(secs(300));
    assert_eq!((world.asked["launch"], world.machines.len()), (4, 4));
    world.command(Command::SetDesired(5));
    world.settle(secs(300));
    assert!(world.machines.contains_key(&InstanceId("i-web-5".to_owned())), "numbers go on");
}

#[test]
fn what_was_ended_and_is_there_again_is_ended_again() {
    let mut world = World::new(group(0, 20, 2), 1);
    world.settle(secs(300));
    world.command(Command::SetDesired(0));
    world.settle(secs(300));
    let ended = world.asked["terminate"];
    world.tell(Event::Listed { asked: world.now, instances: vec![running("i-web-1", Some("web-1"))] });
    assert_eq!(world.asked["terminate"], ended + 1);
    world.settle(secs(300));
}

#[test]
fn a_launch_that_is_acknowledged_and_not_done_is_found_out() {
    let mut world = World::new(group(1, 20, 3), 1);
    world.faults.lies = 100;
    world.run(secs(30));
    world.faults.lies = 0;
    world.settle(secs(300));
    assert_eq!(world.machines.len(), 3);
    let failed = world.engine.activities().find(|activity| activity.status == ActivityStatus::Failed).expect("one");
    assert!(failed.description.contains("not in its list"), "{}", failed.description);
}

#[test]
fn a_provider_without_tokens_is_matched_by_what_is_waited_for() {
    let mut world = World::new(group(1, 20, 3), 1);
    (world.faults.forgets_tokens, world.faults.hangs) = (true, 40);
    world.settle(secs(1200));
    world.faults.hangs = 0;
    world.run(secs(600));
    assert_eq!((world.in_service().count(), world.machines.len()), (3, 3));
}

#[test]
fn a_refusal_is_not_repeated_and_an_outage_is() {
    let errors = [
        (ProviderError::Capacity("full".to_owned()), "web-2"),
        (ProviderError::TimedOut { what: "launch".to_owned(), limit: secs(5) }, "web-1"),
    ];
    for (error, next) in errors {
        let mut engine = Engine::new(group(1, 20, 1), 1);
        let now = super::settings::at(1000);
        engine.handle(Event::Listed { asked: now, instances: Vec::new() }, now);
        let token = Token("web-1".to_owned());
        let mut asked = engine.handle(Event::Launched { token, result: Err(error) }, now);
        for second in 1..10 {
            asked.extend(engine.handle(Event::Tick, now + secs(second)));
        }
        let super::super::Action::Launch(launch) = &asked[0] else { panic!("{asked:?}") };
        assert_eq!((launch.token.0.as_str(), asked.len()), (next, 1));
    }
}

#[test]
fn launches_are_limited_within_a_minute() {
    let mut group = group(1, 100, 50);
    group.launches_per_minute = std::num::NonZeroU32::new(6).expect("not zero");
    let mut world = World::new(group, 1);
    for minute in 1..=5 {
        world.run(secs(60));
        assert!(world.asked["launch"] <= 6 * (minute + 1), "{:?} in minute {minute}", world.asked);
    }
    let held = world.engine.explanation(world.now).expect("asked").held;
    assert_eq!(held[0].to_string(), "no more launches within this minute");
    world.settle(secs(1200));
}

#[test]
fn nothing_is_launched_where_launches_fail() {
    let mut world = World::new(group(1, 20, 1), 1);
    world.run(secs(5));
    let token = Token("web-1".to_owned());
    let full = ProviderError::Capacity("full".to_owned());
    world.machines.clear();
    world.tell(Event::Launched { token, result: Err(full) });
    let zones: Vec<_> = world.engine.instances().map(|one| one.zone.clone()).collect();
    assert_eq!(zones, [Some(super::settings::name("b"))]);
    world.settle(secs(300));
}
