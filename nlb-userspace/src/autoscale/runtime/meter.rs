//! From readings of counters to the figures of metrics. Pure.
//!
//! Readings are taken every [`TURN`]; a rate is what a counter rose by over a period, which is a few turns. A target that
//! was not there at a period's beginning began to count within it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use nlb_common::counters::Counters;

use crate::autoscale::model::{MetricError, Source, Statistic};
use crate::control::snapshot::Snapshot;
use crate::dataplane::CounterReading;
use crate::model::{Name, TargetKey, Timestamp};

/// Time between two readings.
pub(super) const TURN: Duration = Duration::from_secs(10);

/// Readings that are kept: those of the longest period, and the one that it begins with.
const KEPT: usize = 7;

/// The readings of the last minute.
#[derive(Debug, Default)]
pub(super) struct Meter(VecDeque<Reading>);

#[derive(Debug)]
struct Reading {
    at: Timestamp,
    targets: BTreeMap<TargetKey, Reached>,
}

/// What a target's counters had reached.
#[derive(Clone, Copy, Debug)]
struct Reached {
    counters: Counters,
    active: Option<u64>,
    /// Seconds that the last check took.
    latency: Option<f64>,
}

/// Whose figures are wanted.
#[derive(Clone, Debug)]
pub(super) struct Subjects<'a> {
    /// The targets of each instance that metrics are of.
    pub(super) instances: Vec<Vec<&'a TargetKey>>,
    /// The target groups whose traffic counts.
    pub(super) groups: &'a [Name],
}

impl Meter {
    /// Takes in a reading.
    pub(super) fn read(
        &mut self,
        snapshot: &Snapshot,
        reading: &CounterReading,
        latencies: &BTreeMap<TargetKey, Duration>,
        at: Timestamp,
    ) {
        let targets = snapshot.groups.iter().flat_map(|group| &group.targets).filter_map(|target| {
            let counters = *reading.targets.get(&target.index)?;
            let active = reading.active.targets.get(&target.index).copied();
            let latency = latencies.get(&target.key).map(Duration::as_secs_f64);
            Some((target.key.clone(), Reached { counters, active, latency }))
        });
        self.push(Reading { at, targets: targets.collect() });
    }

    fn push(&mut self, reading: Reading) {
        self.0.push_back(reading);
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// A reading could not be had: no period may reach over it.
    pub(super) fn miss(&mut self) {
        self.0.clear();
    }

    /// The figure of a source over the last `period`, which is a number of turns.
    pub(super) fn figure(
        &self,
        source: &Source,
        statistic: Statistic,
        period: Duration,
        subjects: &Subjects<'_>,
    ) -> Result<f64, MetricError> {
        if let Source::OfTargetGroup { group, source } = source {
            let groups = std::slice::from_ref(group);
            let targets = self.targets_of(groups).map(|key| vec![key]).collect();
            return self.figure(source, statistic, period, &Subjects { instances: targets, groups });
        }
        let (before, last) = self.ends(period).ok_or_else(|| nothing("a whole period"))?;
        let figure = |key: &TargetKey| figure(source, key, before, last);
        let figures: Option<Vec<f64>> = if statistic == Statistic::Sum {
            // All that there is, also what leaves or isn't warm yet: a load is there whoever bears it.
            self.targets_of(subjects.groups).map(figure).collect()
        } else {
            subjects.instances.iter().map(|keys| keys.iter().map(|key| figure(key)).sum::<Option<f64>>()).collect()
        };
        let figures = figures.ok_or_else(|| nothing(&source.to_string()))?;
        statistic.of(&figures).ok_or_else(|| nothing("no instance is in service and warm"))
    }

    fn targets_of<'a>(&'a self, groups: &'a [Name]) -> impl Iterator<Item = &'a TargetKey> + 'a {
        let last = self.0.back().into_iter().flat_map(|reading| reading.targets.keys());
        last.filter(|key| groups.contains(&key.group))
    }

    /// The readings that a period begins and ends with.
    fn ends(&self, period: Duration) -> Option<(&Reading, &Reading)> {
        let turns = usize::try_from(period.as_secs() / TURN.as_secs()).ok()?;
        let before = self.0.len().checked_sub(turns + 1)?;
        self.0.get(before).zip(self.0.back())
    }
}

/// The figure of one target; `None` when it isn't known.
fn figure(source: &Source, key: &TargetKey, before: &Reading, last: &Reading) -> Option<f64> {
    let now = last.targets.get(key)?;
    let count: fn(&Counters) -> u64 = match source {
        Source::ActiveFlows => return now.active.map(float),
        Source::HealthLatency => return now.latency,
        Source::NewFlows => |counters| counters.new_flows,
        Source::Packets => |counters| counters.packets,
        Source::Bytes => |counters| counters.bytes,
        Source::Cpu | Source::Memory | Source::Prometheus { .. } | Source::OfTargetGroup { .. } => {
            return None;
        }
    };
    let began = before.targets.get(key).map_or(0, |before| count(&before.counters));
    // Counters that fell are those of another target at the same place: they began at zero.
    let reached = count(&now.counters);
    let rise = reached.checked_sub(began).unwrap_or(reached);
    Some(float(rise) / last.at.since(before.at).as_secs_f64())
}

/// Counts of flows and bytes within a minute lie far below what a float holds exactly.
fn float(count: u64) -> f64 {
    count as f64
}

fn nothing(what: &str) -> MetricError {
    MetricError::NoData { what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str, last: u8) -> TargetKey {
        TargetKey { group: group.parse().unwrap(), address: [10, 0, 0, last].into(), port: 80 }
    }

    /// What the counters had reached by then, of targets of which one is another group's.
    fn reading(turn: u32, reached: &[(&TargetKey, u64)]) -> Reading {
        let reached = reached.iter().map(|(key, new_flows)| {
            let counters = Counters { packets: 10 * new_flows, bytes: 1_000 * new_flows, new_flows: *new_flows };
            ((*key).clone(), Reached { counters, active: (*new_flows > 0).then_some(7), latency: Some(0.5) })
        });
        Reading { at: Timestamp::default() + TURN * turn, targets: reached.collect() }
    }

    #[test]
    fn rates_are_over_the_period_means_over_instances_and_sums_over_all() {
        let (one, two, leaving, other) = (key("web", 1), key("web", 2), key("web", 3), key("dns", 1));
        let mut meter = Meter::default();
        meter.push(reading(0, &[(&one, 1_000), (&leaving, 50), (&other, 0)]));
        meter.push(reading(1, &[(&one, 1_100), (&two, 40), (&leaving, 50), (&other, 300)]));
        let groups: [Name; 1] = ["web".parse().unwrap()];
        let subjects = Subjects { instances: vec![vec![&one], vec![&two]], groups: &groups };
        let nobody = Subjects { instances: Vec::new(), groups: &groups };
        let of_other = Source::OfTargetGroup { group: "dns".parse().unwrap(), source: Box::new(Source::NewFlows) };
        let of_nobody = Source::OfTargetGroup { group: "none".parse().unwrap(), source: Box::new(Source::NewFlows) };
        for (source, statistic, subjects, expected) in [
            // The second one began within the period.
            (Source::NewFlows, Statistic::Mean, &subjects, Some((10.0 + 4.0) / 2.0)),
            (Source::NewFlows, Statistic::Max, &subjects, Some(10.0)),
            (Source::NewFlows, Statistic::Sum, &subjects, Some(14.0)),
            (Source::NewFlows, Statistic::Sum, &nobody, Some(14.0)),
            (Source::Packets, Statistic::Mean, &subjects, Some(70.0)),
            (Source::Bytes, Statistic::Min, &subjects, Some(4_000.0)),
            (Source::ActiveFlows, Statistic::Mean, &subjects, Some(7.0)),
            (Source::HealthLatency, Statistic::Max, &subjects, Some(0.5)),
            (of_other, Statistic::Mean, &subjects, Some(30.0)),
            (of_nobody, Statistic::Sum, &subjects, None),
            (Source::NewFlows, Statistic::Mean, &nobody, None),
            (Source::Cpu, Statistic::Mean, &subjects, None),
        ] {
            let figure = meter.figure(&source, statistic, TURN, subjects);
            assert_eq!(figure.ok(), expected, "{source} {statistic:?}");
        }
        assert!(meter.figure(&Source::NewFlows, Statistic::Mean, 3 * TURN, &subjects).is_err(), "no whole period yet");
        meter.miss();
        meter.push(reading(2, &[(&one, 1_200)]));
        assert!(meter.figure(&Source::NewFlows, Statistic::Mean, TURN, &subjects).is_err(), "a reading is missing");
    }

    #[test]
    fn counters_that_fell_began_anew() {
        let one = key("web", 1);
        let mut meter = Meter::default();
        for (turn, reached) in [(0, 1_000), (1, 50)] {
            meter.push(reading(turn, &[(&one, reached)]));
        }
        let groups: [Name; 1] = ["web".parse().unwrap()];
        let subjects = Subjects { instances: vec![vec![&one]], groups: &groups };
        assert_eq!(meter.figure(&Source::NewFlows, Statistic::Mean, TURN, &subjects), Ok(5.0));
    }
}
