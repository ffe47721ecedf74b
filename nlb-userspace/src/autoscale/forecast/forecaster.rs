//! The forecast of a group: 48 hours by the hour, and by five minutes.
//!
//! Each distance has an [`Outlook`] of its own, that goes on learning: another hour costs little, while a start reads the history
//! once. By five minutes, the next hour has outlooks of its own; what lies beyond is a line between the middles of hours.

use std::time::Duration;

use serde::Serialize;

use super::{History, Observed, Outlook, Score};
use crate::model::Timestamp;

/// Hours that are forecast.
const HOURS: usize = 48;

/// Five-minute steps that are forecast as such.
const FINE: usize = 12;

/// Minutes of a fine step.
const STEP: usize = 5;

/// What is expected of one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// When the step begins.
    pub at: Timestamp,
    /// As likely more as less.
    pub median: f64,
    /// The 90 % interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The quantile that was asked for.
    pub quantile: f64,
}

/// How the models do, at one distance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Hours ahead.
    pub ahead: usize,
    /// The models that have a share in the forecast, the greatest first.
    pub models: Vec<Score>,
}

/// Forecasts a group's load from its minutes.
#[derive(Clone, Debug)]
pub struct Forecaster {
    /// The minute since the epoch that comes next.
    next: u64,
    hour: Vec<Option<f64>>,
    hourly: Vec<Outlook>,
    fine: Vec<Outlook>,
}

impl Forecaster {
    /// From what is recorded: hours as far back as there are, the last two weeks by the minute.
    pub fn new(history: &History) -> Self {
        let mut hourly: Vec<_> = (1..=HOURS).map(|ahead| Outlook::new(24, ahead)).collect();
        let (start, _) = history.minutes();
        let first = start.since_epoch().as_secs() / 60;
        // Hours of which no minute is left; an hour that is cut is read by the hour.
        let by_minute = first.next_multiple_of(60);
        let (began, hours) = history.hours();
        let before = (by_minute / 60).saturating_sub(began.since_epoch().as_secs() / 3_600);
        for value in hours.take(usize::try_from(before).unwrap_or(usize::MAX)) {
            hourly.iter_mut().for_each(|outlook| outlook.observe(Observed { value, ..Observed::default() }));
        }
        let fine = (1..=FINE).map(|ahead| Outlook::new(24 * FINE, ahead)).collect();
        let mut forecaster = Self { next: by_minute, hour: Vec::new(), hourly, fine };
        forecaster.catch_up(history);
        forecaster
    }

    /// Takes in what was recorded since.
    pub fn catch_up(&mut self, history: &History) {
        let (start, minutes) = history.minutes();
        let first = start.since_epoch().as_secs() / 60;
        // What is not recorded any more was a gap.
        while self.next < first {
            self.observe(None);
        }
        let seen = usize::try_from(self.next - first).unwrap_or(usize::MAX);
        minutes.skip(seen).for_each(|minute| self.observe(minute));
    }

    /// Takes in what the next minute brought.
    pub fn observe(&mut self, minute: Option<f64>) {
        self.hour.push(minute);
        self.next += 1;
        if self.hour.len().is_multiple_of(STEP) {
            let step = observed(&self.hour[self.hour.len() - STEP..]);
            self.fine.iter_mut().for_each(|outlook| outlook.observe(step));
        }
        if self.next.is_multiple_of(60) {
            let hour = observed(&self.hour);
            self.hourly.iter_mut().for_each(|outlook| outlook.observe(hour));
            self.hour.clear();
        }
    }

    /// The next 48 hours, from the hour that is under way on; `quantile` between 0 and 1. Empty before the first full hour.
    pub fn hours(&self, quantile: f64) -> Vec<Expected> {
        let first = self.next / 60 * 3_600;
        expected(&self.hourly, first, 3_600, quantile)
    }

    /// The next 48 hours by five minutes.
    pub fn five_minutes(&self, quantile: f64) -> Vec<Expected> {
        let first = self.next / STEP as u64 * 300;
        let mut steps = expected(&self.fine, first, 300, quantile);
        let hours = self.hours(quantile);
        for pair in hours.windows(2) {
            let middle = pair[0].at + Duration::from_secs(1_800);
            for step in 0..FINE {
                let at = middle + Duration::from_secs(300 * step as u64);
                if steps.last().is_some_and(|last| last.at < at) {
                    steps.push(between(&pair[0], &pair[1], step as f64 / FINE as f64, at));
                }
            }
        }
        steps
    }

    /// How the models do an hour, six hours, a day and two days ahead.
    pub fn choices(&self) -> Vec<Choice> {
        let distances = [1, 6, 24, 48];
        distances.map(|ahead| Choice { ahead, models: self.hourly[ahead - 1].scores() }).into()
    }
}

fn expected(outlooks: &[Outlook], first: u64, seconds: u64, quantile: f64) -> Vec<Expected> {
    let points = outlooks.iter().zip(0..).filter_map(|(outlook, step)| {
        let distribution = outlook.distribution()?;
        Some(Expected {
            at: Timestamp::from_epoch(Duration::from_secs(first + step * seconds)),
            median: distribution.median(),
            low: distribution.quantile(0.05),
            high: distribution.quantile(0.95),
            quantile: distribution.quantile(quantile),
        })
    });
    points.collect()
}

fn between(before: &Expected, after: &Expected, share: f64, at: Timestamp) -> Expected {
    let line = |from: f64, to: f64| from + (to - from) * share;
    Expected {
        at,
        median: line(before.median, after.median),
        low: line(before.low, after.low),
        high: line(before.high, after.high),
        quantile: line(before.quantile, after.quantile),
    }
}

/// Minutes as one step: means of all, of the last quarter and of the last half.
fn observed(minutes: &[Option<f64>]) -> Observed {
    let mean = |minutes: &[Option<f64>]| {
        let (count, sum) = minutes.iter().flatten().fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
        (count > 0.0).then(|| sum / count)
    };
    let last = |part: usize| mean(&minutes[minutes.len() - minutes.len().div_ceil(part)..]);
    Observed { value: mean(minutes), last_quarter: last(4), last_half: last(2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four days, busy from 8 to 20 h.
    fn load(minute: u64) -> f64 {
        if (8..20).contains(&(minute / 60 % 24)) { 100.0 } else { 20.0 }
    }

    #[test]
    fn two_days_are_forecast_by_the_hour_and_by_five_minutes_from_recorded_minutes() {
        let mut history = History::default();
        let start = 500_000 * 1_440;
        let minutes = 4 * 1_440 + 90;
        let moment = |minute: u64| Timestamp::from_epoch(Duration::from_secs(minute * 60));
        for minute in start..=start + minutes {
            history.record(moment(minute), load(minute));
        }
        let forecaster = Forecaster::new(&history);
        let hours = forecaster.hours(0.9);
        assert_eq!((hours.len(), hours[0].at), (48, moment(start + 4 * 1_440 + 60)));
        for hour in &hours {
            let right = load(hour.at.since_epoch().as_secs() / 60);
            assert!((hour.median - right).abs() < 10.0, "{hour:?}, not {right}");
            assert!(hour.low <= hour.median && hour.median <= hour.high && hour.median <= hour.quantile, "{hour:?}");
        }
        let fine = forecaster.five_minutes(0.9);
        assert_eq!(fine[0].at, moment(start + minutes));
        let apart = |pair: &[Expected]| pair[1].at.since(pair[0].at) == Duration::from_secs(300);
        assert!(fine.windows(2).all(apart), "every five minutes");
        assert!(fine.len() > 47 * 12 - 6, "{} steps", fine.len());
        assert_eq!(forecaster.choices().len(), 4);
    }
}
