//! Scheduled actions: other bounds or another capacity at set times.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::model::{Name, Timestamp};

/// What changes at a set time. At least one of `min`, `max` and `desired` is given, and at least one of `start` and `cron`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduledAction {
    /// Unique within the group.
    pub name: Name,
    /// Runs at this moment; with a recurrence, first at this moment.
    pub start: Option<Timestamp>,
    /// Runs again at these moments.
    pub cron: Option<Cron>,
    /// Runs no more after this moment.
    pub end: Option<Timestamp>,
    /// The new least capacity.
    pub min: Option<u32>,
    /// The new greatest capacity.
    pub max: Option<u32>,
    /// The new desired capacity.
    pub desired: Option<u32>,
}

impl ScheduledAction {
    /// When it runs next after `moment`; `None` when never again.
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let first = self.start.filter(|start| *start > moment);
        let recurring = || {
            // A recurrence begins after the start, which is a run of its own.
            let from = self.start.map_or(moment, |start| start.max(moment));
            self.cron.as_ref()?.next_after(from)
        };
        first.or_else(recurring).filter(|next| self.end.is_none_or(|end| *next <= end))
    }
}

/// A recurrence: five fields (minute, hour, day of month, month, day of week) in a time zone of the IANA database. Where the
/// clock skips an hour, what was due within it runs at its end; where it repeats one, what is due runs once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct Cron {
    pattern: croner::Cron,
    zone: TimeZone,
    text: Text,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Text {
    pattern: String,
    time_zone: String,
}

/// A text that is no recurrence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// The pattern.
    #[error("`{pattern}` is no recurrence of five fields (minute, hour, day of month, month, day of week): {reason}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// The time zone.
    #[error("`{0}` is no time zone of the IANA database: give one such as `Europe/Berlin` or `UTC`")]
    TimeZone(String),
}

impl Cron {
    /// The recurrence of `pattern` in `time_zone`.
    pub fn new(pattern: &str, time_zone: &str) -> Result<Self, CronError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let wrong = |reason: String| CronError::Pattern { pattern: pattern.to_owned(), reason };
        let parsed = parser.parse(pattern).map_err(|error| wrong(error.to_string()))?;
        let zone = TimeZone::get(time_zone).map_err(|_unknown| CronError::TimeZone(time_zone.to_owned()))?;
        let text = Text { pattern: pattern.to_owned(), time_zone: time_zone.to_owned() };
        Ok(Self { pattern: parsed, zone, text })
    }

    /// The five fields, as they were given.
    pub fn pattern(&self) -> &str {
        &self.text.pattern
    }

    /// The time zone's name.
    pub fn time_zone(&self) -> &str {
        &self.text.time_zone
    }

    /// The first moment after `moment` that it names; `None` when there is none.
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let seconds = i64::try_from(moment.since_epoch().as_secs()).ok()?;
        let local = jiff::Timestamp::from_second(seconds).ok()?.to_zoned(self.zone.clone());
        let next = self.pattern.find_next_occurrence(&local, false).ok()?.timestamp().as_second();
        Some(Timestamp::from_epoch(Duration::from_secs(u64::try_from(next).ok()?)))
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Cron {
    /// `0 8 * * 1-5 Europe/Berlin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.text.pattern, self.text.time_zone)
    }
}

impl FromStr for Cron {
    type Err = CronError;

    /// Five fields, in UTC.
    fn from_str(pattern: &str) -> Result<Self, CronError> {
        Self::new(pattern, "UTC")
    }
}

impl TryFrom<Text> for Cron {
    type Error = CronError;

    fn try_from(text: Text) -> Result<Self, CronError> {
        Self::new(&text.pattern, &text.time_zone)
    }
}

impl From<Cron> for Text {
    fn from(cron: Cron) -> Self {
        cron.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = text.parse().expect(text);
        Timestamp::from_epoch(Duration::from_secs(u64::try_from(moment.as_second()).expect(text)))
    }

    #[test]
    fn a_recurrence_follows_the_clock_of_its_zone_through_changes_of_the_hour() {
        let rows = [
            ("0 8 * * 1-5", "UTC", "2026-11-27T09:00:00Z", "2026-11-30T08:00:00Z"),
            ("0 8 * * *", "Europe/Berlin", "2026-03-28T08:00:00Z", "2026-03-29T06:00:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
            ("*/15 * * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z"),
            ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ];
        for (pattern, zone, after, expected) in rows {
            let cron = Cron::new(pattern, zone).expect(pattern);
            assert_eq!(cron.next_after(at(after)), Some(at(expected)), "{cron} after {after}");
        }
    }

    #[test]
    fn what_is_no_recurrence_says_what_is_wrong() {
        for (pattern, zone, part) in [
            ("0 8 * *", "UTC", "five fields"),
            ("0 0 8 * * *", "UTC", "five fields"),
            ("61 * * * *", "UTC", "61 * * * *"),
            ("0 8 * * *", "Mars/Olympus", "Mars/Olympus"),
        ] {
            let error = Cron::new(pattern, zone).expect_err(pattern).to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn an_action_runs_at_its_start_then_by_its_recurrence_and_not_after_its_end() {
        let action = ScheduledAction {
            name: "day".parse().expect("a name"),
            start: Some(at("2026-05-01T12:30:00Z")),
            cron: Some("0 8 * * *".parse().expect("a recurrence")),
            end: Some(at("2026-05-03T00:00:00Z")),
            min: Some(4),
            max: None,
            desired: None,
        };
        let mut moment = at("2026-04-01T00:00:00Z");
        let mut runs = Vec::new();
        while let Some(next) = action.next_after(moment) {
            runs.push(next);
            moment = next;
        }
        assert_eq!(runs, [at("2026-05-01T12:30:00Z"), at("2026-05-02T08:00:00Z")]);
    }
}
