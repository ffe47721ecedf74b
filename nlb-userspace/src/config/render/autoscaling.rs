//! Autoscaling groups as text.

use std::fmt::{self, Write};
use std::time::Duration;

use super::quoted;
use crate::autoscale::model::{
    Adjustment, AdjustmentKind, AutoscalingGroup, Cooldowns, Hook, HookResult, LaunchTemplate, MaxCapacityBehavior,
    Policy, PolicyKind, PredictiveMode, RefreshSettings, ScheduledAction, TerminationOrder, Transition, WarmPool,
    WarmState,
};
use crate::config::duration;
use crate::model::{Name, Timestamp};

pub(super) fn autoscaling_group(out: &mut String, group: &AutoscalingGroup) -> fmt::Result {
    let termination = match group.termination {
        TerminationOrder::FewestFlows => "fewest_flows",
        TerminationOrder::Oldest => "oldest",
        TerminationOrder::Newest => "newest",
    };
    writeln!(out, "\n[[autoscaling_group]]\nname = {}", quoted(&group.name))?;
    writeln!(out, "min = {}\nmax = {}", group.bounds.min, group.bounds.max)?;
    optional(out, "desired", group.desired)?;
    writeln!(out, "target_groups = {}\nzones = {}", list(&group.target_groups), list(&group.zones))?;
    time(out, "grace_period", group.grace_period)?;
    time(out, "warmup", group.warmup)?;
    time(out, "cooldown", group.default_cooldown)?;
    time(out, "period", group.period)?;
    writeln!(out, "node_exporter_port = {}", group.node_exporter_port)?;
    time(out, "stabilization", group.stabilization)?;
    optional(out, "max_lifetime", group.max_lifetime.map(shown))?;
    writeln!(out, "protect_new = {}\ntermination = \"{termination}\"", group.protect_new)?;
    writeln!(out, "min_healthy = {}\nmax_healthy = {}", group.replacement.min_healthy, group.replacement.max_healthy)?;
    writeln!(out, "launches_per_minute = {}", group.launches_per_minute)?;
    template(out, &group.template)?;
    group.warm_pool.iter().try_for_each(|pool| warm_pool(out, pool))?;
    group.hooks.iter().try_for_each(|one| hook(out, one))?;
    group.policies.iter().try_for_each(|one| policy(out, one))?;
    group.schedules.iter().try_for_each(|one| schedule(out, one))?;
    refresh(out, &group.refresh)
}

fn list(names: &[Name]) -> String {
    format!("[{}]", names.iter().map(quoted).collect::<Vec<_>>().join(", "))
}

fn shown(time: Duration) -> String {
    format!("\"{}\"", duration::show(time))
}

fn time(out: &mut String, key: &str, time: Duration) -> fmt::Result {
    writeln!(out, "{key} = {}", shown(time))
}

fn optional(out: &mut String, key: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| writeln!(out, "{key} = {value}"))
}

fn template(out: &mut String, template: &LaunchTemplate) -> fmt::Result {
    writeln!(out, "\n[autoscaling_group.template]\nprovider = \"{}\"", template.provider.as_str())?;
    let settings = toml::Value::try_from(&template.settings).expect("settings were TOML before");
    writeln!(out, "port = {}\nsettings = {settings}", template.port)
}

fn warm_pool(out: &mut String, pool: &WarmPool) -> fmt::Result {
    writeln!(out, "\n[autoscaling_group.warm_pool]")?;
    optional(out, "prepared", pool.prepared)?;
    let state = match pool.state {
        WarmState::Stopped => "stopped",
        WarmState::Running => "running",
    };
    writeln!(out, "min = {}\nstate = \"{state}\"\nreuse_on_scale_in = {}", pool.min, pool.reuse_on_scale_in)
}

fn hook(out: &mut String, hook: &Hook) -> fmt::Result {
    let at = match hook.at {
        Transition::Launch => "launch",
        Transition::Terminate => "terminate",
    };
    let result = match hook.default_result {
        HookResult::Continue => "continue",
        HookResult::Abandon => "abandon",
    };
    writeln!(out, "\n[[autoscaling_group.hook]]\nname = {}\nat = \"{at}\"", quoted(&hook.name))?;
    time(out, "heartbeat", hook.heartbeat)?;
    let command: Vec<String> = hook.command.iter().map(quoted).collect();
    writeln!(out, "default_result = \"{result}\"\ncommand = [{}]", command.join(", "))
}

fn policy(out: &mut String, policy: &Policy) -> fmt::Result {
    let table = match &policy.kind {
        PolicyKind::TargetTracking(_) => "target_tracking",
        PolicyKind::Step(_) => "step_scaling",
        PolicyKind::Simple(_) => "simple_scaling",
        PolicyKind::Predictive(_) => "predictive_scaling",
    };
    let metric = policy.kind.metric();
    writeln!(out, "\n[[autoscaling_group.{table}]]\nname = {}\nmetric = {}", quoted(&policy.name), quoted(metric))?;
    match &policy.kind {
        PolicyKind::TargetTracking(rule) => {
            writeln!(out, "target = {}\nout_periods = {}", rule.target, rule.out_periods)?;
            writeln!(out, "in_periods = {}\ntolerance = {}", rule.in_periods, rule.tolerance)?;
            writeln!(out, "disable_scale_in = {}", rule.disable_scale_in)?;
            cooldowns(out, rule.cooldowns)
        }
        PolicyKind::Step(rule) => {
            writeln!(out, "threshold = {}\nperiods = {}", rule.threshold, rule.periods)?;
            adjustment_kind(out, rule.kind, rule.min_magnitude)?;
            cooldowns(out, rule.cooldowns)?;
            for step in &rule.steps {
                writeln!(out, "\n[[autoscaling_group.step_scaling.step]]\nadjustment = {}", step.adjustment)?;
                optional(out, "lower", step.lower)?;
                optional(out, "upper", step.upper)?;
            }
            Ok(())
        }
        PolicyKind::Simple(rule) => {
            let Adjustment { kind, value, min_magnitude } = rule.adjustment;
            writeln!(out, "threshold = {}\nbelow = {}\nperiods = {}", rule.threshold, rule.below, rule.periods)?;
            adjustment_kind(out, kind, min_magnitude)?;
            writeln!(out, "adjustment = {value}")?;
            optional(out, "cooldown", rule.cooldown.map(shown))
        }
        PolicyKind::Predictive(rule) => {
            let mode = match rule.mode {
                PredictiveMode::ForecastOnly => "forecast_only",
                PredictiveMode::ForecastAndScale => "forecast_and_scale",
            };
            writeln!(out, "per_instance = {}\nmode = \"{mode}\"", rule.per_instance)?;
            time(out, "buffer", rule.buffer)?;
            writeln!(out, "quantile = {}", rule.quantile)?;
            time(out, "resolution", rule.resolution)?;
            let raise = match rule.max_capacity {
                MaxCapacityBehavior::Honor => None,
                MaxCapacityBehavior::Raise { buffer } => Some(buffer),
            };
            optional(out, "raise_max", raise)
        }
    }
}

fn adjustment_kind(out: &mut String, kind: AdjustmentKind, min_magnitude: u32) -> fmt::Result {
    let kind = match kind {
        AdjustmentKind::ChangeInCapacity => "change",
        AdjustmentKind::ExactCapacity => "exact",
        AdjustmentKind::PercentChangeInCapacity => "percent",
    };
    writeln!(out, "adjustment_kind = \"{kind}\"\nmin_magnitude = {min_magnitude}")
}

fn cooldowns(out: &mut String, cooldowns: Cooldowns) -> fmt::Result {
    time(out, "cooldown_out", cooldowns.out)?;
    time(out, "cooldown_in", cooldowns.r#in)
}

fn schedule(out: &mut String, action: &ScheduledAction) -> fmt::Result {
    writeln!(out, "\n[[autoscaling_group.schedule]]\nname = {}", quoted(&action.name))?;
    optional(out, "start", action.start.map(moment))?;
    if let Some(cron) = &action.cron {
        writeln!(out, "cron = {}\ntime_zone = {}", quoted(cron.pattern()), quoted(cron.time_zone()))?;
    }
    optional(out, "end", action.end.map(moment))?;
    optional(out, "min", action.min)?;
    optional(out, "max", action.max)?;
    optional(out, "desired", action.desired)
}

/// In quotes, RFC 3339.
fn moment(at: Timestamp) -> String {
    let seconds = i64::try_from(at.since_epoch().as_secs()).unwrap_or(i64::MAX);
    quoted(jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX))
}

fn refresh(out: &mut String, refresh: &RefreshSettings) -> fmt::Result {
    writeln!(out, "\n[autoscaling_group.refresh]\nmin_healthy = {}", refresh.bounds.min_healthy)?;
    let checkpoints: Vec<String> = refresh.checkpoints.iter().map(ToString::to_string).collect();
    writeln!(out, "max_healthy = {}\ncheckpoints = [{}]", refresh.bounds.max_healthy, checkpoints.join(", "))?;
    time(out, "checkpoint_delay", refresh.checkpoint_delay)?;
    time(out, "bake_time", refresh.bake_time)?;
    writeln!(out, "skip_matching = {}\nauto_rollback = {}", refresh.skip_matching, refresh.auto_rollback)?;
    for (metric, above) in &refresh.alarms {
        writeln!(out, "\n[[autoscaling_group.refresh.alarm]]\nmetric = {}\nabove = {above}", quoted(metric))?;
    }
    Ok(())
}
