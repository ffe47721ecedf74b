//! Simple scaling: one adjustment, then a rest.

use super::adjust::adjusted;
use super::memory::Memory;
use super::wish::{Keep, Situation, Want};
use crate::autoscale::model::{Cooldowns, Simple};

pub(super) fn observe(memory: &mut Memory, rule: &Simple, value: f64, situation: &Situation) -> Option<u32> {
    let beyond = if rule.below { value < rule.threshold } else { value > rule.threshold };
    memory.row.observe(beyond, false);
    let adjustment = rule.adjustment;
    beyond.then(|| adjusted(situation.desired, adjustment.kind, adjustment.value, adjustment.min_magnitude))
}

/// The cooldown runs from the last instance that was launched on.
pub(super) fn want(memory: &Memory, rule: &Simple, situation: &Situation) -> Want {
    let Some(wanted) = memory.wanted else { return Want::Keep { why: Keep::Within } };
    let rest = rule.cooldown.unwrap_or(situation.cooldown);
    let acted = memory.acted_out.max(memory.acted_in);
    let last = acted.map(|acted| situation.launched.map_or(acted, |launched| acted.max(launched)));
    if let Some(until) = last.map(|last| last + rest).filter(|until| situation.now < *until) {
        return Want::Keep { why: Keep::Resting { until } };
    }
    memory.ripe(wanted, (memory.row.above, rule.periods), Cooldowns::default(), situation)
}

/// Whether its adjustment asks for less than there is.
pub(super) fn may_scale_in(rule: &Simple, situation: &Situation) -> bool {
    let adjustment = rule.adjustment;
    let adjusted = adjusted(situation.desired, adjustment.kind, adjustment.value, adjustment.min_magnitude);
    adjusted < situation.desired
}
