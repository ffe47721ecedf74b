//! Groups to test with.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::autoscale::model::{
    AutoscalingGroup, Bounds, Cooldowns, Hook, HookResult, LaunchTemplate, Metric, Policy, PolicyKind, ProviderKind,
    RefreshSettings, ReplacementBounds, Source, Statistic, TargetTracking, TemplateVersion, TerminationOrder,
    Transition,
};
use crate::autoscale::policy::STABILIZATION;
use crate::model::{Name, Timestamp};

pub(super) fn name(text: &str) -> Name {
    text.parse().expect(text)
}

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_epoch(secs(seconds))
}

pub(super) fn template(version: u32) -> LaunchTemplate {
    LaunchTemplate {
        version: TemplateVersion { name: name("web"), version },
        provider: ProviderKind::Process,
        port: 80,
        settings: serde_json::Map::new(),
    }
}

/// A group with one target group, two zones, short times and no policy.
pub(super) fn group(min: u32, max: u32, desired: u32) -> AutoscalingGroup {
    AutoscalingGroup {
        name: name("web"),
        bounds: Bounds { min, max },
        desired: Some(desired),
        target_groups: vec![name("web")],
        zones: vec![name("a"), name("b")],
        template: template(1),
        grace_period: secs(120),
        warmup: secs(60),
        default_cooldown: secs(300),
        period: secs(60),
        node_exporter_port: 9100,
        stabilization: STABILIZATION,
        max_lifetime: None,
        protect_new: false,
        termination: TerminationOrder::FewestFlows,
        replacement: ReplacementBounds::default(),
        launches_per_minute: NonZeroU32::new(60).expect("not zero"),
        warm_pool: None,
        hooks: Vec::new(),
        policies: Vec::new(),
        schedules: Vec::new(),
        refresh: RefreshSettings::default(),
    }
}

pub(super) fn cpu() -> Metric {
    Metric::Source { source: Source::Cpu, statistic: Statistic::Mean }
}

/// Keeps `cpu` at 50.
pub(super) fn tracking() -> TargetTracking {
    TargetTracking {
        metric: cpu(),
        target: 50.0,
        out_periods: 3,
        in_periods: 15,
        tolerance: 0.1,
        disable_scale_in: false,
        cooldowns: Cooldowns::default(),
    }
}

pub(super) fn policy(called: &str, kind: PolicyKind) -> Policy {
    Policy { name: name(called), kind }
}

pub(super) fn hook(called: &str, transition: Transition, default_result: HookResult) -> Hook {
    Hook { name: name(called), at: transition, heartbeat: secs(60), default_result, command: Vec::new() }
}
