//! Kubernetes' Horizontal Pod Autoscaler.

use std::collections::VecDeque;

use super::Rule;
use crate::autoscale::backtest::Setting;
use crate::autoscale::forecast::Observed;

/// `ceil(N × utilisation / target)`, nothing within a tolerance of 10 %, and scale-in only to the greatest number that was
/// wanted in the last 5 minutes, both ends included: this decision and, with 5-minute bins, the one before.
#[derive(Clone, Debug)]
pub struct Hpa {
    setting: Setting,
    target: f64,
    window: usize,
    recent: VecDeque<u32>,
}

const TOLERANCE: f64 = 0.1;
const WINDOW_SECONDS: u64 = 300;

impl Hpa {
    /// That keeps utilisation at `target`, 1 for a full instance.
    pub fn new(setting: Setting, target: f64) -> Self {
        let window = usize::try_from(WINDOW_SECONDS / setting.bin.as_secs().max(1)).unwrap_or(0) + 1;
        Self { setting, target, window, recent: VecDeque::new() }
    }
}

impl Rule for Hpa {
    fn decide(&mut self, bin: &Observed, instances: u32) -> u32 {
        let Some(load) = bin.value else { return instances };
        let ratio = load / (self.setting.capacity * f64::from(instances) * self.target);
        let wanted = if (ratio - 1.0).abs() <= TOLERANCE {
            instances
        } else {
            Setting { capacity: self.setting.capacity * self.target, ..self.setting }.instances(load).max(1)
        };
        self.recent.push_back(wanted);
        if self.recent.len() > self.window {
            self.recent.pop_front();
        }
        let held = self.recent.iter().copied().max().unwrap_or(wanted);
        wanted.max(held.min(instances))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_decides_as_its_documentation_says() {
        let setting = Setting { bin: Duration::from_secs(300), capacity: 100.0, start: Duration::ZERO };
        let mut hpa = Hpa::new(setting, 0.5);
        // Load, instances, and what comes of it: 5 wanted; within the tolerance; held by the 5 before; then let go.
        for (load, instances, expected) in [(210.0, 2, 5), (230.0, 5, 5), (90.0, 5, 5), (90.0, 5, 2), (300.0, 2, 6)] {
            assert_eq!(hpa.decide(&load.into(), instances), expected, "{load} on {instances}");
        }
        assert_eq!(hpa.decide(&Observed::default(), 4), 4, "no figure, no change");
    }
}
