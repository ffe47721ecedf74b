//! Target tracking: `ceil(instances × metric / target)`.

use super::memory::Memory;
use super::wish::{Keep, Situation, Want};
use crate::autoscale::model::TargetTracking;

/// The capacity at which the metric would be at its target; `None` while nothing serves that it could be of.
pub(super) fn observe(memory: &mut Memory, rule: &TargetTracking, value: f64, situation: &Situation) -> Option<u32> {
    memory.row.observe(value > rule.target, value < floor(rule));
    let instances = f64::from(situation.serving);
    (situation.serving > 0).then(|| whole(instances * value / rule.target))
}

pub(super) fn want(memory: &Memory, rule: &TargetTracking, situation: &Situation) -> Want {
    let Some(wanted) = memory.wanted else {
        return Want::Keep { why: Keep::NoData { reason: "no instance serves for long enough".to_owned() } };
    };
    let row = memory.row;
    if row.above == 0 && row.below == 0 {
        return Want::Keep { why: Keep::Within };
    }
    if row.above > 0 {
        // Instances that still warm up are counted in the capacity: they may be all that it takes.
        return match memory.ripe(wanted, (row.above, rule.out_periods), rule.cooldowns, situation) {
            Want::In { .. } => Want::Keep { why: Keep::Satisfied { capacity: wanted } },
            want => want,
        };
    }
    match memory.ripe(wanted, (row.below, rule.in_periods), rule.cooldowns, situation) {
        // The metric is low and yet more are asked for: the capacity was cut by hand meanwhile, or most instances failed.
        Want::Out { .. } => Want::Keep { why: Keep::Within },
        Want::In { .. } if rule.disable_scale_in => Want::Keep { why: Keep::ScaleInDisabled },
        want => want,
    }
}

/// Below this it scales in.
fn floor(rule: &TargetTracking) -> f64 {
    rule.target * (1.0 - rule.tolerance)
}

/// A number of instances, rounded up. Figures that differ from a whole number by less than arithmetic errs count as it.
pub fn whole(instances: f64) -> u32 {
    let rounded = (instances * (1.0 - 1e-9)).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits; NaN becomes 0")]
    let whole = rounded.clamp(0.0, f64::from(u32::MAX)) as u32;
    whole
}
