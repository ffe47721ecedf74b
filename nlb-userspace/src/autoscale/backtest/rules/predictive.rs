//! Ours: capacity for a quantile of what the load may come to.

use super::Rule;
use crate::autoscale::backtest::{Demand, Run, Setting};
use crate::autoscale::forecast::{Distribution, Observed, Outlook};

/// Provides for `quantile` of the forecast of the bin that what is launched now will serve. A forecast without skill is
/// the last value, and its errors how the load changed from bin to bin: then the rule is a reactive one.
#[derive(Clone, Debug)]
pub struct Predictive {
    setting: Setting,
    quantile: f64,
    outlook: Outlook,
    before: u32,
}

impl Predictive {
    /// For a quantile of the forecast, between 0 and 1.
    pub fn new(setting: Setting, quantile: f64) -> Self {
        let outlook = Outlook::new(setting.bins_per_day(), setting.ahead());
        Self { setting, quantile, outlook, before: 0 }
    }
}

impl Rule for Predictive {
    fn decide(&mut self, bin: &Observed, instances: u32) -> u32 {
        self.outlook.observe(*bin);
        let Some(distribution) = self.outlook.distribution() else { return instances };
        let wanted = wanted(&self.setting, &distribution, self.quantile);
        // Nothing is given up that the decision before wanted still: one burst does not take supply up and down twice.
        let held = wanted.max(self.before.min(instances));
        self.before = wanted;
        // What is missing scales nothing in.
        if bin.value.is_none() { held.max(instances) } else { held }
    }
}

fn wanted(setting: &Setting, distribution: &Distribution<'_>, quantile: f64) -> u32 {
    setting.instances(distribution.quantile(quantile)).max(1)
}

/// [`Predictive`] for many quantiles at once: the forecast, which is what takes time, is one.
pub fn quantiles(demand: &Demand, quantiles: &[f64]) -> Vec<Run> {
    let mut outlook = Outlook::new(demand.setting.bins_per_day(), demand.setting.ahead());
    let decided: Vec<Vec<u32>> = demand
        .bins
        .iter()
        .map(|bin| {
            outlook.observe(*bin);
            let Some(distribution) = outlook.distribution() else { return vec![0; quantiles.len()] };
            quantiles.iter().map(|quantile| wanted(&demand.setting, &distribution, *quantile)).collect()
        })
        .collect();
    let run = |index: usize| {
        let wanted = decided.iter().map(|decided| decided[index]).collect();
        super::super::run(demand, &mut Decided { wanted, next: 0 })
    };
    (0..quantiles.len()).map(run).collect()
}

/// Decisions that are known already; held as [`Predictive`] holds its.
struct Decided {
    wanted: Vec<u32>,
    next: usize,
}

impl Rule for Decided {
    fn decide(&mut self, bin: &Observed, instances: u32) -> u32 {
        let wanted = self.wanted[self.next];
        let before = self.next.checked_sub(1).map_or(0, |before| self.wanted[before]);
        self.next += 1;
        let held = wanted.max(before.min(instances));
        if bin.value.is_none() || wanted == 0 { held.max(instances) } else { held }
    }
}
