//! Rules compared at equal cost and at equal quality: each is run with many settings, and between those lies a line.

use serde::Serialize;

use super::rules::{Hpa, Rule, Tracking, quantiles};
use super::{Demand, run};

/// One setting of a rule, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The target or quantile.
    pub setting: f64,
    /// Instance-hours.
    pub hours: f64,
    /// The share of time under-provisioned.
    pub time_under: f64,
}

/// A rule with many settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve(Vec<Point>);

impl Curve {
    /// Of these runs.
    pub fn new(mut points: Vec<Point>) -> Self {
        points.sort_by(|a, b| a.hours.total_cmp(&b.hours));
        Self(points)
    }

    /// The share of time under that so many instance-hours buy: of more than were tried, what the most that were tried do.
    /// `None` for fewer than were tried.
    pub fn time_under_at(&self, hours: f64) -> Option<f64> {
        if let Some(most) = self.0.last().filter(|most| most.hours < hours) {
            return Some(most.time_under);
        }
        interpolate(self.0.iter().map(|point| (point.hours, point.time_under)), hours)
    }

    /// The fewest instance-hours that keep the share of time under to so much; `None` beyond what was tried.
    pub fn hours_at(&self, time_under: f64) -> Option<f64> {
        let falling = self.0.iter().rev().map(|point| (point.time_under, point.hours));
        interpolate(falling, time_under)
    }
}

/// On the first line between neighbours that holds `x`.
fn interpolate(points: impl Iterator<Item = (f64, f64)>, x: f64) -> Option<f64> {
    let points: Vec<_> = points.collect();
    points.windows(2).find_map(|pair| {
        let ((left, low), (right, high)) = (pair[0], pair[1]);
        let inside = (left <= x && x <= right) || (right <= x && x <= left);
        let share = if right == left { 0.0 } else { (x - left) / (right - left) };
        inside.then_some(low + (high - low) * share)
    })
}

/// All rules, swept over one demand.
#[derive(Clone, Debug, Serialize)]
pub struct Swept {
    /// The HPA's rule, over its target.
    pub hpa: Curve,
    /// Target tracking, over its target.
    pub tracking: Curve,
    /// Ours, over the quantile.
    pub predictive: Curve,
    /// The HPA's rule with target 70 %.
    pub hpa_70: Point,
}

impl Swept {
    /// At the instance-hours of the HPA's rule with target 70 %, the time under-provisioned over the HPA's. `None` when
    /// the HPA never was, or the hours were beyond what was tried.
    pub fn time_under_ratio(&self) -> Option<f64> {
        let ours = self.predictive.time_under_at(self.hpa_70.hours)?;
        (self.hpa_70.time_under > 0.0).then(|| ours / self.hpa_70.time_under)
    }

    /// The instance-hours for so much time under-provisioned, over those of the HPA's rule for the same.
    pub fn hours_ratio(&self, time_under: f64) -> Option<f64> {
        Some(self.predictive.hours_at(time_under)? / self.hpa.hours_at(time_under)?)
    }
}

/// Runs every rule with many settings, and measures from bin `first` on.
pub fn sweep(demand: &Demand, first: usize) -> Swept {
    let point = |setting: f64, rule: &mut dyn Rule| {
        let measures = run(demand, rule).measures(demand, first);
        Point { setting, hours: measures.instance_hours, time_under: measures.time_under }
    };
    let targets = || (6..=100).step_by(2).map(|percent| f64::from(percent) / 100.0);
    let hpa = |target| point(target, &mut Hpa::new(demand.setting, target));
    let tracking = |target| point(target, &mut Tracking::new(demand.setting, target));
    // Closer together the closer to 1, up to the greatest quantile that a policy may have.
    let shares: Vec<f64> = (0..83).map(|step| 1.0 - 0.6 * 0.9_f64.powi(step)).collect();
    let ours = shares.iter().zip(quantiles(demand, &shares)).map(|(&setting, run)| {
        let measures = run.measures(demand, first);
        Point { setting, hours: measures.instance_hours, time_under: measures.time_under }
    });
    Swept {
        predictive: Curve::new(ours.collect()),
        hpa: Curve::new(targets().map(hpa).collect()),
        tracking: Curve::new(targets().map(tracking).collect()),
        hpa_70: hpa(0.7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_two_settings_lies_a_line() {
        let point = |hours, time_under| Point { setting: 0.0, hours, time_under };
        let curve = Curve::new(vec![point(30.0, 0.0), point(10.0, 0.4), point(20.0, 0.1)]);
        assert_eq!(curve.time_under_at(15.0), Some(0.25));
        assert_eq!(curve.hours_at(0.05), Some(25.0));
        assert_eq!((curve.time_under_at(9.0), curve.hours_at(0.5)), (None, None));
        assert_eq!(curve.time_under_at(31.0), Some(0.0), "more hours than are of use");
    }
}
