//! Target tracking alone, as EC2 Auto Scaling does it.

use super::Rule;
use crate::autoscale::backtest::Setting;
use crate::autoscale::forecast::Observed;

/// Out when utilisation was above target for 3 minutes, in when it was below 90 % of it for 15: `ceil(N × utilisation /
/// target)`.
#[derive(Clone, Debug)]
pub struct Tracking {
    setting: Setting,
    target: f64,
    above: u64,
    below: u64,
}

const OUT_SECONDS: u64 = 180;
const IN_SECONDS: u64 = 900;
const TOLERANCE: f64 = 0.1;

impl Tracking {
    /// That keeps utilisation at `target`, 1 for a full instance.
    pub fn new(setting: Setting, target: f64) -> Self {
        Self { setting, target, above: 0, below: 0 }
    }
}

impl Rule for Tracking {
    fn decide(&mut self, bin: &Observed, instances: u32) -> u32 {
        let Some(load) = bin.value else {
            (self.above, self.below) = (0, 0);
            return instances;
        };
        let seconds = self.setting.bin.as_secs();
        let utilisation = load / (self.setting.capacity * f64::from(instances));
        self.above = if utilisation > self.target { self.above + seconds } else { 0 };
        self.below = if utilisation < self.target * (1.0 - TOLERANCE) { self.below + seconds } else { 0 };
        if self.above < OUT_SECONDS && self.below < IN_SECONDS {
            return instances;
        }
        Setting { capacity: self.setting.capacity * self.target, ..self.setting }.instances(load).max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn out_at_once_and_in_after_a_quarter_of_an_hour() {
        let setting = Setting { bin: Duration::from_secs(300), capacity: 100.0, start: Duration::ZERO };
        let mut tracking = Tracking::new(setting, 0.5);
        let rows = [(120.0, 2, 3), (30.0, 3, 3), (30.0, 3, 3), (30.0, 3, 1), (140.0, 3, 3), (30.0, 3, 3)];
        for (load, instances, expected) in rows {
            assert_eq!(tracking.decide(&load.into(), instances), expected, "{load} on {instances}");
        }
    }
}
