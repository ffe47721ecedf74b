//! What a back-test shows: every rule beside the others.

use std::time::Duration;

use serde::Serialize;

use super::rules::{Hpa, Oracle, Predictive, Rule, Tracking};
use super::{Accuracy, Demand, Measures, Run, Setting, Swept, Trace, accuracy, run, run_engine, sweep};

/// A rule by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// The engine itself, with a predictive policy and target tracking.
    Engine,
    /// What that policy decides by: a quantile of the forecast.
    Predictive,
    /// Kubernetes' Horizontal Pod Autoscaler.
    Hpa,
    /// Target tracking alone.
    TargetTracking,
    /// Perfect foresight.
    Oracle,
}

impl RuleKind {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Engine, Self::Predictive, Self::Hpa, Self::TargetTracking, Self::Oracle];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Predictive => "predictive",
            Self::Hpa => "hpa",
            Self::TargetTracking => "target-tracking",
            Self::Oracle => "oracle",
        }
    }
}

/// How the rules are set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Aims {
    /// The quantile that the predictive rule provides for.
    pub quantile: f64,
    /// The utilisation that the others keep, 1 for a full instance.
    pub target: f64,
}

/// What came of one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Which.
    pub rule: RuleKind,
    /// How well it did, after the warm-up.
    pub measures: Measures,
    /// Bin by bin, for drawings.
    #[serde(skip)]
    pub run: Run,
}

/// How well a distance was forecast.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distance {
    /// Hours ahead.
    pub hours_ahead: usize,
    /// The error over the seasonal naive's.
    pub error_over_naive: f64,
    /// How well.
    pub accuracy: Accuracy,
}

/// A whole back-test.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Length of the trace.
    pub span: Duration,
    /// What is left out of all figures: forecasts learn there.
    pub warmup: Duration,
    /// What is assumed of instances.
    pub setting: Setting,
    /// How the rules are set.
    pub aims: Aims,
    /// Every rule.
    pub rules: Vec<Entry>,
    /// Hourly forecasts; none when the trace is too short.
    pub forecasts: Vec<Distance>,
    /// At the hours of the HPA's rule with target 70 %, time under-provisioned over the HPA's.
    pub time_under_over_hpa: Option<f64>,
    /// Instance-hours for 1 % of time under-provisioned, over those of the HPA's rule.
    pub hours_over_hpa: Option<f64>,
    /// What the trace needs, bin by bin, for drawings.
    #[serde(skip)]
    pub demand: Demand,
}

/// Two weeks are for learning, or half of what there is.
pub fn warmup(trace: &Trace) -> Duration {
    (trace.span() / 2).min(Duration::from_secs(14 * 86_400))
}

/// Runs these rules over `trace`.
pub fn report(trace: &Trace, setting: Setting, aims: Aims, rules: &[RuleKind]) -> Report {
    let demand = Demand::new(trace, setting);
    let warmup = warmup(trace);
    let first = usize::try_from(warmup.as_secs() / setting.bin.as_secs().max(1)).unwrap_or(usize::MAX);
    let entries = rules.iter().map(|&kind| {
        let of = |mut rule: Box<dyn Rule>| run(&demand, rule.as_mut());
        let run = match kind {
            RuleKind::Engine => run_engine(&demand, aims.quantile),
            RuleKind::Predictive => of(Box::new(Predictive::new(setting, aims.quantile))),
            RuleKind::Hpa => of(Box::new(Hpa::new(setting, aims.target))),
            RuleKind::TargetTracking => of(Box::new(Tracking::new(setting, aims.target))),
            RuleKind::Oracle => of(Box::new(Oracle::new(&demand))),
        };
        Entry { rule: kind, measures: run.measures(&demand, first), run }
    });
    let entries = entries.collect();
    let hour = Duration::from_secs(3_600);
    let forecasts = [1, 24].into_iter().filter_map(|hours_ahead| {
        let accuracy = accuracy(trace, hour, hours_ahead, warmup)?;
        Some(Distance { hours_ahead, error_over_naive: accuracy.ratio(), accuracy })
    });
    // The comparison is of the predictive rule with the HPA's.
    let compared = [RuleKind::Predictive, RuleKind::Hpa].iter().all(|kind| rules.contains(kind));
    let swept = compared.then(|| sweep(&demand, first));
    Report {
        span: trace.span(),
        warmup,
        setting,
        aims,
        rules: entries,
        forecasts: forecasts.collect(),
        time_under_over_hpa: swept.as_ref().and_then(Swept::time_under_ratio),
        hours_over_hpa: swept.as_ref().and_then(|swept| swept.hours_ratio(0.01)),
        demand,
    }
}

#[cfg(test)]
mod tests {
    use super::super::generate::Kind;
    use super::*;

    #[test]
    fn the_oracle_is_never_under_and_nobody_else_does_it_with_fewer_hours() {
        let trace = Kind::Weekly.trace(3, 7).expect("a made trace");
        let setting = Setting { bin: Duration::from_secs(900), ..Setting::usual(&trace) };
        for start in [0, 600] {
            let setting = Setting { start: Duration::from_secs(start), ..setting };
            let report = report(&trace, setting, Aims { quantile: 0.9, target: 0.7 }, &RuleKind::ALL);
            let of = |kind| report.rules.iter().find(|entry| entry.rule == kind).expect("all ran").measures;
            let oracle = of(RuleKind::Oracle);
            assert_eq!((oracle.time_under, oracle.under_share), (0.0, 0.0), "start {start} s");
            for kind in RuleKind::ALL {
                let other = of(kind);
                assert!(other.time_under > 0.0 || other.instance_hours >= oracle.instance_hours, "{kind:?}: {other:?}");
            }
        }
    }

    #[test]
    fn one_burst_takes_supply_up_once_and_down_once() {
        let minutes = (0..3 * 1_440_u32).map(|minute| {
            let burst = if (3_000..3_010).contains(&minute) { 40.0 } else { 0.0 };
            (f64::from(minute) * 60.0, 10.0 + burst + f64::from(minute % 3))
        });
        let trace = Trace::of(minutes.collect()).expect("a trace");
        let setting = Setting { capacity: 2.0, ..Setting::usual(&trace) };
        let report = report(&trace, setting, Aims { quantile: 0.9, target: 0.7 }, &[RuleKind::Predictive]);
        assert_eq!(report.rules[0].measures.flaps, 0);
        let supply = &report.rules[0].run.supply;
        assert!(supply[602] > 10 && supply[590] < 10, "it did go up: {:?}", &supply[590..610]);
    }
}
