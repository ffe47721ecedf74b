//! The recorded load of a group: by the minute for two weeks, by the hour for half a year. Its size is bounded.

mod import;

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use import::Minutes;

use crate::model::Timestamp;

/// Minutes that are kept: 14 days of them.
const MINUTES: usize = 14 * 1_440;

/// Hours that are kept: 26 weeks of them.
const HOURS: usize = 26 * 7 * 24;

/// A load over time. What is missing is a gap, never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The minute since the epoch that is under way.
    minute: u64,
    /// What came in it so far.
    current: Mean,
    /// Minutes that are over, the last one at the back.
    minutes: VecDeque<Option<f64>>,
    /// The hour under way, and those that are over.
    hour: Mean,
    hours: VecDeque<Option<f64>>,
}

/// A mean in the making.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn take(&mut self) -> Option<f64> {
        let Self { sum, count } = std::mem::take(self);
        (count > 0).then(|| sum / f64::from(count))
    }
}

impl History {
    /// The longest time that anything is kept for.
    pub const REACH: Duration = Duration::from_secs(HOURS as u64 * 3_600);

    /// Takes in a figure. One that isn't finite, or is of a minute that is over, is left out.
    pub fn record(&mut self, at: Timestamp, value: f64) {
        let minute = minute_of(at);
        if !value.is_finite() || (self.minute > minute) {
            return;
        }
        self.advance(at);
        self.current.add(value.max(0.0));
    }

    /// Time has come to `now`: minutes that are over are put away.
    pub fn advance(&mut self, now: Timestamp) {
        let minute = minute_of(now);
        if self.minute == 0 {
            self.minute = minute;
        }
        // After a gap beyond all that is kept nothing from before it can be left.
        let longest = u64::try_from(HOURS * 60).unwrap_or(u64::MAX);
        if minute.saturating_sub(self.minute) > longest {
            *self = Self { minute, ..Self::default() };
        }
        while self.minute < minute {
            let mean = self.current.take();
            mean.into_iter().for_each(|mean| self.hour.add(mean));
            push(&mut self.minutes, mean, MINUTES);
            self.minute += 1;
            if self.minute.is_multiple_of(60) {
                push(&mut self.hours, self.hour.take(), HOURS);
            }
        }
    }

    /// The minutes that are over, and when the first of them began.
    pub fn minutes(&self) -> (Timestamp, impl ExactSizeIterator<Item = Option<f64>>) {
        let first = self.minute - self.minutes.len() as u64;
        (at(first * 60), self.minutes.iter().copied())
    }

    /// The hours that are over, and when the first of them began.
    pub fn hours(&self) -> (Timestamp, impl ExactSizeIterator<Item = Option<f64>>) {
        let first = self.minute / 60 - self.hours.len() as u64;
        (at(first * 3_600), self.hours.iter().copied())
    }
}

fn minute_of(moment: Timestamp) -> u64 {
    moment.since_epoch().as_secs() / 60
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_epoch(Duration::from_secs(seconds))
}

fn push(kept: &mut VecDeque<Option<f64>>, value: Option<f64>, most: usize) {
    if kept.len() == most {
        kept.pop_front();
    }
    kept.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_means_hours_are_means_of_minutes_and_gaps_stay_gaps() {
        let mut history = History::default();
        let start = 1_000_000 * 3_600;
        for (seconds, value) in [(0, 2.0), (30, 4.0), (60, 9.0), (240, 1.0), (200, 99.0), (245, f64::NAN)] {
            history.record(at(start + seconds), value);
        }
        history.advance(at(start + 3_600 + 60));
        let (first, minutes) = history.minutes();
        let minutes: Vec<_> = minutes.collect();
        assert_eq!((first, minutes.len()), (at(start), 61));
        assert_eq!(minutes[..6], [Some(3.0), Some(9.0), None, None, Some(1.0), None]);
        let (first, hours) = history.hours();
        assert_eq!((first, hours.collect::<Vec<_>>()), (at(start), vec![Some(13.0 / 3.0)]));
    }

    #[test]
    fn a_year_takes_no_more_room_than_what_is_kept_and_a_long_gap_leaves_nothing() {
        let mut history = History::default();
        for hour in 0..366 * 24_u64 {
            history.record(at(1_000_000 * 3_600 + hour * 3_600), 1.0);
        }
        assert_eq!((history.minutes().1.len(), history.hours().1.len()), (MINUTES, HOURS));
        history.record(at(1_000_000 * 3_600 * 2), 1.0);
        assert_eq!((history.minutes().1.len(), history.hours().1.len()), (0, 0));
    }
}
