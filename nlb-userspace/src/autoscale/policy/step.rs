//! Step scaling: how far the metric is beyond its threshold says by how much.

use super::adjust::adjusted;
use super::memory::Memory;
use super::wish::{Keep, Situation, Want};
use crate::autoscale::model::{Step, StepScaling};

/// The capacity that the step asks for. Out, from what serves already: what the step before launched and is still warming up
/// is not added to, only made up for.
pub(super) fn observe(memory: &mut Memory, rule: &StepScaling, value: f64, situation: &Situation) -> Option<u32> {
    let beyond = value - rule.threshold;
    memory.row.observe(beyond >= 0.0, beyond <= 0.0);
    let step = step_at(&rule.steps, beyond)?;
    let apply = |from: u32| adjusted(from, rule.kind, step.adjustment, rule.min_magnitude);
    let out = apply(situation.desired.saturating_sub(situation.warming)).max(situation.desired);
    let wanted = apply(situation.desired);
    if wanted == situation.desired {
        return None;
    }
    Some(if wanted > situation.desired { out } else { wanted })
}

pub(super) fn want(memory: &Memory, rule: &StepScaling, situation: &Situation) -> Want {
    let Some(wanted) = memory.wanted else { return Want::Keep { why: Keep::Within } };
    let beyond =
        memory.sample.as_ref().and_then(|sample| sample.value.as_ref().ok()).map(|value| value - rule.threshold);
    let periods = if beyond.is_some_and(|beyond| beyond >= 0.0) { memory.row.above } else { memory.row.below };
    memory.ripe(wanted, (periods, rule.periods), rule.cooldowns, situation)
}

/// Whether any of its steps asks for less than there is.
pub(super) fn may_scale_in(rule: &StepScaling, situation: &Situation) -> bool {
    let less =
        |step: &Step| adjusted(situation.desired, rule.kind, step.adjustment, rule.min_magnitude) < situation.desired;
    rule.steps.iter().any(less)
}

/// The step whose interval holds `beyond`: `[lower, upper)` above the threshold, `(lower, upper]` below.
fn step_at(steps: &[Step], beyond: f64) -> Option<&Step> {
    let above = |step: &&Step| {
        step.lower.is_some_and(|lower| lower >= 0.0 && lower <= beyond) && step.upper.is_none_or(|upper| beyond < upper)
    };
    let below = |step: &&Step| {
        step.upper.is_some_and(|upper| upper <= 0.0 && beyond <= upper) && step.lower.is_none_or(|lower| lower < beyond)
    };
    steps.iter().find(above).or_else(|| steps.iter().find(below))
}
