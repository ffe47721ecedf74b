//! What a predictive policy goes by: its load as it was recorded, and a forecast of it.
//!
//! Recording is done by the task that owns the engines; forecasting takes a moment, and is done beside it.

use std::sync::Arc;
use std::time::Duration;

use crate::autoscale::forecast::{Choice, Expected, Forecaster, History};
use crate::autoscale::model::Predictive;
use crate::autoscale::policy::ForecastPoint;
use crate::model::Timestamp;

/// Minutes of history without which nothing is forecast: a day.
const LEAST: usize = 1_440;

/// Time between two forecasts: the length of a fine step.
const AGAIN: Duration = Duration::from_secs(300);

/// Time between two moments at which the history is kept: what a crash may cost it.
const KEEP: Duration = Duration::from_secs(600);

/// The finer resolution of a policy.
const FINE: Duration = Duration::from_secs(300);

/// A forecast.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// When it was made.
    pub at: Timestamp,
    /// Its points, at the policy's resolution.
    pub points: Vec<Expected>,
    /// How the models do.
    pub choices: Vec<Choice>,
}

/// The load of one policy.
#[derive(Debug)]
pub(super) struct Foresight {
    rule: Predictive,
    history: History,
    /// What has learned of the history; `None` before the first forecast, and while one is made.
    forecaster: Option<Box<Forecaster>>,
    is_under_way: bool,
    due: Timestamp,
    kept: Timestamp,
    /// The last forecast.
    pub(super) foreseen: Option<Arc<Foreseen>>,
}

/// A forecast to be made.
pub(super) struct Job {
    forecaster: Option<Box<Forecaster>>,
    history: History,
    rule: Predictive,
    at: Timestamp,
}

/// What became of one.
#[derive(Debug)]
pub(super) struct Done {
    forecaster: Box<Forecaster>,
    foreseen: Foreseen,
}

impl Foresight {
    /// Goes on from what was recorded.
    pub(super) fn new(rule: Predictive, history: History, now: Timestamp) -> Self {
        Self { rule, history, forecaster: None, is_under_way: false, due: now, kept: now, foreseen: None }
    }

    /// Another rule: its load may be another, and what is recorded is forgotten then.
    pub(super) fn follow(&mut self, rule: &Predictive, now: Timestamp) {
        if self.rule.load != rule.load {
            *self = Self::new(rule.clone(), History::default(), now);
        } else if &self.rule != rule {
            (self.rule, self.due) = (rule.clone(), now);
        }
    }

    /// What is forecast.
    pub(super) fn rule(&self) -> &Predictive {
        &self.rule
    }

    /// Records the load.
    pub(super) fn record(&mut self, load: f64, now: Timestamp) {
        self.history.record(now, load);
    }

    /// The history, if it is time to keep it.
    pub(super) fn due_history(&mut self, now: Timestamp) -> Option<&History> {
        let is_due = now.since(self.kept) >= KEEP;
        is_due.then(|| {
            self.kept = now;
            &self.history
        })
    }

    /// The next forecast, if it is time for one and there is enough to go by.
    pub(super) fn job(&mut self, now: Timestamp) -> Option<Job> {
        self.history.advance(now);
        if self.is_under_way || now < self.due || self.minutes_missing() > 0 {
            return None;
        }
        (self.is_under_way, self.due) = (true, now + AGAIN);
        let (rule, history) = (self.rule.clone(), self.history.clone());
        Some(Job { forecaster: self.forecaster.take(), history, rule, at: now })
    }

    /// A forecast is made: what the policy is told of it.
    pub(super) fn done(&mut self, done: Done) -> Vec<ForecastPoint> {
        self.is_under_way = false;
        self.forecaster = Some(done.forecaster);
        let points = done.foreseen.points.iter().map(|point| ForecastPoint { at: point.at, load: point.quantile });
        let points = points.collect();
        self.foreseen = Some(Arc::new(done.foreseen));
        points
    }

    /// How many more minutes have to be recorded before anything is forecast.
    pub(super) fn minutes_missing(&self) -> usize {
        LEAST.saturating_sub(self.history.minutes().1.len())
    }
}

impl Job {
    /// Makes the forecast: the first takes a while, for all that is recorded is learned from.
    pub(super) fn run(self) -> Done {
        let mut forecaster = self.forecaster.unwrap_or_else(|| Box::new(Forecaster::new(&self.history)));
        forecaster.catch_up(&self.history);
        let quantile = self.rule.quantile;
        let points =
            if self.rule.resolution == FINE { forecaster.five_minutes(quantile) } else { forecaster.hours(quantile) };
        let foreseen = Foreseen { at: self.at, points, choices: forecaster.choices() };
        Done { forecaster, foreseen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoscale::model::{MaxCapacityBehavior, PredictiveMode};

    fn rule() -> Predictive {
        Predictive {
            load: "sum(new_flows)".parse().unwrap(),
            per_instance: 10.0,
            mode: PredictiveMode::ForecastAndScale,
            buffer: Duration::from_secs(300),
            quantile: 0.9,
            resolution: FINE,
            max_capacity: MaxCapacityBehavior::Honor,
        }
    }

    fn minute(number: u32) -> Timestamp {
        Timestamp::from_epoch(Duration::from_secs(1_000_000 * 60)) + Duration::from_secs(60) * number
    }

    #[test]
    fn a_day_is_recorded_before_anything_is_forecast_and_then_every_five_minutes() {
        let mut foresight = Foresight::new(rule(), History::default(), minute(0));
        for number in 0..1_440 {
            foresight.record(100.0, minute(number));
            assert!(foresight.job(minute(number)).is_none(), "after {number} minutes");
        }
        let job = foresight.job(minute(1_440)).expect("a day is recorded");
        assert!(foresight.job(minute(1_450)).is_none(), "one at a time");
        let points = foresight.done(job.run());
        // Farther ahead than that, one day tells little of how far it may be off.
        let near: Vec<_> = points.iter().take(72).collect();
        assert!(near.iter().all(|point| (80.0..120.0).contains(&point.load)), "{near:?}");
        let ahead = minute(1_440) + Duration::from_secs(24 * 3_600);
        assert!(points.last().is_some_and(|last| last.at > ahead), "{} points", points.len());
        assert!(foresight.job(minute(1_441)).is_none(), "it was just made");
        assert!(foresight.job(minute(1_445)).is_some());
    }

    #[test]
    fn what_is_recorded_is_kept_at_times_and_belongs_to_its_load() {
        let mut foresight = Foresight::new(rule(), History::default(), minute(0));
        foresight.record(1.0, minute(0));
        assert!(foresight.due_history(minute(9)).is_none());
        assert!(foresight.due_history(minute(10)).is_some() && foresight.due_history(minute(11)).is_none());
        let (first, other) = (foresight.minutes_missing(), Predictive { quantile: 0.5, ..rule() });
        foresight.job(minute(20));
        foresight.follow(&other, minute(20));
        assert!(foresight.minutes_missing() < first, "another quantile is of the same load");
        foresight.follow(&Predictive { load: "sum(bytes)".parse().unwrap(), ..other }, minute(20));
        assert_eq!(foresight.minutes_missing(), LEAST);
    }
}
