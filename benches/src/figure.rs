//! One measured figure: the median of its runs, and what it should reach.

use serde::{Deserialize, Serialize};

/// A bound that a figure should keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// The value should be this or less.
    AtMost(f64),
    /// The value should be this or more.
    AtLeast(f64),
}

impl Goal {
    const fn bound(self) -> f64 {
        match self {
            Self::AtMost(bound) | Self::AtLeast(bound) => bound,
        }
    }

    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

/// A figure as it stands in the JSON list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// `bench/row`, unique.
    pub(crate) name: String,
    /// The median of all runs.
    pub(crate) value: f64,
    /// `ns`, `ms`, `Mpps`, `MB`, `%`, or `ratio` for a quotient of two things measured in the same run.
    pub(crate) unit: String,
    /// The bound it should keep.
    pub(crate) goal: Option<f64>,
    /// Whether the median keeps it.
    pub(crate) met: Option<bool>,
    /// How often it was measured.
    pub(crate) runs: usize,
    /// The least of all runs.
    pub(crate) min: f64,
    /// The greatest of all runs.
    pub(crate) max: f64,
}

impl Figure {
    /// The figure of these samples; `None` without any.
    pub(crate) fn of(name: String, unit: &str, samples: &[f64], goal: Option<Goal>) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let value = median(&sorted)?;
        Some(Self {
            name,
            value,
            unit: unit.to_owned(),
            goal: goal.map(Goal::bound),
            met: goal.map(|goal| goal.is_met_by(value)),
            runs: sorted.len(),
            min: *sorted.first()?,
            max: *sorted.last()?,
        })
    }

    /// Whether more is better: of throughput and of what should reach a least value.
    pub(crate) fn more_is_better(&self) -> bool {
        match (self.goal, self.met) {
            (Some(goal), Some(met)) if self.value != goal => (self.value > goal) == met,
            _ => self.unit.ends_with("/s") || self.unit == "Mpps",
        }
    }
}

/// The middle of sorted values: of the two in the middle their mean.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*sorted.get(sorted.len() / 2 - 1)?, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_median_of_its_runs_and_says_whether_the_goal_is_met() {
        let rows = [
            (&[3.0, 1.0, 2.0][..], Some(Goal::AtMost(2.0)), 2.0, Some(true)),
            (&[4.0, 1.0, 2.0, 3.0], Some(Goal::AtLeast(2.6)), 2.5, Some(false)),
            (&[7.0], None, 7.0, None),
        ];
        for (samples, goal, value, met) in rows {
            let figure = Figure::of("a/b".to_owned(), "ns", samples, goal).expect("samples");
            assert_eq!((figure.value, figure.met, figure.runs), (value, met, samples.len()));
        }
        assert_eq!(Figure::of("a/b".to_owned(), "ns", &[], None), None);
    }
}
