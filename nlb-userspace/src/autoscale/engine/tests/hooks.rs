//! Lifecycle hooks.

use super::settings::{group, hook, name, secs};
use super::world::World;
use crate::autoscale::engine::{Command, Refused};
use crate::autoscale::model::{HookResult, InstanceState, Lifecycle, Token, Transition};

fn states(world: &World) -> Vec<InstanceState> {
    world.engine.instances().map(|one| one.lifecycle.state()).collect()
}

#[test]
fn hooks_hold_an_instance_one_after_the_other_on_both_ways() {
    let mut group = group(0, 4, 1);
    group.hooks = vec![
        hook("load", Transition::Launch, HookResult::Abandon),
        hook("warm", Transition::Launch, HookResult::Abandon),
        hook("save", Transition::Terminate, HookResult::Continue),
    ];
    let mut world = World::new(group, 1);
    for called in ["load", "warm"] {
        world.run(secs(45));
        assert_eq!(states(&world), [InstanceState::PendingWait]);
        assert_eq!(world.hooks, [(Token("web-1".to_owned()), name(called))].into());
        assert!(world.targets.is_empty());
        world.answer_hooks(HookResult::Continue);
    }
    world.settle(secs(60));
    world.command(Command::SetDesired(0));
    world.run(secs(45));
    assert_eq!(states(&world), [InstanceState::TerminatingWait]);
    assert!(world.targets.is_empty(), "drained before");
    world.answer_hooks(HookResult::Abandon);
    world.settle(secs(60));
}

#[test]
fn a_hook_that_says_nothing_ends_by_its_default() {
    for (default, in_service) in [(HookResult::Continue, 1), (HookResult::Abandon, 0)] {
        let mut group = group(0, 4, 1);
        group.hooks = vec![hook("load", Transition::Launch, default)];
        let mut world = World::new(group, 1);
        world.run(secs(110));
        assert_eq!(world.in_service().count(), in_service, "{default:?}");
        let first = world.engine.activities().next().expect("the first launch");
        assert_eq!(first.description.contains("hook `load` abandoned it"), in_service == 0, "{}", first.description);
    }
}

#[test]
fn heartbeats_prolong_a_hook_up_to_a_hundred_times() {
    let mut group = group(0, 4, 1);
    group.hooks = vec![hook("load", Transition::Launch, HookResult::Continue)];
    let mut world = World::new(group, 1);
    world.run(secs(40));
    let (token, hook) = (Token("web-1".to_owned()), name("load"));
    let since = world.now;
    while matches!(world.engine.instances().next().map(|one| &one.lifecycle), Some(Lifecycle::PendingWait(_))) {
        world.command(Command::Heartbeat { token: token.clone(), hook: hook.clone() });
        world.run(secs(30));
    }
    assert!((5900..=6060).contains(&world.now.since(since).as_secs()), "{:?}", world.now.since(since));
    let late = Command::CompleteHook { token: token.clone(), hook: hook.clone(), result: HookResult::Continue };
    assert_eq!(world.engine.command(late, world.now), Err(Refused::NotWaiting { token, hook }));
}

#[test]
fn a_hook_that_is_configured_away_holds_nobody() {
    let mut group = group(0, 4, 1);
    group.hooks = vec![hook("load", Transition::Launch, HookResult::Abandon)];
    let mut world = World::new(group, 1);
    world.run(secs(40));
    world.reconfigure(|group| group.hooks.clear());
    world.run(secs(100));
    assert_eq!(world.in_service().count(), 1);
}
