//! Recorded load: `seconds,requests_per_second` by line. Moments may be written as RFC 3339 has them.

use std::time::Duration;

use crate::autoscale::forecast::{Minutes, Observed};
use crate::model::Timestamp;

/// A load over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Moments in seconds, rising, and the load from each until the next step, per second.
    points: Vec<(f64, f64)>,
    step: f64,
}

/// Why a text is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// A line that is none of a trace's.
    #[error(
        "line {line}: `{text}` is not `seconds,requests_per_second`: a number or a moment as 2026-11-25T07:31:07Z, and a number of at least 0"
    )]
    Line {
        /// Which, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// A line out of order.
    #[error("line {line}: {seconds} s is not after the line before: sort the lines by time, each time once")]
    Order {
        /// Which, from 1.
        line: usize,
        /// The moment there.
        seconds: String,
    },
    /// Too little to say anything.
    #[error("{points} points: a trace has at least two")]
    Short {
        /// How many there are.
        points: usize,
    },
}

impl Trace {
    /// Reads a trace. A first line that isn't numbers is taken for a heading; empty lines are passed over.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let numbers = line.split_once(',').and_then(|(seconds, rate)| {
                let numbers = (self::seconds(seconds.trim())?, rate.trim().parse().ok()?);
                (f64::is_finite(numbers.0) && f64::is_finite(numbers.1) && numbers.1 >= 0.0).then_some(numbers)
            });
            match numbers {
                Some((seconds, _)) if points.last().is_some_and(|last| seconds <= last.0) => {
                    return Err(TraceError::Order { line: index + 1, seconds: seconds.to_string() });
                }
                Some(point) => points.push(point),
                None if index == 0 => {}
                None => return Err(TraceError::Line { line: index + 1, text: line.chars().take(60).collect() }),
            }
        }
        Self::of(points)
    }

    /// The trace of these moments in seconds, rising, with the load from each on.
    pub fn of(points: Vec<(f64, f64)>) -> Result<Self, TraceError> {
        if points.len() < 2 {
            return Err(TraceError::Short { points: points.len() });
        }
        // The usual distance: one that is missing here and there does not count.
        let mut steps: Vec<f64> = points.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        let middle = steps.len() / 2;
        let (_, step, _) = steps.select_nth_unstable_by(middle, f64::total_cmp);
        Ok(Self { step: *step, points })
    }

    /// How many points it has.
    pub const fn point_count(&self) -> usize {
        self.points.len()
    }

    /// The load by the minute between these moments, from its first minute there on: a point holds until the next step, and where
    /// there is none no figure is.
    pub fn minutes(&self, from: Timestamp, to: Timestamp) -> Minutes {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is below zero is out of bounds"
        )]
        let minute = |seconds: f64| (seconds / 60.0).floor() as u64;
        let (from, to) = (from.since_epoch().as_secs().div_ceil(60), to.since_epoch().as_secs() / 60);
        // A moment less, for it is over when the next one begins.
        let holds = if self.step > 60.0 { self.step - 1e-3 } else { 0.0 };
        let first = from.max(self.points.first().map_or(0, |first| minute(first.0)));
        let end = to.min(self.points.last().map_or(0, |last| minute(last.0 + holds) + 1));
        let length = usize::try_from(end.saturating_sub(first)).unwrap_or(0);
        let mut sums = vec![(0.0, 0.0); length];
        for &(seconds, load) in &self.points {
            for at in minute(seconds).max(first)..end.min(minute(seconds + holds) + 1) {
                let sum = usize::try_from(at - first).ok().and_then(|index| sums.get_mut(index));
                if let Some((sum, count)) = sum {
                    (*sum, *count) = (*sum + load, *count + 1.0);
                }
            }
        }
        let values = sums.into_iter().map(|(sum, count)| (count > 0.0).then(|| sum / count)).collect();
        Minutes { first: Timestamp::from_epoch(Duration::from_secs(first * 60)), values }
    }

    /// How far its points usually are apart.
    pub fn step(&self) -> Duration {
        Duration::from_secs_f64(self.step)
    }

    /// From its first point to the end of its last.
    pub fn span(&self) -> Duration {
        let ends = self.points.first().zip(self.points.last());
        Duration::from_secs_f64(ends.map_or(0.0, |(first, last)| last.0 - first.0 + self.step))
    }

    /// The load in bins of this length, from the first point on: means, and no figure where there is no point. What lies
    /// in the last quarter and half of a bin is known where points are fine enough.
    pub fn bins(&self, length: Duration) -> Vec<Observed> {
        let length = length.as_secs_f64().max(f64::MIN_POSITIVE);
        let start = self.points.first().map_or(0.0, |first| first.0);
        // Half a step of grace: moments may be rounded.
        let place = |seconds: f64| (seconds - start + 1e-6) / length;
        let mut bins = Vec::new();
        let mut rest = self.points.as_slice();
        while let Some(&(first, _)) = rest.first() {
            let index = place(first).floor();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rising from 0")]
            bins.resize(index as usize, Observed::default());
            let (inside, after) = rest.split_at(rest.partition_point(|point| place(point.0) < index + 1.0));
            let from = |share: f64| {
                let last = &inside[inside.partition_point(|point| place(point.0) < index + 1.0 - share)..];
                mean(last.iter().map(|point| point.1))
            };
            bins.push(Observed { value: from(1.0), last_quarter: from(0.25), last_half: from(0.5) });
            rest = after;
        }
        bins
    }
}

/// A moment in seconds, or as RFC 3339 has it.
fn seconds(text: &str) -> Option<f64> {
    let moment = || humantime::parse_rfc3339_weak(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok();
    text.parse().ok().or_else(|| moment().map(|since| since.as_secs_f64()))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_and_what_is_wrong_is_named() {
        let trace = Trace::parse("seconds,requests_per_second\n0,1\n60,2.5\n\n120,0\n").expect("a trace");
        assert_eq!((trace.step(), trace.span()), (Duration::from_secs(60), Duration::from_secs(180)));
        for (text, part) in [
            ("", "0 points"),
            ("0,1\n", "1 points"),
            ("a,b\n0,1\nx,2\n", "line 3: `x,2`"),
            ("0,1\n60,-2\n", "line 2"),
            ("0,1\n60,NaN\n", "line 2"),
            ("2026-11-25T07:31:07Z,1\n2026-11-25 7:32,2\n", "line 2: `2026-11-25 7:32,2` is not"),
            ("0,1\n60,1\n60,2\n", "line 3: 60 s is not after"),
        ] {
            let error = Trace::parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn minutes_are_means_of_fine_points_and_repeat_coarse_ones_within_the_time_that_is_asked_for() {
        let minutes = |text: &str, from: u64, to: u64| {
            let at = |minute: u64| Timestamp::from_epoch(Duration::from_secs(60 * minute));
            let minutes = Trace::parse(text).expect(text).minutes(at(from), at(to));
            (minutes.first.since_epoch().as_secs() / 60, minutes.values)
        };
        let fine = "60,1\n90,3\n120,5\n1970-01-01T00:04:00Z,7\n";
        assert_eq!(minutes(fine, 0, 100), (1, vec![Some(2.0), Some(5.0), None, Some(7.0)]));
        assert_eq!(minutes(fine, 2, 4), (2, vec![Some(5.0), None]));
        let coarse = "600,1\n720,3\n840,5\n1200,7\n";
        let (gap, ones, threes, fives, sevens) =
            ([None; 4], [Some(1.0); 2], [Some(3.0); 2], [Some(5.0); 2], [Some(7.0); 2]);
        let all = [&ones[..], &threes, &fives, &gap, &sevens].concat();
        assert_eq!(minutes(coarse, 0, 100), (10, all));
        assert_eq!(minutes(coarse, 50, 100).1, []);
        assert_eq!(minutes("0,1\n4000000000,2\n", 100, 103), (100, vec![Some(1.0); 3]), "no more than is asked for");
    }

    #[test]
    fn bins_are_means_and_a_gap_has_no_figure() {
        let points = [(0.0, 1.0), (60.0, 3.0), (120.0, 5.0), (180.0, 7.0), (720.0, 9.0)];
        let trace = Trace::of(points.to_vec()).expect("a trace");
        let bins = trace.bins(Duration::from_secs(240));
        assert_eq!(bins.iter().map(|bin| bin.value).collect::<Vec<_>>(), [Some(4.0), None, None, Some(9.0)]);
        assert_eq!((bins[0].last_quarter, bins[0].last_half), (Some(7.0), Some(6.0)));
        assert_eq!((bins[3].last_quarter, bins[3].last_half), (None, None), "no point so late in the bin");
    }
}
