//! Policies against what EC2 Auto Scaling publishes, and against a model of the rules that they may never break.

mod aws;
mod never;
mod prediction;
mod several;

use std::time::Duration;

use super::{Decision, Memory, Situation, combine};
use crate::autoscale::model::{
    Adjustment, AdjustmentKind, Bounds, Cooldowns, Metric, MetricError, Policy, PolicyKind, Sample, Simple, Source,
    Statistic, Step, StepScaling, TargetTracking,
};
use crate::model::{Name, Timestamp};

fn name(text: &str) -> Name {
    text.parse().expect(text)
}

fn cpu() -> Metric {
    Metric::Source { source: Source::Cpu, statistic: Statistic::Mean }
}

fn tracking(target: f64) -> TargetTracking {
    let cooldowns = Cooldowns::default();
    let (out_periods, in_periods, tolerance, disable_scale_in) = (3, 15, 0.1, false);
    TargetTracking { metric: cpu(), target, out_periods, in_periods, tolerance, disable_scale_in, cooldowns }
}

fn steps(threshold: f64, kind: AdjustmentKind, steps: &[(Option<f64>, Option<f64>, i32)]) -> StepScaling {
    let steps = steps.iter().map(|&(lower, upper, adjustment)| Step { lower, upper, adjustment }).collect();
    let cooldowns = Cooldowns::default();
    StepScaling { metric: cpu(), threshold, periods: 1, steps, kind, min_magnitude: 1, cooldowns }
}

fn simple(threshold: f64, below: bool, value: i32) -> Simple {
    let adjustment = Adjustment { kind: AdjustmentKind::ChangeInCapacity, value, min_magnitude: 1 };
    Simple { metric: cpu(), threshold, below, periods: 1, adjustment, cooldown: None }
}

/// A group whose instances are all warm at once, or never, as a test says.
struct Group {
    now: Timestamp,
    desired: u32,
    warming: u32,
    bounds: Bounds,
    policies: Vec<(Policy, Memory)>,
    launched: Option<Timestamp>,
}

impl Group {
    fn new(desired: u32, policies: Vec<(&str, PolicyKind)>) -> Self {
        let policies =
            policies.into_iter().map(|(called, kind)| (Policy { name: name(called), kind }, Memory::default()));
        Self {
            now: Timestamp::from_epoch(Duration::from_secs(1_000_000)),
            desired,
            warming: 0,
            bounds: Bounds { min: 1, max: 100 },
            policies: policies.collect(),
            launched: None,
        }
    }

    fn situation(&self) -> Situation {
        Situation {
            now: self.now,
            desired: self.desired,
            bounds: self.bounds,
            serving: self.desired.saturating_sub(self.warming),
            warming: self.warming,
            launched: self.launched,
            cooldown: Duration::from_secs(300),
            stabilization: super::STABILIZATION,
        }
    }

    /// A minute later there is a figure of policy `index`, or none.
    fn sample(&mut self, index: usize, value: Option<f64>) -> Decision {
        self.now = self.now + Duration::from_secs(60);
        self.observe(index, value);
        self.decide()
    }

    fn observe(&mut self, index: usize, value: Option<f64>) {
        let situation = self.situation();
        let value = value.ok_or_else(|| MetricError::NoData { what: "cpu".to_owned() });
        let (policy, memory) = &mut self.policies[index];
        memory.observe(policy, Sample { at: situation.now, period: Duration::from_secs(60), value }, &situation);
    }

    fn decide(&mut self) -> Decision {
        let situation = self.situation();
        let decision = combine(self.policies.iter().map(|(policy, memory)| (policy, memory)), &situation);
        if decision.desired != situation.desired {
            let out = decision.desired > situation.desired;
            for (_, memory) in &mut self.policies {
                memory.acted(out, situation.now);
            }
        }
        self.desired = decision.desired;
        decision
    }

    /// So many minutes with the same figure; the capacity at the end.
    fn minutes(&mut self, number: usize, value: f64) -> u32 {
        for _ in 0..number {
            self.sample(0, Some(value));
        }
        self.desired
    }
}
