//! How good forecasts were: each made with what was known then, and compared with what came.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use super::Trace;
use crate::autoscale::forecast::{Outlook, Score};

/// The errors of forecasts of one distance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// How many forecasts were compared.
    pub forecasts: u32,
    /// Their mean absolute error.
    pub error: f64,
    /// That of the same time yesterday.
    pub naive: f64,
    /// The share of values that the 90 % interval held.
    pub coverage: f64,
    /// How the models did that were weighed, at the end.
    pub models: Vec<Score>,
}

impl Accuracy {
    /// The error over the seasonal naive's: below 1 there is skill. Where that one's error is what it was in training, this is
    /// the mean absolute scaled error (MASE).
    pub fn ratio(&self) -> f64 {
        self.error / self.naive
    }
}

/// Forecasts in steps of this length, `ahead` steps ahead (1 is the next), compared from `warmup` on. `None` when the trace is
/// too short for any.
pub fn accuracy(trace: &Trace, step: Duration, ahead: usize, warmup: Duration) -> Option<Accuracy> {
    let steps = |span: Duration| usize::try_from(span.as_secs() / step.as_secs().max(1)).unwrap_or(usize::MAX);
    let day = steps(Duration::from_secs(86_400)).max(1);
    let bins = trace.bins(step);
    let mut outlook = Outlook::new(day, ahead);
    let mut made: VecDeque<(f64, f64, f64)> = VecDeque::new();
    let (mut forecasts, mut error, mut naive, mut held) = (0_u32, 0.0, 0.0, 0_u32);
    for (index, bin) in bins.iter().enumerate() {
        let forecast = (made.len() >= ahead).then(|| made.pop_front()).flatten();
        let yesterday = index.checked_sub(day).and_then(|index| bins[index].value);
        if let (Some((median, low, high)), Some(value), Some(yesterday)) = (forecast, bin.value, yesterday)
            && index >= steps(warmup)
        {
            forecasts += 1;
            error += (median - value).abs();
            naive += (yesterday - value).abs();
            held += u32::from(low <= value && value <= high);
        }
        outlook.observe(*bin);
        made.push_back(match outlook.distribution() {
            Some(it) => (it.median(), it.quantile(0.05), it.quantile(0.95)),
            None => (f64::NAN, f64::NAN, f64::NAN),
        });
    }
    let count = f64::from(forecasts);
    (forecasts > 0).then(|| Accuracy {
        forecasts,
        error: error / count,
        naive: naive / count,
        coverage: f64::from(held) / count,
        models: outlook.scores(),
    })
}
