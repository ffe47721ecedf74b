//! Predictive scaling: launch ahead of what is forecast.

use super::memory::Memory;
use super::target_tracking::whole;
use super::wish::{Keep, Situation, Want, Wish};
use crate::autoscale::model::{MaxCapacityBehavior, Predictive, PredictiveMode};
use crate::model::{Name, Timestamp};

/// It wants as many as the greatest load between now and the buffer ahead takes, and never less than there are.
pub(super) fn wish(memory: &Memory, policy: &Name, rule: &Predictive, situation: &Situation) -> Wish {
    let load = ahead(memory, rule, situation.now);
    let capacity = load.map(|load| whole(load / rule.per_instance));
    let want = match capacity {
        None => Want::Keep { why: Keep::NoData { reason: "no forecast for this time".to_owned() } },
        Some(capacity) => match rule.mode {
            PredictiveMode::ForecastOnly => Want::Keep { why: Keep::ForecastOnly { capacity } },
            // Also what is there already is a wish: below it nobody scales in.
            PredictiveMode::ForecastAndScale => Want::Out { capacity },
        },
    };
    Wish { policy: policy.clone(), figure: load, target: rule.per_instance, want, may_scale_in: false }
}

/// How far a forecast of `capacity` takes the greatest capacity.
pub(super) fn raised(rule: &Predictive, capacity: u32, max: u32) -> u32 {
    match rule.max_capacity {
        MaxCapacityBehavior::Honor => max,
        MaxCapacityBehavior::Raise { buffer } if capacity >= max => {
            whole(f64::from(capacity) * (1.0 + f64::from(buffer) / 100.0))
        }
        MaxCapacityBehavior::Raise { .. } => max,
    }
}

/// The greatest load of the intervals that are under way or begin within the buffer.
fn ahead(memory: &Memory, rule: &Predictive, now: Timestamp) -> Option<f64> {
    let until = now + rule.buffer;
    let points = memory.forecast.iter().filter(|point| now < point.at + rule.resolution && point.at <= until);
    points.map(|point| point.load).reduce(f64::max)
}
