//! What holds whatever happens: people, load, faults and crashes at any moment.

use proptest::prelude::*;

use super::settings::{group, hook, policy, secs, template, tracking};
use super::world::{Faults, World};
use crate::autoscale::engine::{Command, Event, Gauge};
use crate::autoscale::model::{
    AutoscalingGroup, HookResult, Lifecycle, MetricError, PolicyKind, RefreshSettings, Sample, Transition, WarmPool,
    WarmState,
};

/// What happens between two looks.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Desired(u32),
    Load(f64),
    Blindness,
    Refresh(u32),
    Break(u64),
    Crash,
    Hooks(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (5_u64..120).prop_map(Step::Wait),
        2 => (1_u32..=8).prop_map(Step::Desired),
        2 => (0_u8..150).prop_map(|load| Step::Load(f64::from(load))),
        1 => Just(Step::Blindness),
        1 => (1_u32..4).prop_map(Step::Refresh),
        1 => any::<u64>().prop_map(Step::Break),
        1 => Just(Step::Crash),
        1 => any::<bool>().prop_map(Step::Hooks),
    ]
}

fn faults() -> impl Strategy<Value = Faults> {
    (0_u64..30, 0_u64..30, 0_u64..30, 0_u64..10, 0_u64..30, 0_u64..20).prop_map(
        |(fails, hangs, lies, omits, deaf, lame)| Faults {
            fails,
            hangs,
            lies,
            omits,
            deaf,
            lame,
            forgets_tokens: false,
        },
    )
}

fn any_group() -> impl Strategy<Value = AutoscalingGroup> {
    let pool = prop::option::of((any::<bool>(), any::<bool>()));
    (pool, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(pool, has_hooks, has_policy, has_targets)| {
        let mut group = group(1, 8, 4);
        group.warm_pool = pool.map(|(stops, reuse_on_scale_in)| WarmPool {
            prepared: Some(6),
            min: 0,
            state: if stops { WarmState::Stopped } else { WarmState::Running },
            reuse_on_scale_in,
        });
        if has_hooks {
            group.hooks = vec![
                hook("load", Transition::Launch, HookResult::Continue),
                hook("save", Transition::Terminate, HookResult::Abandon),
            ];
        }
        if has_policy {
            group.policies.push(policy("cpu", PolicyKind::TargetTracking(tracking())));
        }
        if !has_targets {
            group.target_groups.clear();
        }
        group
    })
}

fn take(world: &mut World, step: &Step) {
    match *step {
        Step::Wait(seconds) => world.run(secs(seconds)),
        Step::Desired(desired) => world.command(Command::SetDesired(desired)),
        Step::Load(value) => sample(world, &Ok(value)),
        Step::Blindness => sample(world, &Err(MetricError::NoData { what: "cpu".to_owned() })),
        Step::Refresh(version) => {
            let settings = Some(RefreshSettings { auto_rollback: true, ..RefreshSettings::default() });
            let start = Command::StartRefresh { template: Some(template(version)), settings };
            if world.engine.refresh().is_none_or(|refresh| refresh.ended.is_some()) {
                world.command(start);
            }
        }
        Step::Break(which) => world.break_one(which),
        Step::Crash => world.crash(),
        Step::Hooks(goes_on) => world.answer_hooks(if goes_on { HookResult::Continue } else { HookResult::Abandon }),
    }
}

fn sample(world: &mut World, value: &Result<f64, MetricError>) {
    for _ in 0..4 {
        world.run(secs(60));
        let sample = Sample { at: world.now, period: secs(60), value: value.clone() };
        world.tell(Event::Sampled { gauge: Gauge::Policy("cpu".parse().expect("a name")), sample });
    }
}

/// The world counts for itself.
fn check(world: &World) -> Result<(), TestCaseError> {
    prop_assert!((1..=8).contains(&world.engine.desired()));
    for (token, made) in &world.made {
        prop_assert_eq!(*made, 1, "{} was launched twice", token);
    }
    prop_assert_eq!(world.cut, 0, "an instance was ended that took traffic");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// However it went: once faults end, there is what should be, and nothing else.
    #[test]
    fn every_history_ends_well(
        group in any_group(),
        steps in prop::collection::vec(step(), 1..25),
        faults in faults(),
        crashes in prop_oneof![Just(0_u64), 1_u64..30],
        seed in any::<u64>(),
    ) {
        let mut world = World::new(group, seed);
        (world.faults, world.crashes) = (faults, crashes);
        for step in steps {
            take(&mut world, &step);
            check(&world)?;
        }
        world.recover();
        // Time for the lists to tell what was lost last.
        world.run(secs(120));
        world.settle(secs(24 * 3600));
        check(&world)?;
        let warm = world.engine.instances().filter(|one| one.lifecycle == Lifecycle::Warmed).count();
        let desired = usize::try_from(world.engine.desired()).expect("few");
        let pool = if world.engine.group().warm_pool.is_some() { 6_usize.saturating_sub(desired) } else { 0 };
        prop_assert_eq!((warm, world.machines.len()), (pool, desired + pool));
        let stopped = world.machines.values().filter(|machine| machine.is_stopped).count();
        let stops = world.engine.group().warm_pool.is_some_and(|pool| pool.state == WarmState::Stopped);
        prop_assert_eq!(stopped, if stops { pool } else { 0 });
    }

    /// A crash loses nothing and repeats nothing: with an honest provider each crash, after any kept state, leads to the very
    /// instances that there are without it.
    #[test]
    fn crashes_change_nothing(steps in prop::collection::vec((1_u32..=8, 1_u64..90), 1..10), crashes in 1_u64..60, seed in any::<u64>()) {
        let end = |crashes: u64| {
            let mut world = World::new(group(1, 8, 4), seed);
            world.crashes = crashes;
            for (desired, wait) in &steps {
                world.command(Command::SetDesired(*desired));
                world.run(secs(*wait));
            }
            world.recover();
            world.run(secs(120));
            world.settle(secs(3600));
            world
        };
        let (with, without) = (end(crashes), end(0));
        prop_assert_eq!(with.engine.desired(), without.engine.desired());
        prop_assert_eq!(with.machines.len(), without.machines.len());
        prop_assert!(with.made.values().all(|made| *made == 1));
        prop_assert_eq!(with.made.len(), without.made.len(), "launches");
    }

    /// A refresh keeps as many in service as it must, however slow machines are.
    #[test]
    fn a_refresh_never_goes_below_its_least(
        desired in 1_u32..=8,
        min_healthy in 0_u8..=100,
        max_healthy in 100_u8..=200,
        crashes in 0_u64..20,
        seed in any::<u64>(),
    ) {
        let mut world = World::new(group(1, 8, desired), seed);
        world.settle(secs(900));
        world.run(secs(100));
        world.crashes = crashes;
        let mut settings = RefreshSettings::default();
        (settings.bounds.min_healthy, settings.bounds.max_healthy) = (min_healthy, max_healthy);
        world.command(Command::StartRefresh { template: Some(template(2)), settings: Some(settings) });
        let share = f64::from(desired) * f64::from(min_healthy) / 100.0;
        // Where nothing may be launched first, one may always be missing.
        let least = if max_healthy > 100 { share } else { share.min(f64::from(desired) - 1.0) };
        let begin = world.now;
        while world.engine.refresh().is_some_and(|refresh| refresh.ended.is_none()) {
            world.step();
            prop_assert!(world.now.since(begin) < secs(24 * 3600), "it does not end");
            let healthy = world.serving_targets();
            prop_assert!(f64::from(healthy) >= least, "{healthy} of {desired} serve, at least {least}");
            let most = (f64::from(desired) * f64::from(max_healthy) / 100.0).max(f64::from(desired + 1)).floor();
            let there = world.engine.instances().filter(|one| one.lifecycle.counts()).count();
            let most = if max_healthy > 100 { most } else { f64::from(desired) };
            prop_assert!(f64::from(u32::try_from(there).expect("few")) <= most, "{there} there, at most {most}");
        }
        world.settle(secs(900));
        prop_assert!(world.machines.values().all(|machine| machine.version.version == 2));
    }
}
