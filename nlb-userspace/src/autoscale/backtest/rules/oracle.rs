//! Perfect foresight: what no rule can do better than.

use super::Rule;
use crate::autoscale::backtest::Demand;
use crate::autoscale::forecast::Observed;

/// Knows what each bin needs before it begins.
#[derive(Clone, Debug)]
pub struct Oracle {
    need: Vec<Option<u32>>,
    ahead: usize,
    next: usize,
}

impl Oracle {
    /// Of this demand.
    pub fn new(demand: &Demand) -> Self {
        Self { need: demand.need.clone(), ahead: demand.setting.ahead(), next: 0 }
    }
}

impl Rule for Oracle {
    fn decide(&mut self, _: &Observed, instances: u32) -> u32 {
        // What starts now must be enough for all bins until the next decision's launches serve.
        let from = (self.next + 1).min(self.need.len());
        let to = (self.next + self.ahead + 1).min(self.need.len());
        self.next += 1;
        self.need[from..to].iter().flatten().copied().max().unwrap_or(instances)
    }
}
