//! Any autoscaling group.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::collection::{btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::round_trip::name;
use crate::autoscale::model::{
    Adjustment, AdjustmentKind, AutoscalingGroup, Bounds, Cooldowns, Cron, Hook, HookResult, LaunchTemplate,
    MaxCapacityBehavior, Metric, Policy, PolicyKind, Predictive, PredictiveMode, ProviderKind, RefreshSettings,
    ReplacementBounds, ScheduledAction, Simple, Step, StepScaling, TargetTracking, TemplateVersion, TerminationOrder,
    Transition, WarmPool, WarmState,
};
use crate::model::{Name, Timestamp};

fn secs(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_secs)
}

fn metric() -> impl Strategy<Value = Metric> {
    let texts =
        ["cpu", "sum(new_flows) / 50", "max(memory) - 2.5 * prometheus(\"up{job=\\\"a\\\"}\")", "bytes(\"web\")"];
    select(texts.to_vec()).prop_map(|text| text.parse().unwrap())
}

fn adjustment_kind() -> impl Strategy<Value = AdjustmentKind> {
    select(vec![
        AdjustmentKind::ChangeInCapacity,
        AdjustmentKind::ExactCapacity,
        AdjustmentKind::PercentChangeInCapacity,
    ])
}

fn cooldowns() -> impl Strategy<Value = Cooldowns> {
    (secs(0..=86400), secs(0..=86400)).prop_map(|(out, r#in)| Cooldowns { out, r#in })
}

/// Steps that meet: of the bounds, each pair of neighbours on one side of the threshold, and all that is beyond them.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bounds = (btree_set(1_u16..1000, 0..3), btree_set(1_u16..1000, 0..3));
    (bounds, any::<bool>(), vec(-100_i32..100, 8)).prop_map(|((below, above), both, adjustments)| {
        let up: Vec<f64> = std::iter::once(0.0).chain(above.into_iter().map(f64::from)).collect();
        let down: Vec<f64> = below.into_iter().rev().map(|bound| -f64::from(bound)).chain([0.0]).collect();
        let mut steps = Vec::new();
        if both {
            steps.push((None, down.first().copied()));
            steps.extend(down.windows(2).map(|pair| (Some(pair[0]), Some(pair[1]))));
        }
        steps.extend(up.windows(2).map(|pair| (Some(pair[0]), Some(pair[1]))));
        steps.push((up.last().copied(), None));
        let step = |((lower, upper), adjustment)| Step { lower, upper, adjustment };
        steps.into_iter().zip(adjustments).map(step).collect()
    })
}

fn target_tracking() -> impl Strategy<Value = PolicyKind> {
    let periods = (1_u32..=1000, 1_u32..=1000);
    (metric(), 0.001..1e6, periods, 0.0..0.9, any::<bool>(), cooldowns()).prop_map(
        |(metric, target, (out_periods, in_periods), tolerance, disable_scale_in, cooldowns)| {
            PolicyKind::TargetTracking(TargetTracking {
                metric,
                target,
                out_periods,
                in_periods,
                tolerance,
                disable_scale_in,
                cooldowns,
            })
        },
    )
}

fn step_scaling() -> impl Strategy<Value = PolicyKind> {
    (metric(), -1e6..1e6, 1_u32..=1000, steps(), adjustment_kind(), 0_u32..=100, cooldowns()).prop_map(
        |(metric, threshold, periods, steps, kind, min_magnitude, cooldowns)| {
            PolicyKind::Step(StepScaling { metric, threshold, periods, steps, kind, min_magnitude, cooldowns })
        },
    )
}

fn simple() -> impl Strategy<Value = PolicyKind> {
    let adjustment = (adjustment_kind(), -1000_i32..1000, 0_u32..100);
    (metric(), -1e6..1e6, any::<bool>(), 1_u32..=1000, adjustment, of(secs(0..=86400))).prop_map(
        |(metric, threshold, below, periods, (kind, value, min_magnitude), cooldown)| {
            let adjustment = Adjustment { kind, value, min_magnitude };
            PolicyKind::Simple(Simple { metric, threshold, below, periods, adjustment, cooldown })
        },
    )
}

fn predictive() -> impl Strategy<Value = PolicyKind> {
    let mode = select(vec![PredictiveMode::ForecastOnly, PredictiveMode::ForecastAndScale]);
    let raise = of(0_u8..=100);
    (metric(), 0.001..1e6, mode, secs(0..=3599), 0.5..0.9999, select(vec![300_u64, 3600]), raise).prop_map(
        |(load, per_instance, mode, buffer, quantile, resolution, raise)| {
            PolicyKind::Predictive(Predictive {
                load,
                per_instance,
                mode,
                buffer,
                quantile,
                resolution: Duration::from_secs(resolution),
                max_capacity: raise.map_or(MaxCapacityBehavior::Honor, |buffer| MaxCapacityBehavior::Raise { buffer }),
            })
        },
    )
}

/// By kind, as they are read; each name once.
fn policies() -> impl Strategy<Value = Vec<Policy>> {
    let kinds = (vec(target_tracking(), 0..3), vec(step_scaling(), 0..2), vec(simple(), 0..2), vec(predictive(), 0..2));
    (kinds, btree_set(name(), 10)).prop_map(|((tracking, steps, simple, predictive), names)| {
        let kinds = [tracking, steps, simple, predictive].concat();
        names.into_iter().zip(kinds).map(|(name, kind)| Policy { name, kind }).collect()
    })
}

prop_compose! {
    fn hook(name: Name)(
        at in select(vec![Transition::Launch, Transition::Terminate]), heartbeat in secs(30..=7200),
        default_result in select(vec![HookResult::Continue, HookResult::Abandon]),
        command in prop_oneof![Just(Vec::new()), vec("\\PC{0,8}", 0..3).prop_map(|mut words| {
            words.insert(0, "/bin/ready".to_owned());
            words
        })],
        name in Just(name),
    ) -> Hook {
        Hook { name, at, heartbeat, default_result, command }
    }
}

prop_compose! {
    fn schedule(name: Name)(
        start in of(0_u64..4_000_000_000), end in of(0_u64..4_000_000_000), is_recurring in any::<bool>(),
        zone in select(vec!["UTC", "Europe/Berlin", "Asia/Kathmandu"]), (min, max, desired) in (0_u32..100, of(0_u32..100), of(0_u32..100)),
        name in Just(name),
    ) -> ScheduledAction {
        let at = |seconds: u64| Timestamp::from_epoch(Duration::from_secs(seconds));
        let recurs = is_recurring || start.is_none();
        let cron = recurs.then(|| Cron::new("30 8 * * 1-5", zone).unwrap());
        ScheduledAction { name, start: start.map(at), cron, end: end.map(at), min: Some(min), max, desired }
    }
}

prop_compose! {
    fn refresh()(
        min_healthy in 0_u8..=100, max_healthy in 100_u8..=200, checkpoints in btree_set(1_u8..=100, 0..4),
        delay in secs(0..=86400), bake_time in secs(0..=86400), skip_matching in any::<bool>(), auto_rollback in any::<bool>(),
        alarms in vec((metric(), -1e6..1e6), 0..3),
    ) -> RefreshSettings {
        RefreshSettings {
            bounds: ReplacementBounds { min_healthy, max_healthy },
            checkpoints: checkpoints.into_iter().collect(),
            checkpoint_delay: delay,
            bake_time,
            skip_matching,
            auto_rollback,
            alarms,
        }
    }
}

/// Provider, port and settings that fit each other: providers have the last word about them.
fn template() -> impl Strategy<Value = (ProviderKind, u16, serde_json::Map<String, serde_json::Value>)> {
    use ProviderKind::{Exec, Process, Webhook};
    let all = [
        (Exec, serde_json::json!({ "command": ["/bin/launch", "a b", "c\"d", "\u{e9}\n"], "timeout": 5 })),
        (Webhook, serde_json::json!({ "url": "https://a.example/nlb", "timeout": 30, "hmac_file": "/secret" })),
        (
            Process,
            serde_json::json!({
                "command": ["/bin/server"], "bridge": "br0", "addresses": "10.3.0.100-10.3.0.199/24",
                "environment": { "a b": "c\"d", "e.f": "" },
            }),
        ),
    ];
    let settings = |settings: &serde_json::Value| settings.as_object().cloned().unwrap_or_default();
    let all: Vec<_> = all.iter().map(|(kind, value)| (*kind, settings(value))).collect();
    (select(all), any::<u16>(), any::<bool>()).prop_map(|((kind, mut settings), port, is_short)| {
        if is_short {
            ["timeout", "hmac_file", "environment"].iter().for_each(|key| drop(settings.remove(*key)));
        }
        (kind, if kind == Process { port.max(1) } else { port }, settings)
    })
}

prop_compose! {
    /// One that serves some of the target groups `served`.
    pub(super) fn autoscaling_group(name: Name, served: Vec<Name>)(
        (min, more, over) in (0_u32..100, 0_u32..100, of(0_u32..100)), target_groups in subsequence(served.clone(), 0..=served.len()),
        zones in vec(super::round_trip::name(), 0..3), (provider, port, settings) in template(),
        (grace_period, warmup, default_cooldown) in (secs(0..=86400), secs(0..=86400), secs(0..=86400)),
        (period, stabilization) in (select(vec![10, 30, 60]).prop_map(Duration::from_secs), secs(0..=86400)),
        node_exporter_port in 1_u16..,
        max_lifetime in of(secs(60..=86400)), protect_new in any::<bool>(),
        termination in select(vec![TerminationOrder::FewestFlows, TerminationOrder::Oldest, TerminationOrder::Newest]),
        (min_healthy, max_healthy) in (0_u8..=100, 100_u8..=200), launches in 1_u32..=10_000,
        pool in of((of(0_u32..100), 0_u32..100, any::<bool>(), any::<bool>())),
        hooks in btree_set(super::round_trip::name(), 0..3).prop_flat_map(|names| names.into_iter().map(hook).collect::<Vec<_>>()),
        schedules in btree_set(super::round_trip::name(), 0..3).prop_flat_map(|names| names.into_iter().map(schedule).collect::<Vec<_>>()),
        policies in policies(), refresh in refresh(), name in Just(name),
    ) -> AutoscalingGroup {
        AutoscalingGroup {
            bounds: Bounds { min, max: min + more },
            desired: over.map(|over| (min + over).min(min + more)),
            target_groups,
            zones,
            template: LaunchTemplate { version: TemplateVersion { name: name.clone(), version: 1 }, provider, port, settings },
            grace_period,
            warmup,
            default_cooldown,
            period,
            node_exporter_port,
            stabilization,
            max_lifetime,
            protect_new,
            termination,
            replacement: ReplacementBounds { min_healthy, max_healthy },
            launches_per_minute: NonZeroU32::new(launches).unwrap(),
            warm_pool: pool.map(|(prepared, min, stops, reuse_on_scale_in)| WarmPool {
                prepared,
                min,
                state: if stops { WarmState::Stopped } else { WarmState::Running },
                reuse_on_scale_in,
            }),
            hooks,
            policies,
            schedules,
            refresh,
            name,
        }
    }
}
