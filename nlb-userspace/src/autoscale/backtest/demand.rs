//! How many instances a load needs.

use std::time::Duration;

use serde::Serialize;

use super::Trace;
use crate::autoscale::forecast::Observed;

/// What is assumed of instances and of who scales them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// Length of a bin: how often it is decided. 300 s by default.
    pub bin: Duration,
    /// How much load an instance carries, per second; above 0.
    pub capacity: f64,
    /// From the decision to launch an instance until it serves. None by default: it serves in the next bin.
    pub start: Duration,
}

impl Setting {
    /// Five-minute bins, and instances of such a capacity that the load's 99.9th percentile needs twenty.
    pub fn usual(trace: &Trace) -> Self {
        let bin = Duration::from_secs(300);
        let mut loads: Vec<f64> = trace.bins(bin).iter().filter_map(|bin| bin.value).collect();
        loads.sort_by(f64::total_cmp);
        let high = percentile(&loads, 0.999);
        Self { bin, capacity: if high > 0.0 { high / 20.0 } else { 1.0 }, start: Duration::ZERO }
    }

    /// Bins from the end of one until an instance that is launched then serves, counted so that 1 is the next bin.
    pub fn ahead(&self) -> usize {
        let bins = self.start.as_secs_f64() / self.bin.as_secs_f64();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of bins, saturating")]
        let bins = (bins - 1e-9).ceil() as usize;
        1 + bins
    }

    /// How many instances a load needs: none for none.
    pub fn instances(&self, load: f64) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating, and at least 0")]
        let instances = (load / self.capacity - 1e-9).ceil() as u32;
        instances
    }

    /// Bins of a day, at least one.
    pub fn bins_per_day(&self) -> usize {
        usize::try_from(86_400 / self.bin.as_secs().max(1)).unwrap_or(usize::MAX).max(1)
    }

    /// Hours of a bin.
    pub fn hours(&self) -> f64 {
        self.bin.as_secs_f64() / 3_600.0
    }
}

/// A load in bins, and what it needs.
#[derive(Clone, Debug)]
pub struct Demand {
    /// What is assumed.
    pub setting: Setting,
    /// The load.
    pub bins: Vec<Observed>,
    /// Instances that each bin needs; `None` where the load is not known.
    pub need: Vec<Option<u32>>,
}

impl Demand {
    /// What `trace` needs.
    pub fn new(trace: &Trace, setting: Setting) -> Self {
        let bins = trace.bins(setting.bin);
        let need = bins.iter().map(|bin| bin.value.map(|load| setting.instances(load))).collect();
        Self { setting, bins, need }
    }
}

/// By linear interpolation between sorted values; 0 without any.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let rank = share * f64::from(u32::try_from(last).unwrap_or(u32::MAX));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank from 0 to the last")]
    let lower = rank.floor() as usize;
    sorted[lower] + (sorted[(lower + 1).min(last)] - sorted[lower]) * rank.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn need_is_the_load_over_the_capacity_rounded_up() {
        let setting = Setting { bin: Duration::from_secs(300), capacity: 2.0, start: Duration::ZERO };
        for (load, need) in [(0.0, 0), (0.1, 1), (2.0, 1), (2.1, 2), (39.9, 20)] {
            assert_eq!(setting.instances(load), need, "{load}");
        }
    }

    #[test]
    fn what_is_launched_serves_after_its_start() {
        for (start, ahead) in [(0, 1), (1, 2), (300, 2), (301, 3)] {
            let setting = Setting { bin: Duration::from_secs(300), capacity: 1.0, start: Duration::from_secs(start) };
            assert_eq!(setting.ahead(), ahead, "{start} s");
        }
    }

    #[test]
    fn the_usual_capacity_needs_twenty_at_the_high_percentile() {
        let points = (0..=1_000_u32).map(|index| (f64::from(index) * 300.0, f64::from(index))).collect();
        let setting = Setting::usual(&Trace::of(points).expect("a trace"));
        assert!((setting.capacity - 999.0 / 20.0).abs() < 1e-9);
    }
}
