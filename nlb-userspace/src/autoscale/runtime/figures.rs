//! The figures of a group's metrics, and for whom each is. Pure.

use std::collections::BTreeSet;

use super::meter::{Meter, Subjects};
use super::outside::Outside;
use super::placement::wanted;
use crate::autoscale::engine::{Engine, Gauge};
use crate::autoscale::model::{Metric, MetricError, PolicyKind, Sample, Source, Statistic, Token};
use crate::control::snapshot::Snapshot;
use crate::model::{Name, PrometheusServer, TargetKey, Timestamp};

/// What a group's metrics are measured of.
pub(super) struct Figures<'a> {
    meter: &'a Meter,
    outside: &'a Outside,
    engine: &'a Engine,
    server: Option<&'a PrometheusServer>,
    now: Timestamp,
    /// The instances that metrics are of, and the targets of each.
    instances: Vec<Token>,
    targets: Vec<Vec<TargetKey>>,
}

/// One source of a metric as it was last measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The source, as in a metric: `sum(new_flows)`.
    pub metric: String,
    /// Who measures it.
    pub from: String,
    /// The figure, or why there is none.
    pub value: Result<f64, MetricError>,
}

/// The metrics that the engine is told figures of.
fn gauges(engine: &Engine) -> impl Iterator<Item = (Gauge, &Metric)> {
    let policies = engine.group().policies.iter().filter(|policy| !matches!(policy.kind, PolicyKind::Predictive(_)));
    let of_policies = policies.map(|policy| (Gauge::Policy(policy.name.clone()), policy.kind.metric()));
    let refresh = engine.refresh().filter(|refresh| refresh.ended.is_none());
    let alarms = refresh.into_iter().flat_map(|refresh| refresh.settings.alarms.iter().enumerate());
    of_policies.chain(alarms.map(|(index, (metric, _))| (Gauge::RefreshAlarm(index), metric)))
}

/// The loads that are forecast.
fn forecast(engine: &Engine) -> impl Iterator<Item = (&Name, &Metric)> {
    let policies = engine.group().policies.iter().filter(|policy| matches!(policy.kind, PolicyKind::Predictive(_)));
    policies.map(|policy| (&policy.name, policy.kind.metric()))
}

/// What has to be measured for a group.
pub(super) fn sources(engine: &Engine) -> BTreeSet<(&Source, Statistic)> {
    let metrics = gauges(engine).map(|(_, metric)| metric).chain(forecast(engine).map(|(_, load)| load));
    metrics.flat_map(Metric::sources).collect()
}

impl<'a> Figures<'a> {
    pub(super) fn new(
        meter: &'a Meter,
        outside: &'a Outside,
        engine: &'a Engine,
        snapshot: &'a Snapshot,
        now: Timestamp,
    ) -> Self {
        let targets_of = |instance| wanted(engine.group(), instance, snapshot).into_iter().collect();
        let targets = engine.measured(now).map(targets_of).collect();
        let instances = engine.measured(now).map(|instance| instance.token.clone()).collect();
        let server = snapshot.configuration.agent.prometheus.as_ref();
        Self { meter, outside, engine, server, now, instances, targets }
    }

    /// Those that the engine is told, of metrics of that kind.
    pub(super) fn samples(&self, of: impl Fn(&Metric) -> bool) -> Vec<(Gauge, Sample)> {
        let period = self.engine.group().period;
        let sample = |metric| Sample { at: self.now, period, value: self.value(metric) };
        gauges(self.engine).filter(|(_, metric)| of(metric)).map(|(gauge, metric)| (gauge, sample(metric))).collect()
    }

    /// The loads of predictive policies, as far as they are known.
    pub(super) fn loads(&self) -> Vec<(Name, f64)> {
        let known = |(policy, load): (&Name, &Metric)| Some((policy.clone(), self.value(load).ok()?));
        forecast(self.engine).filter_map(known).collect()
    }

    /// All that is measured for the group.
    pub(super) fn measured(&self) -> Vec<Measured> {
        let measured = |(source, statistic): (&Source, Statistic)| Measured {
            metric: Metric::Source { source: source.clone(), statistic }.to_string(),
            from: self.from(source, statistic),
            value: self.figure(source, statistic),
        };
        sources(self.engine).into_iter().map(measured).collect()
    }

    fn value(&self, metric: &Metric) -> Result<f64, MetricError> {
        metric.evaluate(&mut |source: &_, statistic| self.figure(source, statistic))
    }

    fn figure(&self, source: &Source, statistic: Statistic) -> Result<f64, MetricError> {
        let group = self.engine.group();
        if source.is_from_outside() {
            return self.outside.figure(source, statistic, &self.instances, group.period, self.now);
        }
        let instances = self.targets.iter().map(|keys| keys.iter().collect()).collect();
        let subjects = Subjects { instances, groups: &group.target_groups };
        self.meter.figure(source, statistic, group.period, &subjects)
    }

    /// Who measures a source, for people.
    fn from(&self, source: &Source, statistic: Statistic) -> String {
        let group = self.engine.group();
        let instances = self.instances.len();
        let whose = match source {
            Source::Prometheus { .. } => {
                return self.server.map_or_else(|| "no Prometheus server".to_owned(), |server| server.url.to_string());
            }
            Source::Cpu | Source::Memory => {
                return format!("node_exporter at port {} of {instances} instances", group.node_exporter_port);
            }
            Source::OfTargetGroup { group, .. } => format!("target group {group}"),
            _ if statistic == Statistic::Sum => {
                let names: Vec<_> = group.target_groups.iter().map(Name::as_str).collect();
                format!("target groups {}", names.join(", "))
            }
            _ => format!("{instances} instances"),
        };
        let is_latency = |source: &Source| *source == Source::HealthLatency;
        let by_checks = match source {
            Source::OfTargetGroup { source, .. } => is_latency(source),
            source => is_latency(source),
        };
        format!("{} of {whose}", if by_checks { "health checks" } else { "this edge's counters" })
    }
}
