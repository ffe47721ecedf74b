//! Minutes that were recorded elsewhere, or kept apart, become part of a history.

use serde::{Deserialize, Serialize};

use super::{HOURS, History, MINUTES, Mean, at, minute_of};
use crate::model::Timestamp;

/// A load of minutes in a row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Minutes {
    /// When the first of them began.
    pub first: Timestamp,
    /// What it was; `None` where that isn't known.
    pub values: Vec<Option<f64>>,
}

impl Minutes {
    /// The moment when the last of them is over.
    pub fn end(&self) -> Timestamp {
        at((minute_of(self.first) + self.values.len() as u64) * 60)
    }

    fn value(&self, minute: u64) -> Option<f64> {
        let index = usize::try_from(minute.checked_sub(minute_of(self.first))?).ok()?;
        let value = self.values.get(index).copied().flatten();
        value.filter(|value| value.is_finite()).map(|value| value.max(0.0))
    }
}

impl History {
    /// Takes in minutes that are over, as somebody else recorded them: what they know takes the place of what is here, and with it
    /// the means of their hours. What is older than anything that is kept is left out.
    pub fn import(&mut self, given: &Minutes) {
        self.advance(given.end());
        let begin = minute_of(given.first);
        let own_first = self.minute - self.minutes.len() as u64;
        let own = |minute: u64| {
            let index = usize::try_from(minute.checked_sub(own_first)?).ok()?;
            self.minutes.get(index).copied().flatten()
        };
        let known = |minute: u64| given.value(minute).or_else(|| own(minute));
        let oldest = begin.min(own_first).max(self.minute.saturating_sub(MINUTES as u64));

        let hour = self.minute / 60;
        let own_first_hour = hour - self.hours.len() as u64;
        let oldest_hour = (begin / 60).min(own_first_hour).max(hour.saturating_sub(HOURS as u64));
        let minutes_of = |hour: u64| hour * 60..self.minute.min((hour + 1) * 60);
        let is_touched = |hour: u64| minutes_of(hour).any(|minute| given.value(minute).is_some());
        let mean = |hour: u64| {
            let mut mean = Mean::default();
            minutes_of(hour).filter_map(known).for_each(|value| mean.add(value));
            mean
        };
        let own_hour = |hour: u64| {
            let index = usize::try_from(hour.checked_sub(own_first_hour)?).ok()?;
            self.hours.get(index).copied().flatten()
        };
        let hours = (oldest_hour..hour).map(|hour| if is_touched(hour) { mean(hour).take() } else { own_hour(hour) });
        let hours = hours.collect();
        let under_way = if is_touched(hour) { mean(hour) } else { self.hour };
        self.minutes = (oldest..self.minute).map(known).collect();
        (self.hours, self.hour) = (hours, under_way);
    }

    /// The minutes that are over since `moment`.
    pub fn since(&self, moment: Timestamp) -> Minutes {
        let first = minute_of(moment).max(self.minute - self.minutes.len() as u64).min(self.minute);
        let count = usize::try_from(self.minute - first).unwrap_or(usize::MAX);
        let values = self.minutes.iter().skip(self.minutes.len() - count).copied().collect();
        Minutes { first: at(first * 60), values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it was recorded at once, or one part was and the other imported, before or after: it is the same.
    #[test]
    fn what_is_imported_is_as_if_it_had_been_recorded() {
        let start = 1_000_000 * 60 - 7;
        let value = |minute: u64| (minute % 7 != 3).then(|| f64::from(u32::try_from(minute % 50).unwrap()));
        let recorded = |minutes: std::ops::Range<u64>| {
            let mut history = History::default();
            for minute in minutes {
                value(minute).into_iter().for_each(|value| history.record(at((start + minute) * 60 + 5), value));
                history.advance(at((start + minute + 1) * 60));
            }
            history
        };
        let minutes = |range: std::ops::Range<u64>| Minutes {
            first: at((start + range.start) * 60),
            values: range.map(value).collect(),
        };
        let whole = recorded(0..1_000);
        for (own, imported) in [
            (400..1_000, [0..400, 0..0]),
            (400..1_000, [0..700, 0..0]),
            (0..600, [600..1_000, 0..0]),
            (0..1_000, [300..301, 0..0]),
            (0..0, [0..1_000, 0..0]),
            (500..700, [0..500, 700..1_000]),
        ] {
            let mut history = recorded(own.clone());
            imported.clone().into_iter().for_each(|range| history.import(&minutes(range)));
            assert_eq!(history, whole, "{own:?} {imported:?}");
        }
        assert_eq!(whole.since(at((start + 990) * 60)), minutes(990..1_000));
        assert_eq!(whole.since(at((start + 2_000) * 60)).values, []);
    }

    #[test]
    fn an_import_changes_what_it_knows_and_nothing_else() {
        let start = 1_000_000 * 3_600;
        let mut history = History::default();
        (0..180).for_each(|minute| history.record(at(start + minute * 60), 10.0));
        history.advance(at(start + 180 * 60));
        let values = vec![Some(70.0), None, Some(f64::NAN), Some(-5.0)];
        history.import(&Minutes { first: at(start + 60 * 60), values });
        let minutes: Vec<_> = history.minutes().1.flatten().collect();
        assert_eq!(minutes.len(), 180);
        assert_eq!(minutes[59..65], [10.0, 70.0, 10.0, 10.0, 0.0, 10.0]);
        let hours: Vec<_> = history.hours().1.flatten().collect();
        assert_eq!(hours, [10.0, (70.0 + 58.0 * 10.0) / 60.0, 10.0]);
        // A year before now nothing is kept, ten weeks before only hours are.
        let day = |weeks: u64| Minutes { first: at(start - weeks * 7 * 86_400), values: vec![Some(3.0); 1_440] };
        history.import(&day(52));
        history.import(&day(10));
        assert_eq!(history.minutes().1.flatten().count(), 180);
        assert_eq!(history.hours().1.flatten().count(), 27);
    }
}
