//! What a predictive policy goes by: its load as it was recorded, and a forecast of it.
//!
//! Recording is done by the task that owns the engines; forecasting takes a moment, and is done beside it.

use std::sync::Arc;
use std::time::Duration;

use crate::autoscale::forecast::{Choice, Expected, Forecaster, History, Minutes};
use crate::autoscale::model::Predictive;
use crate::autoscale::policy::ForecastPoint;
use crate::model::Timestamp;

/// Minutes of history without which nothing is forecast: a day.
const LEAST: usize = 1_440;

/// Time between two forecasts: the length of a fine step.
const AGAIN: Duration = Duration::from_secs(300);

/// Time between two moments at which the whole history is kept; what came since is kept with the group's state.
const KEEP: Duration = Duration::from_secs(3_600);

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
    /// Counts up whenever what was learned is of no use any more.
    generation: u64,
    due: Timestamp,
    kept: Timestamp,
    /// The last forecast.
    pub(super) foreseen: Option<Arc<Foreseen>>,
}

/// A forecast to be made.
pub(super) struct Job {
    generation: u64,
    forecaster: Option<Box<Forecaster>>,
    history: History,
    rule: Predictive,
    at: Timestamp,
}

/// What became of one.
#[derive(Debug)]
pub(super) struct Done {
    generation: u64,
    forecaster: Box<Forecaster>,
    foreseen: Foreseen,
}

impl Foresight {
    /// Goes on from what was recorded, which is kept as it is.
    pub(super) fn new(rule: Predictive, history: History, now: Timestamp) -> Self {
        let (forecaster, foreseen) = (None, None);
        Self { rule, history, forecaster, is_under_way: false, generation: 0, due: now, kept: now, foreseen }
    }

    /// Begins without a past: what the store has of another load by this name is of no use.
    pub(super) fn afresh(rule: Predictive, now: Timestamp) -> Self {
        Self { kept: Timestamp::default(), ..Self::new(rule, History::default(), now) }
    }

    /// Another rule: its load may be another, and what is recorded is forgotten then.
    pub(super) fn follow(&mut self, rule: &Predictive, now: Timestamp) {
        if self.rule.load != rule.load {
            let generation = self.generation + 1;
            *self = Self { generation, ..Self::afresh(rule.clone(), now) };
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

    /// The minutes that came since the whole history was kept.
    pub(super) fn recent(&self) -> Minutes {
        self.history.since(self.kept)
    }

    /// The history with minutes that others recorded.
    pub(super) fn with(&self, minutes: &Minutes, now: Timestamp) -> History {
        let mut history = self.history.clone();
        history.advance(now);
        history.import(minutes);
        history
    }

    /// Another history, which is kept: all of it is learned from, at once.
    pub(super) fn learn_anew(&mut self, history: History, now: Timestamp) {
        let (generation, foreseen) = (self.generation + 1, self.foreseen.take());
        *self = Self { generation, foreseen, ..Self::new(self.rule.clone(), history, now) };
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
        Some(Job { generation: self.generation, forecaster: self.forecaster.take(), history, rule, at: now })
    }

    /// A forecast is made: what the policy is told of it. Nothing, if what it was made of is of no use any more.
    pub(super) fn done(&mut self, done: Done) -> Option<Vec<ForecastPoint>> {
        if done.generation != self.generation {
            return None;
        }
        self.is_under_way = false;
        self.forecaster = Some(done.forecaster);
        let points = done.foreseen.points.iter().map(|point| ForecastPoint { at: point.at, load: point.quantile });
        let points = points.collect();
        self.foreseen = Some(Arc::new(done.foreseen));
        Some(points)
    }

    /// How many more minutes have to be recorded before anything is forecast: gaps tell nothing.
    pub(super) fn minutes_missing(&self) -> usize {
        LEAST.saturating_sub(self.history.minutes().1.flatten().count())
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
        Done { generation: self.generation, forecaster, foreseen }
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
        let points = foresight.done(job.run()).expect("nothing has changed");
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
        foresight.job(minute(59));
        assert!(foresight.due_history(minute(59)).is_none());
        assert_eq!(foresight.recent().values.len(), 59);
        assert!(foresight.due_history(minute(60)).is_some() && foresight.due_history(minute(61)).is_none());
        foresight.record(2.0, minute(61));
        let (first, other) = (foresight.minutes_missing(), Predictive { quantile: 0.5, ..rule() });
        foresight.job(minute(62));
        assert_eq!(foresight.recent(), Minutes { first: minute(60), values: vec![None, Some(2.0)] });
        foresight.follow(&other, minute(62));
        assert!(foresight.minutes_missing() < first, "another quantile is of the same load");
        foresight.follow(&Predictive { load: "sum(bytes)".parse().unwrap(), ..other }, minute(63));
        assert_eq!(foresight.minutes_missing(), LEAST);
    }

    #[test]
    fn an_imported_past_is_learned_from_at_once_and_what_was_learned_before_is_of_no_use() {
        let mut foresight = Foresight::new(rule(), History::default(), minute(0));
        let past = |load| Minutes { first: minute(0), values: vec![Some(load); 1_440] };
        foresight.learn_anew(foresight.with(&past(100.0), minute(1_440)), minute(1_440));
        assert_eq!(foresight.minutes_missing(), 0);
        let job = foresight.job(minute(1_440)).expect("a day is there");
        foresight.learn_anew(foresight.with(&past(9.0), minute(1_441)), minute(1_441));
        assert!(foresight.done(job.run()).is_none(), "it was made of another past");
        let done = foresight.job(minute(1_441)).expect("at once").run();
        let points = foresight.done(done).expect("of this past");
        assert!(points.iter().take(12).all(|point| point.load < 20.0), "{points:?}");
    }
}
