//! What an adjustment makes of a capacity, rounded as EC2 Auto Scaling does.

use crate::autoscale::model::AdjustmentKind;

/// `capacity` after an adjustment by `value`; `min_magnitude` is the least number that a percentage changes it by.
pub fn adjusted(capacity: u32, kind: AdjustmentKind, value: i32, min_magnitude: u32) -> u32 {
    let change = match kind {
        AdjustmentKind::ExactCapacity => return value.max(0).unsigned_abs(),
        AdjustmentKind::ChangeInCapacity => i64::from(value),
        AdjustmentKind::PercentChangeInCapacity => percent(capacity, value, min_magnitude),
    };
    let sum = (i64::from(capacity) + change).clamp(0, i64::from(u32::MAX));
    u32::try_from(sum).unwrap_or(u32::MAX)
}

/// Above 1 rounds down, between 0 and 1 rounds to 1; the same below zero.
fn percent(capacity: u32, value: i32, min_magnitude: u32) -> i64 {
    let hundredths = i64::from(capacity) * i64::from(value);
    if hundredths == 0 {
        return 0;
    }
    let magnitude = (hundredths.abs() / 100).max(1).max(i64::from(min_magnitude));
    hundredths.signum() * magnitude
}
