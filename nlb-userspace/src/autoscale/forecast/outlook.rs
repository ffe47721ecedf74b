//! The forecast of one value, a fixed number of steps ahead, that learns from each value that comes.
//!
//! ```text
//!  value ─▶ past ─▶ features ─▶ experts ─▶ weighted mean ─▶ + errors of the last days ─▶ distribution
//!                                  ▲            ▲                   ▲
//!                    regressions are fitted     └─ errors by then ──┘
//!                    to what came of features
//! ```
//!
//! Everything is on the scale of square roots, where the noise of counts is about the same at any level. The rolling
//! back-test by which experts are weighed is the operation itself: no expert is judged by values that it was fitted to.

use std::collections::VecDeque;

use super::errors::{Errors, Scales};
use super::experts::{EXPERTS, Expert};
use super::features::{self, Row, Tail};
use super::past::Past;
use super::smoothing::{Rates, Smoothing};
use super::solve::{self, Linear, Loss, Observation};

/// How an expert's share falls with its mean error: with this power of it.
const SHARPNESS: i32 = 8;

/// Days that regressions are fitted to, and how many examples at most.
const FITTED_DAYS: usize = 28;
const MOST_EXAMPLES: usize = 4_032;

/// Days after which errors count half in weights, and values half in fits.
const HALF_LIFE_DAYS: f64 = 2.0;
const FIT_HALF_LIFE_DAYS: f64 = 14.0;

/// Days of errors that intervals are made from.
const ERROR_DAYS: usize = 14;

/// With more steps a day regressions are not fitted robustly: it would take too long, and outliers weigh less.
const ROBUST_STEPS: usize = 96;

/// What a step brought.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Observed {
    /// The mean over the step; `None` when it is missing.
    pub value: Option<f64>,
    /// The mean over the last quarter of the step, where known.
    pub last_quarter: Option<f64>,
    /// The mean over its last half, where known.
    pub last_half: Option<f64>,
}

impl From<f64> for Observed {
    fn from(value: f64) -> Self {
        Self { value: Some(value), last_quarter: None, last_half: None }
    }
}

/// How an expert does.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Score {
    /// What it is called.
    pub name: String,
    /// Its share in the forecast.
    pub weight: f64,
    /// Its mean absolute error of late, in the unit of the values.
    pub error: f64,
}

/// Forecasts the value `ahead` steps from the last one.
#[derive(Clone, Debug)]
pub struct Outlook {
    ahead: usize,
    past: Past,
    smoothing: Smoothing,
    /// What was forecast and has not come yet, oldest first.
    pending: VecDeque<Pending>,
    /// Features and what came of them, with the index of that.
    examples: VecDeque<(Row, f64, usize)>,
    fits: Vec<Option<Linear>>,
    fitted_at: usize,
    records: Vec<Record>,
    errors: Errors,
}

/// A forecast that waits for its value.
#[derive(Clone, Debug)]
struct Pending {
    row: Row,
    experts: [f64; EXPERTS.len()],
    centre: f64,
    scales: Scales,
}

/// An expert's errors, fading.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    sum: f64,
    weight: f64,
}

impl Record {
    fn mean(self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

impl Outlook {
    /// Of a series with so many steps a day, `ahead` steps ahead, 1 for the next value.
    ///
    /// # Panics
    /// When either is 0.
    pub fn new(steps_per_day: usize, ahead: usize) -> Self {
        assert!(steps_per_day > 0 && ahead > 0, "a day has steps, and the next value is one ahead");
        let rates = EXPERTS.iter().find_map(|expert| match expert {
            Expert::Smoothing(rates) => Some(*rates),
            _ => None,
        });
        let rates = rates.unwrap_or(Rates { level: 0.1, day: 0.1, week: 0.1, fading: 0.5 });
        Self {
            ahead,
            past: Past::new(steps_per_day),
            smoothing: Smoothing::new(steps_per_day, rates),
            pending: VecDeque::new(),
            examples: VecDeque::new(),
            fits: vec![None; EXPERTS.len()],
            fitted_at: 0,
            records: vec![Record::default(); EXPERTS.len()],
            errors: Errors::new(ERROR_DAYS * steps_per_day),
        }
    }

    /// Learns the next value. A missing one is taken for what was forecast, and teaches nothing.
    pub fn observe(&mut self, observed: impl Into<Observed>) {
        let Observed { value, last_quarter, last_half } = observed.into();
        let root = |value: Option<f64>| value.filter(|value| value.is_finite()).map(|value| value.max(0.0).sqrt());
        let due = (self.pending.len() >= self.ahead).then(|| self.pending.pop_front()).flatten();
        let known = root(value);
        if let (Some(known), Some(due)) = (known, &due) {
            self.learn(known, due);
        }
        let forecast = due.map(|due| due.centre).filter(|centre| centre.is_finite());
        let last = self.past.before(self.past.len(), 1);
        let Some(value) = known.or(forecast).or((!last.is_nan()).then_some(last)) else { return };
        self.past.push(value);
        self.smoothing.push(value);
        let half = root(last_half).filter(|_| known.is_some()).unwrap_or(value);
        let quarter = root(last_quarter).filter(|_| known.is_some()).unwrap_or(half);
        self.refit();
        self.forecast(Tail { quarter, half });
    }

    /// What the next but `ahead` − 1 value will be; `None` before the first value.
    pub fn distribution(&self) -> Option<Distribution<'_>> {
        let Pending { centre, scales, .. } = self.pending.back()?;
        Some(Distribution { centre: *centre, scales: *scales, errors: &self.errors })
    }

    /// How the experts do, the one with the greatest share first; those that can't say anything yet are left out.
    pub fn scores(&self) -> Vec<Score> {
        let Some(pending) = self.pending.back() else { return Vec::new() };
        let weights = self.weights(&pending.experts);
        let total: f64 = weights.iter().sum();
        let scores = EXPERTS.iter().zip(&weights).zip(&self.records).filter_map(|((expert, weight), record)| {
            Some(Score { name: expert.name(), weight: weight / total, error: record.mean()? })
        });
        let mut scores: Vec<_> = scores.collect();
        scores.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        scores
    }

    fn days(&self, days: f64) -> f64 {
        days * f64::from(u32::try_from(self.past.day()).unwrap_or(u32::MAX))
    }

    fn learn(&mut self, value: f64, due: &Pending) {
        let stays = 0.5_f64.powf(1.0 / self.days(HALF_LIFE_DAYS));
        for (record, expert) in self.records.iter_mut().zip(due.experts).filter(|(_, expert)| expert.is_finite()) {
            let error = (expert.max(0.0).powi(2) - value.powi(2)).abs();
            *record = Record { sum: record.sum * stays + error, weight: record.weight * stays + 1.0 };
        }
        if due.centre.is_finite() {
            self.errors.push(value - due.centre, due.scales);
        }
        self.examples.push_back((due.row, value, self.past.len()));
        if self.examples.len() > (FITTED_DAYS * self.past.day()).min(MOST_EXAMPLES) {
            self.examples.pop_front();
        }
    }

    /// Fits regressions anew: often while there is little to fit to, then twice a day, or once where there are many steps
    /// to it.
    fn refit(&mut self) {
        let usual = if self.past.day() > ROBUST_STEPS { self.past.day() } else { (self.past.day() / 2).max(6) };
        let every = usual.min(self.examples.len() / 10 + 6);
        if self.past.len() < self.fitted_at + every || self.examples.len() < 12 {
            return;
        }
        self.fitted_at = self.past.len();
        let half_life = self.days(FIT_HALF_LIFE_DAYS);
        for (fit, expert) in self.fits.iter_mut().zip(EXPERTS) {
            let Expert::Regression(regression) = expert else { continue };
            if regression.loss == Loss::Amounts && self.past.day() > ROBUST_STEPS {
                continue;
            }
            let width = regression.features.len();
            let mut table = Vec::with_capacity(self.examples.len() * width);
            let mut outcomes = Vec::with_capacity(self.examples.len());
            for (row, outcome, index) in &self.examples {
                let features = regression.features.iter().map(|feature| row[*feature as usize]);
                table.extend(features);
                if table[table.len() - width..].iter().all(|feature| feature.is_finite()) {
                    let age = f64::from(u32::try_from(self.past.len() - index).unwrap_or(u32::MAX));
                    outcomes.push((*outcome, 0.5_f64.powf(age / half_life)));
                } else {
                    table.truncate(table.len() - width);
                }
            }
            // Fewer examples than features determine nothing worth having.
            if outcomes.len() < 2 * width {
                continue;
            }
            let observations: Vec<_> = table
                .chunks_exact(width)
                .zip(&outcomes)
                .map(|(features, &(outcome, weight))| Observation { features, outcome, weight })
                .collect();
            *fit = solve::fit(&observations, regression.penalty, regression.loss);
        }
    }

    fn forecast(&mut self, tail: Tail) {
        let row = features::row(&self.past, tail, self.ahead);
        let mut experts = [f64::NAN; EXPERTS.len()];
        for ((forecast, expert), fit) in experts.iter_mut().zip(EXPERTS).zip(&self.fits) {
            *forecast = match (expert, fit) {
                (Expert::Regression(regression), Some(line)) => {
                    line.at(regression.features.iter().map(|feature| row[*feature as usize])).max(0.0)
                }
                _ => expert.simple(&self.past, &self.smoothing, &row, self.ahead).unwrap_or(f64::NAN),
            };
        }
        let weights = self.weights(&experts);
        let total: f64 = weights.iter().sum();
        let sum: f64 = weights
            .iter()
            .zip(experts)
            .filter(|(weight, _)| **weight > 0.0)
            .map(|(weight, expert)| weight * expert)
            .sum();
        let centre = sum / total;
        self.pending.push_back(Pending { row, experts, centre, scales: self.errors.scales(centre) });
    }

    /// Shares of experts, not yet divided by their sum. One that has not been judged has none while others have been.
    fn weights(&self, forecasts: &[f64; EXPERTS.len()]) -> [f64; EXPERTS.len()] {
        // An error of nothing at all would divide by zero.
        let means = self.records.iter().zip(forecasts);
        let means: Vec<_> = means
            .map(|(record, forecast)| record.mean().filter(|_| forecast.is_finite()).map(|mean| mean.max(1e-9)))
            .collect();
        let best = means.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        let mut weights = [0.0; EXPERTS.len()];
        for ((weight, mean), forecast) in weights.iter_mut().zip(&means).zip(forecasts) {
            *weight = match mean {
                Some(mean) => (best / mean).powi(SHARPNESS),
                None if best.is_infinite() && forecast.is_finite() => 1.0,
                None => 0.0,
            };
        }
        weights
    }
}

/// What a value may come out as.
#[derive(Clone, Copy, Debug)]
pub struct Distribution<'a> {
    centre: f64,
    scales: Scales,
    errors: &'a Errors,
}

/// Errors without which a quantile is a guess.
const FEW: usize = 12;

impl Distribution<'_> {
    /// What it stays below with probability `share`, between 0 and 1: at least 0.
    pub fn quantile(&self, share: f64) -> f64 {
        let error = self.errors.quantile(share, &self.scales).filter(|_| self.errors.len() >= FEW);
        // Before anything is known of errors: as if noise were a third of the root.
        let error = error.unwrap_or((share - 0.5) * self.centre * 0.66);
        (self.centre + error).max(0.0).powi(2)
    }

    /// What it is as likely above as below.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}
