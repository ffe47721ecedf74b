//! Ours: capacity for a quantile of what the load may come to.

use std::collections::VecDeque;

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
    recent: Recent,
}

impl Predictive {
    /// For a quantile of the forecast, between 0 and 1.
    pub fn new(setting: Setting, quantile: f64) -> Self {
        let outlook = Outlook::new(setting.bins_per_day(), setting.ahead());
        Self { setting, quantile, outlook, recent: Recent::new(setting) }
    }
}

impl Rule for Predictive {
    fn decide(&mut self, bin: &Observed, instances: u32) -> u32 {
        self.outlook.observe(*bin);
        let Some(distribution) = self.outlook.distribution() else { return instances };
        let wanted = wanted(&self.setting, &distribution, self.quantile);
        self.recent.hold(wanted, bin, instances)
    }
}

/// What was wanted in the last ten minutes, both ends included. Nothing of it is given up: one burst does not take supply
/// up and down twice.
#[derive(Clone, Debug)]
struct Recent {
    most: usize,
    wanted: VecDeque<u32>,
}

const HELD_SECONDS: u64 = 600;

impl Recent {
    fn new(setting: Setting) -> Self {
        let most = usize::try_from(HELD_SECONDS / setting.bin.as_secs().max(1)).unwrap_or(0) + 1;
        Self { most, wanted: VecDeque::new() }
    }

    fn hold(&mut self, wanted: u32, bin: &Observed, instances: u32) -> u32 {
        self.wanted.push_back(wanted);
        if self.wanted.len() > self.most {
            self.wanted.pop_front();
        }
        let held = self.wanted.iter().copied().max().unwrap_or(wanted).min(instances).max(wanted);
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
        super::super::run(demand, &mut Decided { wanted, recent: Recent::new(demand.setting) })
    };
    (0..quantiles.len()).map(run).collect()
}

/// Decisions that are known already; 0 where there was no forecast.
struct Decided {
    wanted: VecDeque<u32>,
    recent: Recent,
}

impl Rule for Decided {
    fn decide(&mut self, bin: &Observed, instances: u32) -> u32 {
        match self.wanted.pop_front() {
            None | Some(0) => instances,
            Some(wanted) => self.recent.hold(wanted, bin, instances),
        }
    }
}
