//! A rule at work on a load: instances start after their time, and go at once.

use std::collections::VecDeque;

use super::rules::Rule;
use super::{Demand, Measures};

/// What came of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Instances that served, bin by bin.
    pub supply: Vec<u32>,
    /// Instances that were paid for: those that were starting too.
    pub billed: Vec<u32>,
}

impl Run {
    /// How well it did from bin `first` on.
    pub fn measures(&self, demand: &Demand, first: usize) -> Measures {
        let first = first.min(self.supply.len());
        let (need, supply, billed) = (&demand.need[first..], &self.supply[first..], &self.billed[first..]);
        Measures::of(need, supply, billed, demand.setting.hours())
    }
}

/// Lets `rule` decide at the end of each bin. It begins with what the first bin needs, at least one instance.
pub fn run(demand: &Demand, rule: &mut dyn Rule) -> Run {
    let mut serving = demand.need.iter().flatten().next().copied().unwrap_or(0).max(1);
    // The next bin's first; instances that are launched now join at the back.
    let mut starting: VecDeque<u32> = vec![0; demand.setting.ahead() - 1].into();
    let mut run = Run { supply: Vec::with_capacity(demand.bins.len()), billed: Vec::with_capacity(demand.bins.len()) };
    for bin in &demand.bins {
        let coming: u32 = starting.iter().sum();
        run.supply.push(serving);
        run.billed.push(serving + coming);
        let wanted = rule.decide(bin, serving + coming);
        let mut surplus = (serving + coming).saturating_sub(wanted);
        // What has not begun to serve goes first.
        for launched in starting.iter_mut().rev() {
            let cancelled = surplus.min(*launched);
            *launched -= cancelled;
            surplus -= cancelled;
        }
        serving -= surplus;
        let staying: u32 = starting.iter().sum::<u32>() + serving;
        starting.push_back(wanted.saturating_sub(staying));
        serving += starting.pop_front().unwrap_or(0);
    }
    run
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::autoscale::backtest::{Setting, Trace};
    use crate::autoscale::forecast::Observed;

    struct Script(Vec<u32>);

    impl Rule for Script {
        fn decide(&mut self, _: &Observed, _: u32) -> u32 {
            self.0.remove(0)
        }
    }

    #[test]
    fn instances_serve_after_their_start_and_go_at_once() {
        let points = (0..6).map(|index| (f64::from(index) * 300.0, 1.0)).collect();
        let trace = Trace::of(points).expect("a trace");
        for (start, supply, billed) in
            [(0, [1, 3, 3, 5, 1, 2], [1, 3, 3, 5, 1, 2]), (300, [1, 1, 3, 3, 1, 1], [1, 3, 3, 5, 1, 2])]
        {
            let setting = Setting { bin: Duration::from_secs(300), capacity: 1.0, start: Duration::from_secs(start) };
            let run = run(&Demand::new(&trace, setting), &mut Script(vec![3, 3, 5, 1, 2, 2]));
            assert_eq!((run.supply, run.billed), (supply.to_vec(), billed.to_vec()), "start of {start} s");
        }
    }
}
