//! What a policy remembers between two looks: it survives a restart of the agent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::peaks::Peaks;
use super::row::Row;
use super::wish::{Keep, Situation, Want, Wish};
use super::{predictive, simple, step, target_tracking};
use crate::autoscale::model::{Cooldowns, Policy, PolicyKind, Sample};
use crate::model::Timestamp;

/// A sample is too old to go by after so many of its periods.
const FRESH_PERIODS: u32 = 2;

/// How late a sample may come besides.
const LATENESS: Duration = Duration::from_secs(10);

/// One point of a forecast: the load of the interval that begins there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForecastPoint {
    /// When the interval begins. It is as long as the policy's resolution.
    pub at: Timestamp,
    /// The load at the quantile that is provisioned for.
    pub load: f64,
}

/// What a policy has seen and done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The last sample.
    pub(super) sample: Option<Sample>,
    /// Samples in a row beyond a limit.
    pub(super) row: Row,
    /// The capacity that the last sample asks for; `None` when it asks for nothing.
    pub(super) wanted: Option<u32>,
    /// What was asked for before.
    pub(super) peaks: Peaks,
    /// What is forecast, in the order of time.
    pub(super) forecast: Vec<ForecastPoint>,
    /// When it last scaled out.
    pub(super) acted_out: Option<Timestamp>,
    /// When it last scaled in.
    pub(super) acted_in: Option<Timestamp>,
}

impl Memory {
    /// Takes in a sample of the policy's metric.
    pub fn observe(&mut self, policy: &Policy, sample: Sample, situation: &Situation) {
        // One that is told again, or was overtaken, says nothing new.
        if self.sample.as_ref().is_some_and(|last| sample.at <= last.at) {
            return;
        }
        if self.sample.as_ref().is_some_and(|last| sample.at.since(last.at) > sample.period * FRESH_PERIODS) {
            self.row.miss();
        }
        self.wanted = match &sample.value {
            Err(_) => {
                self.row.miss();
                None
            }
            Ok(value) => match &policy.kind {
                PolicyKind::TargetTracking(rule) => target_tracking::observe(self, rule, *value, situation),
                PolicyKind::Step(rule) => step::observe(self, rule, *value, situation),
                PolicyKind::Simple(rule) => simple::observe(self, rule, *value, situation),
                PolicyKind::Predictive(_) => None,
            },
        };
        if let Some(wanted) = self.wanted {
            self.peaks.push(situation.now, wanted, situation.stabilization);
        }
        self.sample = Some(sample);
    }

    /// Takes in a forecast in place of the one before.
    pub fn foresee(&mut self, mut points: Vec<ForecastPoint>) {
        points.retain(|point| point.load.is_finite());
        points.sort_by_key(|point| point.at);
        self.forecast = points;
    }

    /// Remembers that the capacity was changed as the policy wanted.
    pub fn acted(&mut self, out: bool, now: Timestamp) {
        let acted = if out { &mut self.acted_out } else { &mut self.acted_in };
        *acted = Some(now);
    }

    /// What the policy wants now.
    pub fn wish(&self, policy: &Policy, situation: &Situation) -> Wish {
        if let PolicyKind::Predictive(rule) = &policy.kind {
            return predictive::wish(self, &policy.name, rule, situation);
        }
        let want = match self.figure(situation.now) {
            Err(reason) => Want::Keep { why: Keep::NoData { reason } },
            Ok(_) => match &policy.kind {
                PolicyKind::TargetTracking(rule) => target_tracking::want(self, rule, situation),
                PolicyKind::Step(rule) => step::want(self, rule, situation),
                PolicyKind::Simple(rule) => simple::want(self, rule, situation),
                PolicyKind::Predictive(_) => Want::Keep { why: Keep::Within },
            },
        };
        let (target, may_scale_in) = match &policy.kind {
            PolicyKind::TargetTracking(rule) => (rule.target, !rule.disable_scale_in),
            PolicyKind::Step(rule) => (rule.threshold, step::may_scale_in(rule, situation)),
            PolicyKind::Simple(rule) => (rule.threshold, simple::may_scale_in(rule, situation)),
            PolicyKind::Predictive(rule) => (rule.per_instance, false),
        };
        let figure = self.figure(situation.now).ok();
        Wish { policy: policy.name.clone(), figure, target, want, may_scale_in }
    }

    /// The most that its figures asked for in the last minutes, and when.
    pub fn peak(&self, situation: &Situation) -> Option<(Timestamp, u32)> {
        self.peaks.greatest(situation.now, situation.stabilization)
    }

    /// The figure to go by, or why there is none.
    fn figure(&self, now: Timestamp) -> Result<f64, String> {
        let Some(sample) = &self.sample else { return Err("nothing measured yet".to_owned()) };
        let age = now.since(sample.at);
        if age > sample.period * FRESH_PERIODS + LATENESS {
            return Err(format!("nothing measured for {} s", age.as_secs()));
        }
        sample.value.clone().map_err(|error| error.to_string())
    }

    /// Until when it rests before it scales out, or in.
    pub(super) fn resting(&self, cooldowns: Cooldowns, out: bool, now: Timestamp) -> Option<Timestamp> {
        let (last, rest) =
            if out { (self.acted_out, cooldowns.out) } else { (self.acted_out.max(self.acted_in), cooldowns.r#in) };
        last.map(|last| last + rest).filter(|until| now < *until)
    }

    /// What to do about `wanted` once its periods in a row are `periods` of `of`.
    pub(super) fn ripe(
        &self,
        wanted: u32,
        (periods, of): (u32, u32),
        cooldowns: Cooldowns,
        situation: &Situation,
    ) -> Want {
        let out = wanted > situation.desired;
        if wanted == situation.desired {
            return Want::Keep { why: Keep::Satisfied { capacity: wanted } };
        }
        if periods < of {
            return Want::Keep { why: Keep::Early { periods, of } };
        }
        match self.resting(cooldowns, out, situation.now) {
            Some(until) => Want::Keep { why: Keep::Resting { until } },
            None if out => Want::Out { capacity: wanted },
            None => Want::In { capacity: wanted },
        }
    }
}
