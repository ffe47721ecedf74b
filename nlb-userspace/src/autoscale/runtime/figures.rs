//! The figures of a group's metrics, and for whom each is. Pure.

use super::meter::{Meter, Subjects};
use super::placement::wanted;
use crate::autoscale::engine::{Engine, Gauge};
use crate::autoscale::model::{Metric, PolicyKind, Sample};
use crate::control::snapshot::Snapshot;
use crate::model::{Name, TargetKey, Timestamp};

/// What a group's metrics are measured of.
pub(super) struct Figures<'a> {
    meter: &'a Meter,
    engine: &'a Engine,
    now: Timestamp,
    /// The targets of each instance that metrics are of.
    targets: Vec<Vec<TargetKey>>,
}

impl<'a> Figures<'a> {
    pub(super) fn new(meter: &'a Meter, engine: &'a Engine, snapshot: &Snapshot, now: Timestamp) -> Self {
        let targets_of = |instance| wanted(engine.group(), instance, snapshot).into_iter().collect();
        Self { meter, engine, now, targets: engine.measured(now).map(targets_of).collect() }
    }

    /// Those that the engine is told.
    pub(super) fn samples(&self) -> Vec<(Gauge, Sample)> {
        let of_policies = self.engine.group().policies.iter().filter_map(|policy| {
            let metric = match &policy.kind {
                PolicyKind::TargetTracking(rule) => &rule.metric,
                PolicyKind::Step(rule) => &rule.metric,
                PolicyKind::Simple(rule) => &rule.metric,
                PolicyKind::Predictive(_) => return None,
            };
            Some((Gauge::Policy(policy.name.clone()), self.sample(metric)))
        });
        let refresh = self.engine.refresh().filter(|refresh| refresh.ended.is_none());
        let alarms = refresh.into_iter().flat_map(|refresh| refresh.settings.alarms.iter().enumerate());
        let of_alarms = alarms.map(|(index, (metric, _))| (Gauge::RefreshAlarm(index), self.sample(metric)));
        of_policies.chain(of_alarms).collect()
    }

    /// The loads of predictive policies, as far as they are known.
    pub(super) fn loads(&self) -> Vec<(Name, f64)> {
        let loads = self.engine.group().policies.iter().filter_map(|policy| match &policy.kind {
            PolicyKind::Predictive(rule) => Some((policy.name.clone(), self.sample(&rule.load).value.ok()?)),
            PolicyKind::TargetTracking(_) | PolicyKind::Step(_) | PolicyKind::Simple(_) => None,
        });
        loads.collect()
    }

    fn sample(&self, metric: &Metric) -> Sample {
        let group = self.engine.group();
        let instances = self.targets.iter().map(|keys| keys.iter().collect()).collect();
        let subjects = Subjects { instances, groups: &group.target_groups };
        let mut measure = |source: &_, statistic| self.meter.figure(source, statistic, group.period, &subjects);
        Sample { at: self.now, period: group.period, value: metric.evaluate(&mut measure) }
    }
}
