//! `[[autoscaling_group.target_tracking]]`, `step_scaling`, `simple_scaling` and `predictive_scaling`.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;

use super::{Named, REST};
use crate::autoscale::model::{
    Adjustment, AdjustmentKind, Cooldowns, MaxCapacityBehavior, Metric, Policy, PolicyKind, Predictive, PredictiveMode,
    Simple, Step, StepScaling, TargetTracking,
};
use crate::config::error::Reported;
use crate::config::reader::{Complaint, Table};
use crate::config::sections::{name, within};

const PERIODS: RangeInclusive<u32> = 1..=1000;
const ANY: RangeInclusive<f64> = f64::MIN..=f64::MAX;
const POSITIVE: RangeInclusive<f64> = f64::MIN_POSITIVE..=f64::MAX;
const CHANGE: RangeInclusive<i32> = -100_000..=100_000;
const BUFFER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3599);

type Read = fn(&Table<'_>) -> Result<PolicyKind, Reported>;

/// Reads all policies of the group in `table`, by kind.
pub(super) fn policies(table: &Table<'_>) -> Vec<Named<PolicyKind>> {
    let kinds: [(&'static str, Read); 4] = [
        ("target_tracking", target_tracking),
        ("step_scaling", step_scaling),
        ("simple_scaling", simple_scaling),
        ("predictive_scaling", predictive_scaling),
    ];
    let read = |(key, read): (_, Read)| {
        let named = |table: &Table<'_>| Named { name: table.require("name").and_then(name), read: read(table) };
        table.tables(key).iter().map(named).collect::<Vec<_>>()
    };
    kinds.into_iter().flat_map(read).collect()
}

/// The policy, if all of it could be read.
pub(super) fn complete(read: Named<PolicyKind>) -> Result<Policy, Reported> {
    Ok(Policy { name: read.name?.into_inner(), kind: read.read? })
}

/// The `metric` of a table.
pub(super) fn metric(table: &Table<'_>) -> Result<Metric, Reported> {
    let read = table.require("metric")?.parsed(|text| {
        text.parse().map_err(|error: crate::autoscale::model::InvalidMetric| {
            let complaint = Complaint::new(format!("is no metric: {}, at character {}", error.problem, error.at));
            complaint.help("a source or arithmetic over several: \"cpu\", \"sum(new_flows) / 50\"")
        })
    });
    read.map(Spanned::into_inner)
}

fn target_tracking(table: &Table<'_>) -> Result<PolicyKind, Reported> {
    let metric = metric(table);
    let target = table.require("target").and_then(|value| value.number(POSITIVE));
    let out_periods = table.optional("out_periods", |value| value.integer(PERIODS));
    let in_periods = table.optional("in_periods", |value| value.integer(PERIODS));
    let tolerance = table.optional("tolerance", |value| value.number(0.0..=0.9));
    let disable_scale_in = table.optional("disable_scale_in", |value| value.boolean());
    let cooldowns = cooldowns(table);
    Ok(PolicyKind::TargetTracking(TargetTracking {
        metric: metric?,
        target: target?,
        out_periods: out_periods?.unwrap_or(3),
        in_periods: in_periods?.unwrap_or(15),
        tolerance: tolerance?.unwrap_or(0.1),
        disable_scale_in: disable_scale_in?.unwrap_or_default(),
        cooldowns: cooldowns?,
    }))
}

fn step_scaling(table: &Table<'_>) -> Result<PolicyKind, Reported> {
    let metric = metric(table);
    let threshold = table.require("threshold").and_then(|value| value.number(ANY));
    let periods = table.optional("periods", |value| value.integer(PERIODS));
    let kind = adjustment_kind(table);
    let min_magnitude = table.optional("min_magnitude", |value| value.integer(super::CAPACITY));
    let cooldowns = cooldowns(table);
    let read: Vec<_> = table.tables("step").iter().map(step).collect();
    let steps: Result<Vec<Step>, Reported> = read.into_iter().collect();
    let steps = steps.and_then(|steps| fitting(table, steps));
    Ok(PolicyKind::Step(StepScaling {
        metric: metric?,
        threshold: threshold?,
        periods: periods?.unwrap_or(1),
        steps: steps?,
        kind: kind?,
        min_magnitude: min_magnitude?.unwrap_or(1),
        cooldowns: cooldowns?,
    }))
}

fn step(table: &Table<'_>) -> Result<Step, Reported> {
    let bound = |key| table.optional(key, |value| value.number(ANY));
    let (lower, upper) = (bound("lower"), bound("upper"));
    let adjustment = table.require("adjustment").and_then(|value| value.signed(CHANGE));
    let step = Step { lower: lower?, upper: upper?, adjustment: adjustment? };
    let is_above = step.lower.is_some_and(|lower| lower >= 0.0 && step.upper.is_none_or(|upper| upper > lower));
    let is_below = step.upper.is_some_and(|upper| upper <= 0.0 && step.lower.is_none_or(|lower| lower < upper));
    if is_above || is_below {
        return Ok(step);
    }
    let complaint =
        Complaint::new("a step lies above the threshold or below it, and its `lower` is less than its `upper`");
    Err(table.wrong(complaint.help("`lower = 0` for all above it, `upper = 0` for all below, or both on one side")))
}

/// Steps on each side of the threshold must meet, from it on.
fn fitting(table: &Table<'_>, mut steps: Vec<Step>) -> Result<Vec<Step>, Reported> {
    let wrong = |message: &str| {
        table.wrong(Complaint::new(format!("the steps of `[[autoscaling_group.step_scaling]]` {message}")).help(
            "on each side of the threshold they begin at 0, and each begins where the one before ends; only the outermost is open",
        ))
    };
    if steps.is_empty() {
        return Err(wrong("are missing"));
    }
    let key = |step: &Step| step.lower.unwrap_or(f64::NEG_INFINITY);
    steps.sort_by(|a, b| key(a).total_cmp(&key(b)));
    let meets = |pair: &[Step]| pair[0].upper == pair[1].lower && pair[0].upper.is_some();
    let reaches_zero = |step: &Step| {
        let (lower, upper) = (step.lower.unwrap_or(f64::NEG_INFINITY), step.upper.unwrap_or(f64::INFINITY));
        lower == 0.0 || upper == 0.0
    };
    if steps.windows(2).all(meets) && steps.iter().any(reaches_zero) {
        Ok(steps)
    } else {
        Err(wrong("leave a gap or overlap"))
    }
}

fn simple_scaling(table: &Table<'_>) -> Result<PolicyKind, Reported> {
    let metric = metric(table);
    let threshold = table.require("threshold").and_then(|value| value.number(ANY));
    let below = table.optional("below", |value| value.boolean());
    let periods = table.optional("periods", |value| value.integer(PERIODS));
    let kind = adjustment_kind(table);
    let value = table.require("adjustment").and_then(|value| value.signed(CHANGE));
    let min_magnitude = table.optional("min_magnitude", |value| value.integer(super::CAPACITY));
    let cooldown = table.optional("cooldown", |value| within(&value, REST));
    Ok(PolicyKind::Simple(Simple {
        metric: metric?,
        threshold: threshold?,
        below: below?.unwrap_or_default(),
        periods: periods?.unwrap_or(1),
        adjustment: Adjustment { kind: kind?, value: value?, min_magnitude: min_magnitude?.unwrap_or(1) },
        cooldown: cooldown?,
    }))
}

fn predictive_scaling(table: &Table<'_>) -> Result<PolicyKind, Reported> {
    let load = metric(table);
    let per_instance = table.require("per_instance").and_then(|value| value.number(POSITIVE));
    let modes =
        [("forecast_only", PredictiveMode::ForecastOnly), ("forecast_and_scale", PredictiveMode::ForecastAndScale)];
    let mode = table.optional("mode", |value| value.one_of(&modes));
    let buffer = table.optional("buffer", |value| within(&value, BUFFER));
    let quantile = table.optional("quantile", |value| value.number(0.5..=0.9999));
    let resolutions = [("5m", Duration::from_secs(300)), ("1h", Duration::from_secs(3600))];
    let resolution = table.optional("resolution", |value| value.one_of(&resolutions));
    let raise_by = table.optional("raise_max", |value| value.integer(0..=100_u8));
    Ok(PolicyKind::Predictive(Predictive {
        load: load?,
        per_instance: per_instance?,
        mode: mode?.unwrap_or_default(),
        buffer: buffer?.unwrap_or(super::MINUTES),
        quantile: quantile?.unwrap_or(0.9),
        resolution: resolution?.unwrap_or(Duration::from_secs(3600)),
        max_capacity: raise_by?.map_or(MaxCapacityBehavior::Honor, |buffer| MaxCapacityBehavior::Raise { buffer }),
    }))
}

fn adjustment_kind(table: &Table<'_>) -> Result<AdjustmentKind, Reported> {
    let kinds = [
        ("change", AdjustmentKind::ChangeInCapacity),
        ("exact", AdjustmentKind::ExactCapacity),
        ("percent", AdjustmentKind::PercentChangeInCapacity),
    ];
    let kind = table.optional("adjustment_kind", |value| value.one_of(&kinds));
    kind.map(|kind| kind.unwrap_or(AdjustmentKind::ChangeInCapacity))
}

fn cooldowns(table: &Table<'_>) -> Result<Cooldowns, Reported> {
    let rest = |key| table.optional(key, |value| within(&value, REST)).map(Option::unwrap_or_default);
    let (out, r#in) = (rest("cooldown_out"), rest("cooldown_in"));
    Ok(Cooldowns { out: out?, r#in: r#in? })
}
